"""Image files → pictures: samples and transparency, upright. What of a picture is ink is `images`' matter.

Pillow sees a file only after its format's walk, and only the parts that make the pixels.
"""

import io
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from service.codecs.files import digit_png, formats, jpeg, samples
from service.codecs.files.header import Header, ImageLimits
from service.codecs.framing import SIDE, FloatArray
from service.errors import InvalidImage, ServiceError

MAX_PIXELS = 1 << 20  # a digit needs far fewer; beyond them time and memory would only grow

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
    width, height: of the file, before it was reduced.
    alpha: float32 (h, w) in [0, 1], 0 is transparent; None where nothing can be,
    save that a grey palette always has one.
    """

    samples: samples.Samples
    alpha: FloatArray | None
    width: int
    height: int


def read_picture(data: bytes, limits: ImageLimits, *, grey: bool = False, least_side: int | None = None) -> Picture:
    """The picture in an image file, whose format its first bytes say.

    A picture of more than MAX_PIXELS is reduced by a whole number until it has at most as many.
    grey: colours become luma by Rec. 601, so samples are (h, w) in any case.
    least_side: a picture whose longer side has at least twice as many pixels is reduced as well, to no fewer.
    Raises InvalidImage, ImageTooLarge, UnsupportedImageFormat.
    """
    if not data:
        raise InvalidImage("The image is empty.", "empty_body")
    limits.check_bytes(len(data))
    usual, digits = digit_png.read([data], limits)
    if usual:
        return Picture(digits[0], None, SIDE, SIDE)
    kind = formats.recognise(data)
    header = kind.read(data, limits)
    try:
        found, alpha = _decoded(kind, header, header.stream, grey, least_side)
        if not header.ended and not np.array_equal(
            found, _decoded(kind, header, jpeg.with_surplus(header), grey, least_side)[0]
        ):
            raise InvalidImage("The JPEG ends before its last row.")
    except ServiceError:
        raise
    except Exception as error:  # Pillow raises a dozen kinds on bad data, none of them fit to be shown
        raise InvalidImage("The image cannot be decoded.") from error
    width, height = kind.size(data)
    if header.orientation in _UPRIGHT and _UPRIGHT[header.orientation][0]:
        width, height = height, width
    return Picture(_upright(found, header.orientation), _upright(alpha, header.orientation), width, height)


def _decoded(
    kind: formats.Format, header: Header, stream: bytes, grey: bool, least_side: int | None
) -> tuple[samples.Samples, FloatArray | None]:
    """(h, w) or (h, w, 3), and alpha (h, w)."""
    image: Image.Image = kind.decoder(io.BytesIO(stream))
    factor = _factor(image.size, least_side)
    if factor > 1 and kind is formats.JPEG:
        width, height = image.size
        needed = _factor(image.size)
        # Beyond what is needed, a side keeps its least; and the next scale is less work than a mean over what is left.
        scale = max(scale for scale in jpeg.SCALES if scale <= factor or scale < 2 * needed)
        image.draft("L" if grey else None, (max(1, width // scale), max(1, height // scale)))
        factor = _factor(image.size)
    image.load()
    return samples.of_image(image, header, factor, grey=grey)


def _factor(size: tuple[int, int], least_side: int | None = None) -> int:
    """Pixels of each side that become one."""
    width, height = size
    factor = max(1, max(size) // least_side) if least_side else 1
    while -(-width // factor) * -(-height // factor) > MAX_PIXELS:
        factor += 1
    return factor


def _upright(plane: Any, orientation: int) -> Any:
    """(h, w, …) turned and mirrored as EXIF asks; None stays None."""
    if orientation == 1 or plane is None:
        return plane
    transpose, flip_rows, flip_columns = _UPRIGHT[orientation]
    if transpose:
        plane = plane.swapaxes(0, 1)
    return np.ascontiguousarray(plane[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])
