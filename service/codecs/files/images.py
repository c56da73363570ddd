"""Image files → the digits on them: taken whole, or found."""

from typing import Any

import numpy as np
import numpy.typing as npt

from service.codecs import digits
from service.codecs.digits import Digits
from service.codecs.files import formats
from service.codecs.files.header import ImageLimits
from service.codecs.files.picture import Picture, read_picture
from service.codecs.files.samples import Samples
from service.codecs.framing import SIDE, Fit, FloatArray, frame
from service.codecs.ink import RING, Invert, unit
from service.codecs.reading.read import read as find_digits

__all__ = ["Fit", "FloatArray", "ImageLimits", "Invert", "decode", "frame", "read"]

# Pixels of the longer side that a JPEG is decoded to at least, where that is quicker: a digit on it takes up less of a
# large photo than of a small one.
_SMALL_SIDE, _LARGE_SIDE, _LARGE = 320, 640, 1280


def read(data: bytes, *, fit: Fit, invert: Invert, limits: ImageLimits, split: bool = False) -> Digits:
    """The digits on a picture in an image file, which its first bytes recognise: one, or with split all there are.

    fit: "auto" finds them, save on a picture of 28×28, which is as it is; any other takes the picture whole.
    invert: "true" takes dark for ink and "false" bright, whatever the paper is. A blank picture is one blank digit.
    Raises InvalidImage, ImageTooLarge, UnsupportedImageFormat.
    """
    if fit != "auto":
        return _whole(read_picture(data, limits, grey=True), fit, invert)
    picture = read_picture(data, limits, least_side=_least_side(data, split))
    if picture.samples.shape[:2] == (SIDE, SIDE):
        return _whole(read_picture(data, limits, grey=True), fit, invert)
    found = find_digits(
        picture.samples, picture.alpha, is_ink_dark={"auto": None}.get(invert, invert == "true"), apart=split
    )
    if not found.digits:
        blank = np.zeros((1, SIDE, SIDE), np.float32)
        return digits.whole(blank, np.array([found.is_ink_dark]), (picture.width, picture.height))
    count = len(found.digits)
    height, width = picture.samples.shape[:2]
    scale = np.array([picture.width / width, picture.height / height] * 2)
    boxes = np.rint(np.array([digit.box for digit in found.digits]) * scale).astype(np.int64)
    pixels = np.stack([digit.pixels for digit in found.digits])
    return Digits(pixels, boxes, np.full(count, found.is_ink_dark), np.full(count, found.number))


def decode(data: bytes, *, fit: Fit, invert: Invert, limits: ImageLimits) -> FloatArray:
    """As `read`, of one digit its pixels alone: (28, 28)."""
    pixels: FloatArray = read(data, fit=fit, invert=invert, limits=limits).pixels[0]
    return pixels


def _least_side(data: bytes, split: bool) -> int | None:
    kind = formats.find(data)
    if kind is not formats.JPEG:
        return None
    side = _SMALL_SIDE if max(kind.size(data)) < _LARGE else _LARGE_SIDE
    return 2 * side if split else side


def _whole(picture: Picture, fit: Fit, invert: Invert) -> Digits:
    """invert: "auto" takes dark for ink if the outermost ring of pixels is lighter than half in the median.

    Transparent pixels are paper in each case.
    """
    samples, alpha, *size = picture  # (h, w), (h, w)
    dark_ink = invert == "true" or (invert == "auto" and _is_paper_light(samples, alpha))
    pixels = unit(_top(samples) - samples if dark_ink else samples)
    if alpha is not None:
        # Equal to compositing on the paper's own colour, white under dark ink and black under bright ink.
        pixels *= alpha
    return digits.whole(frame(pixels, fit)[np.newaxis], np.array([dark_ink]), (size[0], size[1]))


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


def _top(samples: Samples) -> int:
    return 255 if samples.itemsize == 1 else 65535
