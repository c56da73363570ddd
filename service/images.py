"""Bytes ⇄ pixels: PNG and JPEG files to 28×28 float arrays and back. The only home of Pillow.

Pillow sees a file only after `png.read` or `jpeg.read` walked it, and only the parts that make the pixels.
"""

import io
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from service import jpeg, png
from service.errors import InvalidImage, UnsupportedImageFormat
from service.framing import SIDE, Fit, FloatArray, frame
from service.image_header import Header, ImageLimits

__all__ = ["Fit", "FloatArray", "ImageLimits", "Invert", "decode", "encode_png", "frame", "grid"]

Invert = Literal["auto", "true", "false"]
Samples = npt.NDArray[np.unsignedinteger[Any]]  # luminance: uint8 of 255 or uint16 of 65535

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
    """Pixels of a PNG or JPEG file, told apart by their first bytes: float32 (28, 28), [0, 1], 1 is ink.

    invert: "false" takes bright for ink, "true" takes dark, "auto" takes dark if the outermost ring of pixels
    is lighter than half in the median. Transparent pixels are paper in each case.
    Raises InvalidImage, ImageTooLarge, UnsupportedImageFormat.
    """
    if not data:
        raise InvalidImage("The image is empty.", "empty_body")
    limits.check_bytes(len(data))
    header, samples, alpha = _open(data, limits)  # (h, w), (h, w)
    dark_ink = invert == "true" or (invert == "auto" and _is_paper_light(samples, alpha))
    pixels = _unit(_top(samples) - samples if dark_ink else samples)
    if alpha is not None:
        # Equal to compositing on the paper's own colour, white under dark ink and black under bright ink.
        pixels *= alpha
    return frame(_upright(pixels, header.orientation), fit)


def encode_png(pixels: FloatArray) -> bytes:
    """A grey 8-bit PNG of pixels (h, w) in [0, 1], ink white on black as in MNIST: round(255·p)."""
    return png.write(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8))


def grid(images: FloatArray, columns: int | None = None) -> FloatArray:
    """Lay images (n, 28, 28), n ≥ 1, in rows, left to right: (rows·28, columns·28), missing ones paper.

    columns: as many as make the grid nearly square unless given.
    """
    count = len(images)
    columns = columns or math.isqrt(count - 1) + 1  # ⌈√n⌉
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, SIDE, SIDE), np.float32)
    cells[:count] = images
    return cells.reshape(rows, columns, SIDE, SIDE).swapaxes(1, 2).reshape(rows * SIDE, columns * SIDE)


def _open(data: bytes, limits: ImageLimits) -> tuple[Header, Samples, FloatArray | None]:
    """Header, luminance (h, w) and, where some pixel may be transparent, alpha (h, w) in [0, 1]."""
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
        raise InvalidImage("The image can not be decoded.") from error


def _luminance(image: Image.Image) -> Samples:
    """Rec. 601 luma (h, w), whatever the alpha. 16-bit grey stays so; Pillow narrows 16-bit colour to 8."""
    if image.mode in ("L", "I;16"):
        return np.asarray(image)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def _alpha(image: Image.Image, samples: Samples, header: Header) -> FloatArray | None:
    if image.mode in ("LA", "RGBA"):
        return _unit(np.asarray(image.getchannel("A")))
    if header.colours:
        opacity = np.full(header.colours, 255, np.uint8)
        opacity[: len(header.transparency)] = np.frombuffer(header.transparency, np.uint8)
        return _unit(opacity[np.asarray(image)])  # a pixel outside the palette raises IndexError
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
        ring = _unit(_ring(samples))
    else:
        light = _unit(samples) * alpha
        on_white = float(light.sum()) < float(alpha.sum()) / 2
        ring = _ring(light + (1 - alpha) if on_white else light)
    ring.sort()
    return float(ring[(len(ring) - 1) // 2]) + float(ring[len(ring) // 2]) > 1  # twice the median


def _ring(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The outermost pixels of (h, w), each once, also where a side is 1."""
    return np.concatenate((plane[0], plane[1:][-1:].ravel(), plane[1:-1, 0], plane[1:-1, 1:][:, -1:].ravel()))


def _upright(pixels: FloatArray, orientation: int) -> FloatArray:
    transpose, flip_rows, flip_columns = _UPRIGHT[orientation]
    if transpose:
        pixels = pixels.T
    return np.ascontiguousarray(pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def _top(samples: Samples) -> int:
    return 255 if samples.itemsize == 1 else 65535


def _unit(samples: Samples) -> FloatArray:
    return np.divide(samples, _top(samples), dtype=np.float32)
