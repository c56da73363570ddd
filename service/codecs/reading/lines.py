"""Lines of ruled and squared paper: thin, and from edge to edge. Found along slopes of up to 4.6° and taken out.

What crosses a line stays, as in the removal of staff lines: Dalitz et al. 2008, "A comparative study of staff removal".
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from service.codecs.framing import FloatArray

_LEAST_SIDE = 64  # pixels; on a smaller picture a stroke from edge to edge is no line
_EDGE = 2  # pixels
_SLOPES = np.linspace(-0.08, 0.08, 17)
_COLUMN_STEP = 3  # every third column tells a line
_COVERED = 0.8  # of the width
_MAX_THICKNESS = 0.035  # of the height
_STANDS_OUT = 1.5  # times as strong as the line: a stroke on it

Mask = npt.NDArray[np.bool_]


def without(ink: FloatArray, faintest: float) -> FloatArray:
    """ink: float32 (h, w). faintest: less is no line. Returns the same array where there are no lines."""
    mask = ink > faintest
    if min(ink.shape) < _LEAST_SIDE:
        return ink
    left = ink
    if mask[:, :_EDGE].any() and mask[:, -_EDGE:].any():
        left = _without_rows(ink, faintest)
    if mask[:_EDGE].any() and mask[-_EDGE:].any():
        left = np.minimum(left, _without_rows(ink.T, faintest).T)
    return left


def _without_rows(ink: FloatArray, faintest: float) -> FloatArray:
    """Without lines that run from the left edge to the right."""
    height, width = ink.shape
    mask = ink > faintest
    mask[1:-1] |= mask[2:] | mask[:-2]  # a line wavers by a pixel
    covered, slope = _along_best_slope(mask)
    is_line = np.zeros(height + 2, np.int8)
    is_line[1:-1] = covered > _COVERED
    starts, ends = np.flatnonzero(np.diff(is_line) == 1), np.flatnonzero(np.diff(is_line) == -1)
    thin = ends - starts <= max(5, _MAX_THICKNESS * height)
    if not thin.any():
        return ink
    columns = np.arange(width)
    shift = _shift(slope, columns, width)
    left = ink.copy()
    for start, end in zip(starts[thin], ends[thin], strict=True):
        rows = np.arange(start - 1, end + 1)[:, np.newaxis] + shift  # (thickness, w)
        inside = rows.clip(0, height - 1)
        band = ink[inside, columns]
        strength = float(np.median(band.max(axis=0)))
        above = ink[(start - 3 + shift).clip(0, height - 1), columns]
        below = ink[(end + 2 + shift).clip(0, height - 1), columns]
        is_crossed = np.minimum(above, below) > max(faintest, strength / 2)
        left[inside, columns] = np.where((band > _STANDS_OUT * strength) | is_crossed, band, 0)
    return left


def _along_best_slope(mask: Mask) -> tuple[npt.NDArray[Any], float]:
    """How much of the width each row covers along the slope that shows lines best, and that slope."""
    height, width = mask.shape
    rows, columns = mask[:, ::_COLUMN_STEP].nonzero()
    columns *= _COLUMN_STEP
    reach = int(_SLOPES[-1] * width) + 1
    best, found = -1.0, (np.zeros(height), 0.0)
    for slope in _SLOPES:
        counts = np.bincount(rows - _shift(slope, columns, width) + reach, minlength=height + 2 * reach)
        covered = counts[reach : reach + height] * (_COLUMN_STEP / width)
        score = float((covered[covered > _COVERED] ** 4).sum())
        if score > best:
            best, found = score, (covered, float(slope))
    return found


def _shift(slope: float, columns: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """Rows by which a line has moved at each column."""
    shift: npt.NDArray[Any] = np.rint(slope * (columns - width // 2)).astype(np.intp)
    return shift
