"""What is known of an image file before a decoder sees it: limits, header, the orientation in its EXIF.

The walks that fill a header are `png.read` and `jpeg.read`; decoding is `images.decode`.
"""

import struct
from dataclasses import dataclass

from service.errors import ImageTooLarge, InvalidImage

_ORIENTATION_TAG = 0x0112
_SHORT = 3
_MAX_TAGS = 256  # a camera writes about twenty into the first directory
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


@dataclass(frozen=True)
class ImageLimits:
    """What one image may measure. 1,048,576 pixels are 3 MB of RGB and some 20 ms of a core."""

    max_bytes: int
    max_pixels: int = 1_048_576
    max_side: int = 2048

    def check_bytes(self, size_bytes: int) -> None:
        """Raises ImageTooLarge if a file is too long."""
        if size_bytes > self.max_bytes:
            raise ImageTooLarge(f"The image has {size_bytes} bytes; up to {self.max_bytes} are accepted.")

    def allow_size(self, width: int, height: int) -> bool:
        return max(width, height) <= self.max_side and width * height <= self.max_pixels

    def check_size(self, width: int, height: int) -> None:
        """Raises InvalidImage for a side of 0, ImageTooLarge for a side or an area beyond the limits."""
        if width == 0 or height == 0:
            raise InvalidImage(f"The image is {width}x{height} pixels; each side must be at least 1.")
        if not self.allow_size(width, height):
            raise ImageTooLarge(
                f"The image is {width}x{height} pixels; sides up to {self.max_side} and {self.max_pixels}"
                " pixels in all are accepted."
            )


@dataclass(frozen=True)
class Header:
    """A file that passed its walk.

    stream: the file again, holding only what a decoder needs for the pixels: no text, no profile, no EXIF.
    depth: bits per sample, 1 to 16.  orientation: EXIF's, 1 to 8.
    colours: entries of the palette, 0 without one.
    transparency: body of a PNG's tRNS chunk, empty without one.
    """

    stream: bytes
    depth: int = 8
    orientation: int = 1
    colours: int = 0
    transparency: bytes = b""


def read_orientation(exif: bytes) -> int:
    """Orientation, 1 to 8, from an EXIF block; 1 where it has none or cannot be read. Never raises.

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
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return int(value) if kind == _SHORT and count == 1 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
