"""Bytes ⇄ pixels: PNG and JPEG files to 28×28 float arrays and back. The only home of Pillow.

Pillow sees a file only after `png` or `jpeg` walked it, and only the parts that make the pixels.
"""

import io
import math
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from service.codecs.files import digit_png, jpeg, png
from service.codecs.files.header import Header, ImageLimits
from service.codecs.framing import SIDE, Fit, FloatArray, frame
from service.codecs.ink import RING, Invert, unit
from service.errors import InvalidImage, UnsupportedImageFormat

__all__ = [
    "Fit",
    "FloatArray",
    "ImageLimits",
    "Invert",
    "decode",
    "encode_grid",
    "encode_pngs",
    "frame",
    "grid",
    "pixels",
]

Samples = npt.NDArray[np.unsignedinteger[Any]]  # luminance: uint8 of 255 or uint16 of 65535
_Scalar = TypeVar("_Scalar", bound=np.generic)

_PLAIN = Header(b"")  # 8 bits, upright, opaque
_UNDECODABLE = "The image cannot be decoded."

# What EXIF's orientation asks of the stored rows and columns: (transpose, then flip rows, then flip columns).
_UPRIGHT = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def decode(data: bytes, *, fit: Fit, invert: Invert, limits: ImageLimits) -> FloatArray:
    """Pixels of a PNG or JPEG file, recognised by their first bytes: float32 (28, 28), [0, 1], 1 is ink.

    invert: "false" takes bright for ink, "true" takes dark, "auto" takes dark if the outermost ring of pixels
    is lighter than half in the median. Transparent pixels are paper in each case.
    Raises InvalidImage, ImageTooLarge, UnsupportedImageFormat.
    """
    if not data:
        raise InvalidImage("The image is empty.", "empty_body")
    limits.check_bytes(len(data))
    header, samples, alpha = _open(data, limits)  # (h, w), (h, w)
    dark_ink = invert == "true" or (invert == "auto" and _is_paper_light(samples, alpha))
    pixels = unit(_top(samples) - samples if dark_ink else samples)
    if alpha is not None:
        # Equal to compositing on the paper's own colour, white under dark ink and black under bright ink.
        pixels *= alpha
    return frame(_upright(pixels, header.orientation), fit)


def pixels(data: bytes) -> int:
    """Pixels that a file's header announces; 0 where it announces none. Neither decoded nor checked."""
    if data.startswith(png.SIGNATURE):
        return int.from_bytes(data[16:20]) * int.from_bytes(data[20:24])
    return jpeg.pixels(data) if data.startswith(jpeg.MAGIC) else 0


def encode_pngs(images: FloatArray) -> list[bytes]:
    """A grey 8-bit PNG of each of the images (n, h, w) in [0, 1], ink white on black as in MNIST: round(255·p)."""
    return [png.write(samples) for samples in _eight_bits(images)]


def encode_grid(images: FloatArray, columns: int | None = None) -> bytes:
    """One such PNG of images (n, 28, 28), n ≥ 1, laid out by `grid`."""
    return png.write(grid(_eight_bits(images), columns))


def grid(images: npt.NDArray[_Scalar], columns: int | None = None) -> npt.NDArray[_Scalar]:
    """Lay images (n, 28, 28), n ≥ 1, in rows, left to right: (rows·28, columns·28), missing ones paper.

    columns: as many as make the grid nearly square unless given.
    """
    count = len(images)
    columns = columns or math.isqrt(count - 1) + 1  # ⌈√n⌉
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, SIDE, SIDE), images.dtype)
    cells[:count] = images
    return cells.reshape(rows, columns, SIDE, SIDE).swapaxes(1, 2).reshape(rows * SIDE, columns * SIDE)


def _open(data: bytes, limits: ImageLimits) -> tuple[Header, Samples, FloatArray | None]:
    """Header, luminance (h, w) and, where some pixel may be transparent, alpha (h, w) in [0, 1]."""
    usual, digit = digit_png.read([data], limits)
    if usual:
        return _PLAIN, digit[0], None
    # A file that ends within the signature is cut short, not of another format.
    if data[:8] == png.SIGNATURE[: len(data)]:
        header = png.read(data, limits)
    elif data[:3] == jpeg.MAGIC[: len(data)]:
        header = jpeg.read(data, limits)
    else:
        raise UnsupportedImageFormat("The image is neither PNG nor JPEG.")
    try:
        stream = io.BytesIO(header.stream)
        image = PngImageFile(stream) if data[:1] == png.SIGNATURE[:1] else JpegImageFile(stream)
        image.load()
        samples = _luminance(image)
        return header, samples, _alpha(image, samples, header)
    except Exception as error:  # Pillow raises a dozen kinds on bad data, none of them fit to be shown
        raise InvalidImage(_UNDECODABLE) from error


def _luminance(image: Image.Image) -> Samples:
    """Rec. 601 luma (h, w), whatever the alpha. 16-bit grey stays so; Pillow narrows 16-bit colour to 8."""
    if image.mode in ("L", "I;16"):
        return np.asarray(image)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def _alpha(image: Image.Image, samples: Samples, header: Header) -> FloatArray | None:
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
        matches = samples == (key if header.depth == 16 else key * (255 // (2**header.depth - 1)))
    return np.asarray(~matches, np.float32)


def _is_paper_light(samples: Samples, alpha: FloatArray | None) -> bool:
    """Whether the outermost ring of pixels is lighter than half in the median.

    A transparent image is laid on black or white for this, whichever is further from the mean of what is
    visible, so that strokes alone on transparency stand out as ink.
    """
    if alpha is None:
        shades = _ring(samples)
        shades.sort()
        middle = shades[(len(shades) - 1) // 2 : len(shades) // 2 + 1]  # one or two
        return int(middle[0]) + int(middle[-1]) > _top(samples)
    light = unit(samples) * alpha
    on_white = float(light.sum()) < float(alpha.sum()) / 2
    ring = _ring(light + (1 - alpha) if on_white else light)
    ring.sort()
    ring = ring[(len(ring) - 1) // 2 : len(ring) // 2 + 1]
    return float(ring[0]) + float(ring[-1]) > 1  # twice the median


def _ring(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The outermost pixels of (h, w), each once, also where a side is 1."""
    if plane.shape == (SIDE, SIDE):
        return plane.take(RING)
    return np.concatenate((plane[0], plane[1:][-1:].ravel(), plane[1:-1, 0], plane[1:-1, 1:][:, -1:].ravel()))


def _upright(pixels: FloatArray, orientation: int) -> FloatArray:
    if orientation == 1:
        return pixels
    transpose, flip_rows, flip_columns = _UPRIGHT[orientation]
    if transpose:
        pixels = pixels.T
    return np.ascontiguousarray(pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def _eight_bits(images: FloatArray) -> npt.NDArray[np.uint8]:
    """round(255·p), for p in [0, 1] and what rounding made of it."""
    scaled = images * np.float32(255)
    np.rint(scaled, out=scaled)
    scaled.clip(0, 255, out=scaled)
    return scaled.astype(np.uint8)


def _top(samples: Samples) -> int:
    return 255 if samples.itemsize == 1 else 65535
