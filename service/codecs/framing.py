"""Pixels of any size → 28×28. Arrays only: files are `images`' matter.

`mnist` follows how the data set was made: LeCun, Bottou, Bengio & Haffner 1998, section III-A.
"""

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from service.errors import InvalidImage

SIDE = 28
Fit = Literal["auto", "resize", "mnist", "exact"]
FloatArray = npt.NDArray[np.float32]

_BOX_SIDE = 20
_CENTRE = 14  # index of the pixel that holds a digit's centre of mass in MNIST, for 99.998 % of its images
# Pixels fainter than this share of the darkest do not widen the box. Below 0.1 the noise of JPEG would, and
# above 0.2 the faint ends of strokes would be cut off.
_INK_SHARE = 0.15
_BLANK = 1e-6  # a fifteenth of the faintest step of a 16-bit file; its mean over an area cannot underflow


def frame(pixels: FloatArray, fit: Fit) -> FloatArray:
    """Bring pixels (h, w), 1 is ink, to (28, 28), same range.

    auto, resize  28×28 is returned as it is; else the longer side becomes 28, and paper pads the other, both ends.
    mnist   the box around the ink is scaled to fit 20×20, its centre of mass put on pixel (14, 14) as near as
            whole pixels and the edges allow. Blank stays blank.
    exact   raises InvalidImage unless it is 28×28.
    """
    height, width = pixels.shape
    if fit == "mnist":
        return _as_in_mnist(pixels)
    if (height, width) == (SIDE, SIDE):
        return pixels
    if fit == "exact":
        raise InvalidImage(f"The image is {width}x{height} pixels; fit=exact accepts 28x28.", "wrong_size")
    scaled = _scale(pixels, SIDE)
    return _place(scaled, (SIDE - scaled.shape[0]) // 2, (SIDE - scaled.shape[1]) // 2)


def _as_in_mnist(pixels: FloatArray) -> FloatArray:
    peak = pixels.max()
    if peak < _BLANK:
        return np.zeros((SIDE, SIDE), np.float32)
    ink = pixels > _INK_SHARE * peak
    digit = _scale(pixels[_extent(ink.any(axis=1)), _extent(ink.any(axis=0))], _BOX_SIDE)  # (≤20, ≤20)
    top, left = (_offset_to_centre(digit.sum(axis=1 - axis)) for axis in (0, 1))
    return _place(digit, top, left)


def _extent(inked: npt.NDArray[np.bool_]) -> slice:
    (where,) = inked.nonzero()
    return slice(where[0], where[-1] + 1)


def _offset_to_centre(ink: FloatArray) -> int:
    """First pixel of a profile (≤20,) of ink that puts its centre of mass on the centre, or as near as fits."""
    centre_of_mass = float((ink * np.arange(len(ink))).sum() / ink.sum())
    return min(max(_CENTRE - math.floor(centre_of_mass + 0.5), 0), SIDE - len(ink))


def _place(pixels: FloatArray, top: int, left: int) -> FloatArray:
    field = np.zeros((SIDE, SIDE), np.float32)
    field[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return field


def _scale(pixels: FloatArray, side: int) -> FloatArray:
    """Scale (h, w), aspect kept, until the longer side is `side`; a new pixel is the mean of what it covers.

    The mean over an area is what a scanner sees and what made the greys of MNIST. It undoes an enlargement by
    whole pixels, and never overshoots [0, 1] as sharper kernels do.
    """
    longer = max(pixels.shape)
    height, width = (max(1, round(size * side / longer)) for size in pixels.shape)
    shorter = _average(pixels, height)  # (height, w)
    return np.clip(_average(shorter.T, width).T, 0, 1).astype(np.float32)


def _average(pixels: npt.NDArray[np.floating[Any]], rows: int) -> npt.NDArray[np.float64]:
    """Mean of (h, w) over `rows` equal bands of its height, whose edges may cut through pixels: (rows, w).

    In float64 sums over whole pixels are exact. A matrix product would do, but its threads spin against requests.
    """
    height = len(pixels)
    edges = np.arange(rows + 1) * (height / rows)
    cut = np.minimum(edges.astype(np.intp), height - 1)  # the pixel that each edge is in
    ink = np.add.reduceat(pixels, cut, axis=0, dtype=np.float64)[:-1]  # (rows, w), from one cut pixel to the next
    ink[cut[:-1] == cut[1:]] = 0  # reduceat gives the pixel itself where there is nothing between
    above = (edges - cut)[:, None] * pixels[cut]  # (rows + 1, w), what each edge cuts off
    return (ink + np.diff(above, axis=0)) * (rows / height)
