"""Contrast: a plane → how much ink there is at each pixel, by the paper beside it.

The paper is what is left when everything narrower than a stroke is closed over (opened, for light ink): so light that
falls off, and a shadow's edge, belong to the paper. Serra 1982, "Image Analysis and Mathematical Morphology", top-hat.
"""

import math

import numpy as np
from PIL import Image, ImageFilter

from service.codecs.framing import FloatArray
from service.codecs.reading.plane import middle
from service.codecs.reading.window import dilate, erode

_STROKE_SHARE = 0.15  # of the longer side: half the width of the widest stroke that is closed over
_DARKEST_PAPER = 8  # of 255: a ratio to less would be noise
_LEAST_HEADROOM = 64  # of 255, between dark paper and white
_STEP = 3  # every third row and column tells the texture
_ALIKE = 1  # of 255
_NOISY = 1.5  # of 255: a standard deviation beyond which a mean over 3×3 pixels costs less than it gives
_VERY_NOISY = 6.0


def paper(coarse: FloatArray, is_ink_dark: bool) -> FloatArray:
    """The paper at each cell of a coarse plane (h, w), 0 to 255."""
    shades = coarse.clip(0, 255).astype(np.uint8)
    reach = max(1, round(_STROKE_SHARE * max(shades.shape)))
    # So that a shadow's edge runs on beyond the picture's.
    rows, columns = (np.arange(-reach, length + reach).clip(0, length - 1) for length in shades.shape)
    shades = shades[rows][:, columns]
    shades = erode(dilate(shades, reach), reach) if is_ink_dark else dilate(erode(shades, reach), reach)
    return shades[reach:-reach, reach:-reach].astype(np.float32)


def contrast(plane: FloatArray, beside: FloatArray, is_ink_dark: bool) -> FloatArray:
    """float32 (h, w) up to 1: the share of the paper's light that the ink takes, or of what it lacks that it adds.

    beside: the paper, (h, w).
    """
    if is_ink_dark:
        ink = (beside - plane) / np.maximum(beside, _DARKEST_PAPER)
    else:
        ink = (plane - beside) / np.maximum(255 - beside, _LEAST_HEADROOM)
    return ink.astype(np.float32, copy=False)


def enlarged(coarse: FloatArray, factor: int, shape: tuple[int, ...]) -> FloatArray:
    """Every cell as factor × factor pixels, with smooth transitions: (h, w); or (1, 1) where all are alike."""
    lightest, darkest = coarse.max(), coarse.min()
    if lightest - darkest <= _ALIKE:
        return np.full((1, 1), (lightest + darkest) / 2, np.float32)
    size = coarse.shape[1] * factor, coarse.shape[0] * factor
    smooth = Image.fromarray(np.rint(coarse).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(smooth, np.float32)[: shape[0], : shape[1]]


def texture(ink: FloatArray, strongest: float) -> tuple[float, float]:
    """What paper shows without any ink: its level and its spread, a standard deviation, both by medians.

    strongest: ink at its strongest; what has half of it is no paper. The largest shade nearby is not the mean of noise,
    so the level is more than 0.
    """
    some = ink[::_STEP, ::_STEP].ravel()
    paper = some[some < strongest / 2]
    if not len(paper):
        return 0.0, 0.0
    level = middle(paper)
    return level, middle(np.abs(paper - np.float32(level))) / 0.6745


def noise(plane: FloatArray) -> float:
    """Standard deviation of the noise in a plane, of 255: the median of what three pixels in a row do not agree on.

    Immerkær 1996, "Fast noise variance estimation", along rows, and by the median, which strokes leave alone.
    """
    rows = plane[1:-1:3]
    bend = np.abs(rows[:, :-2:3] + rows[:, 2::3] - 2 * rows[:, 1:-1:3])
    return middle(bend.ravel()) / (0.6745 * math.sqrt(6)) if bend.size else 0.0


def smoothed(plane: FloatArray, deviation: float) -> tuple[FloatArray, float]:
    """The plane with less noise if it has much, and the noise that is left."""
    if deviation <= _NOISY:
        return plane, deviation
    reach = 1 if deviation <= _VERY_NOISY else 2
    mean = Image.fromarray(plane.clip(0, 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(reach))
    return np.asarray(mean, np.float32), deviation / (2 * reach + 1)
