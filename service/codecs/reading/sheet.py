"""The sheet that is written on, where a picture shows more: a note on a table, a card in a frame, a window's canvas."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from service.codecs.framing import FloatArray
from service.codecs.reading import pieces
from service.codecs.reading.plane import Levels
from service.codecs.reading.window import erode

_LEAST_STEP = 20  # of 255, between sheet and table
_LEAST_CELLS = 16  # on a smaller plane a corner is not to be told from a curve
_STANDS_OUT = 0.6  # of the largest difference there is: more than half, so that a shadow's edge is none
_LEAST_SHARE = 0.2  # of the picture; a digit's strokes cover a seventh
_LEAST_SIDE = 0.3  # of the picture's
_FULL = 0.8  # of its box: a square turned by 7° fills so much, a round digit less
_CORNER = 0.12  # of its box: so far within each corner a turned rectangle is there, and an ellipse is not
_ROUND, _STRETCHED = 0.74, 1.5  # of its box, which an ellipse fills to 0.785; its longer side by the shorter
_WRITTEN = 0.3  # of its longer side: what is written on it
_STROKES, _BAR = 0.6, 3  # of their box, which strokes do not fill, except that of a 1, which is so many times as high
_MAX_CUT_SIDES = 2  # a scan shows the lid on two sides; what the picture cuts on more is no sheet

Mask = npt.NDArray[np.bool_]


class Sheet(NamedTuple):
    """inside: (h, w), true on the sheet and not on its edge, in a plane's cells. paper: its median."""

    inside: Mask
    paper: float


def find(plane: FloatArray, levels: Levels) -> Sheet | None:
    """The largest part of a plane that is a full rectangle of another shade than its rim; None where there is none."""
    largest = max(levels.light - levels.paper, levels.paper - levels.dark)
    if largest < _LEAST_STEP or min(plane.shape) < _LEAST_CELLS:
        return None
    difference = plane - np.float32(levels.paper)
    for mask in (difference > _STANDS_OUT * largest, difference < -_STANDS_OUT * largest):
        if np.count_nonzero(mask) > _LEAST_SHARE * mask.size and (sheet := _sheet(plane, mask)):
            return sheet
    return None


def _sheet(plane: FloatArray, mask: Mask) -> Sheet | None:
    height, width = mask.shape
    parts = pieces.find(mask)
    largest = np.arange(len(parts)) == parts.area.argmax()
    top, bottom, left, right = parts.box(largest)
    cut_sides = (top == 0) + (left == 0) + (bottom == height) + (right == width)
    if bottom - top < _LEAST_SIDE * height or right - left < _LEAST_SIDE * width or cut_sides > _MAX_CUT_SIDES:
        return None
    whole = pieces.filled(parts.cut(largest, (top, bottom, left, right)))
    if not _is_rectangle(whole) and not _is_disc(whole, mask[top:bottom, left:right]):
        return None
    inside = np.zeros_like(mask)
    inside[top:bottom, left:right] = whole
    inside = erode(inside, 1)
    if not inside.any():
        return None
    return Sheet(inside, float(np.median(plane[inside])))


def _is_rectangle(whole: Mask) -> bool:
    """Turned a little, at most. whole: (h, w), cut to it, without holes."""
    rows, columns = max(1, round(_CORNER * len(whole))), max(1, round(_CORNER * len(whole[0])))
    corners = whole[[rows, rows, -1 - rows, -1 - rows], [columns, -1 - columns, columns, -1 - columns]]
    return bool(whole.mean() >= _FULL and corners.all())


def _is_disc(whole: Mask, shade: Mask) -> bool:
    """Round, and written on: what is not of its shade are strokes. A thick 0 is round too, but so is its hole."""
    height, width = whole.shape
    if whole.mean() < _ROUND or max(height, width) > _STRETCHED * min(height, width):
        return False
    holes = pieces.find(whole & ~shade)
    if not len(holes):
        return False
    largest = int(holes.area.argmax())
    high, wide = int(holes.height[largest]), int(holes.width[largest])
    is_written = max(high, wide) > _WRITTEN * max(height, width)
    return is_written and (holes.area[largest] < _STROKES * high * wide or max(high, wide) > _BAR * min(high, wide))
