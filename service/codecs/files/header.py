"""What is known of an image file before a decoder sees it: limits, header, the orientation in its EXIF.

The walks that fill a header are `png.read`, `jpeg.read`, `webp.read`, `bmp.read` and `gif.read`.
"""

import struct
from dataclasses import dataclass

from service.errors import ImageTooLarge, InvalidImage

_ORIENTATION_TAG = 0x0112
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # kinds of values, TIFF 6.0 section 2
_MAX_TAGS = 256  # a camera writes about twenty into the first directory
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


@dataclass(frozen=True)
class ImageLimits:
    """What one image may measure.

    max_pixels: 16,777,216 hold a screenshot of 3840×2160 twice; as RGB they take 64 MiB and 0.2 s of a core. A JPEG
    may have four times as many, as it is decoded at a half, a quarter or an eighth, see `jpeg`; a WebP half as many.
    """

    max_bytes: int
    max_pixels: int = 1 << 24
    max_side: int = 16_384

    def check_bytes(self, size_bytes: int) -> None:
        """Raises ImageTooLarge if a file is too long."""
        if size_bytes > self.max_bytes:
            raise ImageTooLarge(f"The image has {size_bytes} bytes; up to {self.max_bytes} are accepted.")

    def check_size(self, width: int, height: int, share: float = 1) -> None:
        """share: of max_pixels. Raises InvalidImage for a side of 0, ImageTooLarge beyond the limits."""
        if width == 0 or height == 0:
            raise InvalidImage(f"The image is {width}x{height} pixels; each side must be at least 1.")
        max_pixels = int(self.max_pixels * share)
        if max(width, height) > self.max_side or width * height > max_pixels:
            raise ImageTooLarge(
                f"The image is {width}x{height} pixels; sides up to {self.max_side} and {max_pixels}"
                " pixels in all are accepted."
            )


@dataclass(frozen=True)
class Header:
    """A file that passed its walk.

    stream: the file again, holding only what a decoder needs for the pixels: no text, no profile, no EXIF.
    depth: bits per sample, 1 to 16.  orientation: EXIF's, 1 to 8.
    colours: entries of the palette, 0 without one.
    transparency: as a PNG's tRNS chunk has it, empty where no pixel is transparent by it: the opacity of each of the
    first entries of the palette, or the one grey or colour of 16-bit samples that is transparent.
    exact: whether samples come back as they were written, without loss.
    box: left, top, right and bottom of what the samples cover; all around it is transparent. None if they cover all.
    ended: whether the file says itself that it ends here.
    """

    stream: bytes
    depth: int = 8
    orientation: int = 1
    colours: int = 0
    transparency: bytes = b""
    exact: bool = True
    box: tuple[int, int, int, int] | None = None
    ended: bool = True


def read_orientation(exif: bytes) -> int:
    """Orientation, 1 to 8, from an EXIF block; 1 where it has none or cannot be read. Never raises.

    EXIF asks for a SHORT, but programs also write it as a LONG or a BYTE, and viewers obey.
    TIFF 6.0 section 2: byte order, offset of the first directory, its entries of 12 bytes.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(min(entries, _MAX_TAGS)):
            tag, kind, count, field = struct.unpack_from(f"{order}HHI4s", tiff, directory + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                if kind not in _WHOLE_NUMBERS or count != 1:
                    return 1
                (value,) = struct.unpack_from(order + _WHOLE_NUMBERS[kind], field)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
