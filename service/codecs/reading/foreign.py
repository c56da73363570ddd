"""What is foreign to a digit: frames, an underline, what the picture's edge cuts; and which piece is the main one."""

import numpy as np
import numpy.typing as npt

from service.codecs.reading.pieces import Pieces, filled

WHOLE = 0.5  # of the main piece's height: as high, a piece is a digit and no part of one
_EDGE_WEIGHT, _FRAME_WEIGHT, _RULE_WEIGHT = 0.15, 0.001, 0.02  # of a piece's area, for the choice of the main one
_FRAME_FILL = 0.3  # of its box
_INNER_HEIGHT, _INNER_AREA = 0.12, 0.02  # of a frame's, from which what it holds may be a digit: in 5 cells or so
_RULE_LENGTH, _RULE_WIDTH = 0.6, 0.08  # of the picture's
_SCRAP = 0.25  # of the picture's height and width: less, cut by its edge, is no digit
_SPECK = 0.03  # of the picture's longer side: smaller, it is dust or what is left of a grid
_SLIVER = 0.02  # of its length squared: as thin, what the edge cuts is a shadow's border

Mask = npt.NDArray[np.bool_]


def judge(parts: Pieces, shape: tuple[int, ...], apart: bool) -> tuple[Mask, int]:
    """Which pieces are foreign to any digit, and the main one."""
    height, width = shape
    cut = (parts.top == 0) | (parts.left == 0) | (parts.bottom == height) | (parts.right == width)
    rule = (parts.width > _RULE_LENGTH * width) & (parts.height < _RULE_WIDTH * height)
    rule |= (parts.height > _RULE_LENGTH * height) & (parts.width < _RULE_WIDTH * width) & cut
    rule &= len(parts) > 1
    frame = np.zeros(len(parts), np.bool_)
    for i in map(int, np.flatnonzero(parts.area < _FRAME_FILL * parts.height * parts.width)):
        frame[i] = _encloses(parts, i)
    weight = np.where(cut, _EDGE_WEIGHT, 1) * np.where(frame, _FRAME_WEIGHT, 1) * np.where(rule, _RULE_WEIGHT, 1)
    main = int((parts.area * weight).argmax())
    if apart:  # a number that fills its picture: what is as large as the main digit is one too, cut or not
        high, large = parts.height[main], parts.area[main]
        cut &= (parts.height < WHOLE * high) | (parts.height > high / WHOLE) | (parts.area > large / WHOLE)
    foreign = cut | rule | frame
    high, wide = int(parts.height[main]), int(parts.width[main])
    is_scrap = (high < _SCRAP * height and wide < _SCRAP * width) or parts.area[main] < _SLIVER * max(high, wide) ** 2
    is_speck = max(high, wide) < _SPECK * max(height, width)
    foreign[main] = bool((cut[main] and is_scrap) or is_speck)
    return foreign, main


def _encloses(parts: Pieces, i: int) -> bool:
    """Whether something large enough for a digit lies within a line that piece i draws round it."""
    inner = (parts.top > parts.top[i]) & (parts.bottom < parts.bottom[i])
    inner &= (parts.left > parts.left[i]) & (parts.right < parts.right[i])
    inner &= (parts.height > _INNER_HEIGHT * parts.height[i]) & (parts.area > _INNER_AREA * parts.area[i])
    if not inner.any():
        return False
    alone = np.arange(len(parts)) == i
    top, bottom, left, right = parts.box(alone)
    within = filled(parts.cut(alone, (top, bottom, left, right)))
    rows = (parts.top[inner] + parts.bottom[inner]) // 2 - top
    columns = (parts.left[inner] + parts.right[inner]) // 2 - left
    return bool(within[rows, columns].any())
