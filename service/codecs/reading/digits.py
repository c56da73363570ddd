"""Digits: which pieces of ink make one, and how its ink stands out from the paper round it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from service.codecs.framing import FloatArray
from service.codecs.reading import pieces
from service.codecs.reading.foreign import WHOLE, judge
from service.codecs.reading.pieces import Pieces
from service.codecs.reading.plane import middle
from service.codecs.reading.window import dilate
from service.errors import InvalidImage

_STRONGEST_SHARE = 2000  # a pixel in so many is ink at its strongest
_STEPS = (7, 11)  # every seventh pixel tells the strongest, in all columns: where 7 divides the width, the eleventh
_INK = 0.45  # of the strongest: what belongs to a stroke
_OWN_STRENGTH = 0.9  # quantile of a digit's own ink that becomes full ink
FAINT, _FULL = 0.25, 0.75  # of that: below is paper, above is ink
_ROUNDS = 3  # what is foreign may be stronger than the digit, and hide how strong the digit is
_WEAKER = 0.7

_SPECK = 0.03  # of the main piece's area
_SMALL_WHOLE = 0.35  # where it stands apart
_AWAY, _AWAY_SHARE = 3, 0.04  # pixels, of the digit's longer side: so far from its ink there is paper
_ABOVE = 0.5  # of the narrower one's width: with less in common, pieces are beside each other
_PART_GAP, _BROKEN_GAP = 0.3, 0.06  # of the digit's longer side: a bar over a 5; a stroke that is interrupted

MAX_DIGITS = 64  # on one picture

Mask = npt.NDArray[np.bool_]


class Mark(NamedTuple):
    """A digit's ink, float32 (h, w) in [0, 1], cut to it but for a soft edge, and where it lies on its plane."""

    ink: FloatArray
    top: int
    left: int


def find(ink: FloatArray, floor: float, *, apart: bool) -> tuple[list[Mark], int]:
    """The digits on a plane in reading order, and how many there are; none where no ink is as strong as `floor`.

    ink: contrast, float32 (h, w). apart: each piece as high as a digit is one, however near the next; otherwise only
    the largest digit is returned. Raises InvalidImage for more than MAX_DIGITS.
    """
    peak = strongest(ink)
    for _ in range(_ROUNDS):
        if peak < floor:
            return [], 0
        parts = pieces.find(ink > _INK * peak)
        foreign, main = judge(parts, ink.shape, apart)
        others = foreign & (parts.area > _SPECK * parts.area[main])
        others[main] = False
        if not others.any():
            break
        rest = np.where(dilate(parts.mask(others), 2), np.float32(0), ink)
        left = strongest(rest)
        if left >= _WEAKER * peak:
            break
        ink, peak = rest, left
    if foreign[main]:
        return [], 0
    groups = _groups(parts, main, ~foreign, apart)
    if not apart:
        marks = [_mark(ink, parts, groups[0])]
        return ([mark for mark in marks if mark], len(groups)) if marks[0] else ([], 0)
    marks = [_mark(ink, parts, group) for group in _in_reading_order(parts, groups)]
    found = [mark for mark in marks if mark]
    return found, len(found)


def strongest(ink: FloatArray) -> float:
    some = np.ascontiguousarray(ink).ravel()[:: next((step for step in _STEPS if ink.shape[1] % step), 1)]
    rank = max(2, len(some) // _STRONGEST_SHARE)
    return float(np.partition(some, -rank)[-rank]) if len(some) > rank else float(ink.max())


def _groups(parts: Pieces, main: int, usable: Mask, apart: bool) -> list[Mask]:
    """A mask (n,) of pieces for each digit, the largest first. Raises InvalidImage."""
    high = max(parts.height[main], 0.6 * parts.width[main])
    usable = usable & (parts.area >= _SPECK * parts.area[main])
    is_whole = parts.height >= WHOLE * high
    is_whole[main] = True
    may_be_whole = is_whole | (parts.height >= _SMALL_WHOLE * high)
    groups: list[Mask] = []
    for i in sorted(map(int, np.flatnonzero(usable)), key=lambda i: (not is_whole[i], -int(parts.area[i]))):
        gaps = [_gap(parts, group, i) for group in groups]
        nearest = min(range(len(groups)), key=lambda k: gaps[k] / _side(parts, groups[k]), default=-1)
        if groups and _belongs(parts, groups[nearest], i, gaps[nearest], is_whole[i], apart and may_be_whole[i]):
            groups[nearest][i] = True
        elif may_be_whole[i]:
            groups.append(np.arange(len(parts)) == i)
        if len(groups) > MAX_DIGITS:
            if apart:
                raise InvalidImage(f"The picture holds more than {MAX_DIGITS} digits.", "too_many_digits")
            break
    return groups


def _belongs(parts: Pieces, group: Mask, i: int, gap: int, is_whole: bool, may_stand_apart: bool) -> bool:
    """Whether piece i is a part of a digit that it is so near to."""
    if may_stand_apart:
        _, _, left, right = parts.box(group)
        shared = min(int(parts.right[i]), right) - max(int(parts.left[i]), left)
        if shared < _ABOVE * min(int(parts.width[i]), right - left):
            return False
    return gap <= (_BROKEN_GAP if is_whole else _PART_GAP) * _side(parts, group)


def _side(parts: Pieces, group: Mask) -> int:
    top, bottom, left, right = parts.box(group)
    return max(bottom - top, right - left)


def _gap(parts: Pieces, group: Mask, i: int) -> int:
    """Rows or columns between a group's box and piece i; negative where the boxes overlap."""
    top, bottom, left, right = parts.box(group)
    return max(
        int(parts.top[i]) - bottom,
        top - int(parts.bottom[i]),
        int(parts.left[i]) - right,
        left - int(parts.right[i]),
    )


def _in_reading_order(parts: Pieces, groups: Sequence[Mask]) -> list[Mask]:
    """Line by line from the top, in each line from the left."""
    boxes = sorted(((*parts.box(group), k) for k, group in enumerate(groups)), key=lambda box: box[0] + box[1])
    lines: list[list[tuple[int, int, int, int, int]]] = []
    for box in boxes:
        middle = (box[0] + box[1]) / 2
        if lines and middle < max(other[1] for other in lines[-1]):
            lines[-1].append(box)
        else:
            lines.append([box])
    return [groups[box[4]] for line in lines for box in sorted(line, key=lambda box: box[2] + box[3])]


def _mark(ink: FloatArray, parts: Pieces, group: Mask) -> Mark | None:
    """None where what is beside it is no paper: a blot of light or shadow, whose edge is soft."""
    top, bottom, left, right = parts.box(group)
    away = max(_AWAY, int(max(bottom - top, right - left) * _AWAY_SHARE))
    top, left = max(0, top - away - 1), max(0, left - away - 1)
    bottom, right = min(ink.shape[0], bottom + away + 1), min(ink.shape[1], right + away + 1)
    own, shades = parts.cut(group, (top, bottom, left, right)), ink[top:bottom, left:right]
    stroke = shades[own]
    rank = int(_OWN_STRENGTH * (len(stroke) - 1))
    full = float(np.partition(stroke, rank)[rank])
    beside = shades[dilate(own, away + 1) & ~dilate(own, away)]
    if len(beside) and middle(beside) > FAINT * full:
        return None
    stretched = ((shades / full - FAINT) / (_FULL - FAINT)).clip(0, 1)
    stretched[~dilate(own, 2)] = 0
    return Mark(stretched, top, left)
