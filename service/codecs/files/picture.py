"""Image files → pictures: samples and transparency, upright. What of a picture is ink is `images`' matter.

Pillow sees a file only after its format's walk, and only the parts that make the pixels.
"""

import io
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from service.codecs.files import digit_png, jpeg, png
from service.codecs.files.header import Header, ImageLimits
from service.codecs.framing import FloatArray
from service.codecs.ink import unit
from service.errors import InvalidImage, UnsupportedImageFormat

Samples = npt.NDArray[np.unsignedinteger[Any]]  # uint8 of 255 or uint16 of 65535

# What EXIF's orientation asks of the stored rows and columns: (transpose, then flip rows, then flip columns).
_UPRIGHT = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


class Picture(NamedTuple):
    """A file's pixels, upright.

    samples: uint8 or, of a grey file with 16 bits, uint16; (h, w) grey or (h, w, 3) red, green, blue.
    alpha: float32 (h, w) in [0, 1], 0 is transparent; None where nothing can be.
    """

    samples: Samples
    alpha: FloatArray | None


def read_picture(data: bytes, limits: ImageLimits, *, grey: bool = False) -> Picture:
    """The picture in a PNG or JPEG file, recognised by its first bytes.

    grey: colours become luma by Rec. 601, so samples are (h, w) in any case.
    Raises InvalidImage, ImageTooLarge, UnsupportedImageFormat.
    """
    if not data:
        raise InvalidImage("The image is empty.", "empty_body")
    limits.check_bytes(len(data))
    usual, digits = digit_png.read([data], limits)
    if usual:
        return Picture(digits[0], None)
    # A file that ends within the signature is cut short, not of another format.
    if data[:8] == png.SIGNATURE[: len(data)]:
        header = png.read(data, limits)
    elif data[:3] == jpeg.MAGIC[: len(data)]:
        header = jpeg.read(data, limits)
    else:
        raise UnsupportedImageFormat("The image is neither PNG nor JPEG.")
    try:
        stream = io.BytesIO(header.stream)
        image: Image.Image = PngImageFile(stream) if data[:1] == png.SIGNATURE[:1] else JpegImageFile(stream)
        image.load()
        if image.mode == "1":
            image = image.convert("L")
        samples, alpha = _samples(image, grey), _alpha(image, header)
    except Exception as error:  # Pillow raises a dozen kinds on bad data, none of them fit to be shown
        raise InvalidImage("The image cannot be decoded.") from error
    return Picture(_upright(samples, header.orientation), _upright(alpha, header.orientation))


def _samples(image: Image.Image, grey: bool) -> Samples:
    """(h, w) or (h, w, 3), whatever the alpha. 16-bit grey stays so; Pillow narrows 16-bit colour to 8."""
    if image.mode in ("L", "I;16"):
        return np.asarray(image)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    return np.asarray(image.convert("L" if grey or image.mode == "LA" else "RGB"))


def _alpha(image: Image.Image, header: Header) -> FloatArray | None:
    """(h, w) in [0, 1] where some pixel may be transparent."""
    if image.mode in ("LA", "RGBA"):
        return unit(np.asarray(image.getchannel("A")))
    if header.colours:
        opacity = np.full(header.colours, 255, np.uint8)
        opacity[: len(header.transparency)] = np.frombuffer(header.transparency, np.uint8)
        return unit(opacity[np.asarray(image)])  # a pixel outside the palette raises IndexError
    if not header.transparency:
        return None
    key = np.frombuffer(header.transparency, ">u2") & (2**header.depth - 1)  # one grey or three colours
    if image.mode == "RGB":
        matches = (np.asarray(image) == key >> (header.depth - 8)).all(axis=2)  # (h, w, 3) to (h, w)
    else:
        matches = np.asarray(image) == (key if header.depth == 16 else key * (255 // (2**header.depth - 1)))
    return np.asarray(~matches, np.float32)


def _upright(plane: Any, orientation: int) -> Any:
    """(h, w, …) turned and mirrored as EXIF asks; None stays None."""
    if orientation == 1 or plane is None:
        return plane
    transpose, flip_rows, flip_columns = _UPRIGHT[orientation]
    if transpose:
        plane = plane.swapaxes(0, 1)
    return np.ascontiguousarray(plane[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])
