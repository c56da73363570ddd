"""Read: a picture → the digits on it. The steps in turn, and a closer look at what is small."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.codecs.framing import FloatArray, frame
from service.codecs.reading import digits, lines, plane, sheet, strokes
from service.codecs.reading.contrast import contrast, enlarged, noise, paper, smoothed, texture
from service.codecs.reading.digits import Mark
from service.codecs.reading.plane import Levels

ONE_PIXELS, MANY_PIXELS = 160 * 160, 640 * 640  # that a picture is reduced to, for one digit and for several
_COARSE_SIDE = 80  # pixels of the shorter side that tell sheet and paper
_FLOOR = 0.08  # contrast of the faintest ink: a hard pencil has 0.2
_SURE, _SURE_AT_MOST = 8, 0.3  # standard deviations of the paper's texture that ink must have; contrast that is enough
_SEEN = 3  # that a line must have
_CLEARLY = 2.5  # times as far
_LEAST_RANGE = 4  # of 255: a picture with less shows nothing
_DEPTH = 2  # sheets on sheets
_SMALL_SIDE = 48  # pixels: a smaller digit is looked at again, closer

Samples = npt.NDArray[Any]


class Digit(NamedTuple):
    """pixels: float32 (28, 28) in [0, 1], 1 is ink. box: left, top, width and height in pixels of the picture."""

    pixels: FloatArray
    box: tuple[int, int, int, int]


class Found(NamedTuple):
    """digits: in reading order; none where the picture is blank. number: how many it holds, of which those are some.

    is_ink_dark: on lighter paper.
    """

    digits: list[Digit]
    number: int
    is_ink_dark: bool


class _Look(NamedTuple):
    marks: list[Mark]
    number: int
    is_ink_dark: bool


def read(
    samples: Samples, alpha: FloatArray | None = None, *, is_ink_dark: bool | None = None, apart: bool = False
) -> Found:
    """samples: uint8 or uint16 (h, w), or uint8 (h, w, 3). alpha: float32 (h, w) in [0, 1].

    is_ink_dark: found by what the paper is, unless given. apart: for a picture of several digits.
    Raises InvalidImage for more digits than one picture may hold.
    """
    shades = (samples >> 8).astype(np.uint8) if samples.dtype == np.uint16 else samples
    if alpha is not None:
        opacity = np.rint(alpha * 255).astype(np.uint8)
        shades = np.dstack((shades, opacity))
    found, factor = _look_at(shades, is_ink_dark, apart)
    top = left = 0
    if len(found.marks) == 1 and not apart and factor > 1:
        found, factor, top, left = _closer(shades, found, factor)
    return Found([_digit(mark, factor, top, left) for mark in found.marks], found.number, found.is_ink_dark)


def _look_at(shades: Samples, is_ink_dark: bool | None, apart: bool) -> tuple[_Look, int]:
    """What is found on a picture, (h, w) or (h, w, channels), and pixels of its side to one of the plane's."""
    height, width = shades.shape[:2]
    factor = max(1, round(math.sqrt(height * width / (MANY_PIXELS if apart else ONE_PIXELS))))
    if factor > 1:
        shades = np.asarray(Image.fromarray(shades).reduce(factor))  # Pillow weights colours by their alpha
    if shades.ndim == 3 and shades.shape[2] in (2, 4):
        colours = shades[..., 0] if shades.shape[2] == 2 else shades[..., :3]
        shades = plane.opaque(colours, (shades[..., -1] / np.float32(255)).astype(np.float32, copy=False))
    return _look(plane.mixed(shades), is_ink_dark, apart, _DEPTH), factor


def _closer(shades: Samples, found: _Look, factor: int) -> tuple[_Look, int, int, int]:
    """The same digit, found again on its part of the picture if it is small; and where that part begins."""
    mark = found.marks[0]
    height, width = mark.ink.shape
    if max(height, width) >= _SMALL_SIDE:
        return found, factor, 0, 0
    around = max(height, width) // 2
    top, left = max(0, mark.top - around) * factor, max(0, mark.left - around) * factor
    bottom, right = (mark.top + height + around) * factor, (mark.left + width + around) * factor
    closer, finer = _look_at(np.ascontiguousarray(shades[top:bottom, left:right]), found.is_ink_dark, False)
    return (closer._replace(number=found.number), finer, top, left) if closer.marks else (found, factor, 0, 0)


def _look(whole: FloatArray, is_ink_dark: bool | None, apart: bool, depth: int) -> _Look:
    """whole: a plane, float32 (h, w), 0 to 255."""
    factor = max(1, min(whole.shape) // _COARSE_SIDE)
    coarse = np.asarray(Image.fromarray(whole).reduce(factor)) if factor > 1 else whole
    levels = plane.levels(coarse)
    inks = _inks(coarse, levels) if is_ink_dark is None else [is_ink_dark]
    if whole.max() - whole.min() < _LEAST_RANGE:
        return _Look([], 0, inks[0])
    if written := _on_sheet(whole, coarse, factor, levels, is_ink_dark, apart, depth):
        return written
    deviation = noise(whole)
    clean, deviation = smoothed(whole, deviation)
    for dark in inks:
        beside = enlarged(paper(coarse, dark), factor, whole.shape)
        ink = contrast(clean, beside, dark)
        marks, number = _marks(ink, deviation / max(levels.paper if dark else 255 - levels.paper, 16), apart)
        if marks:
            return _Look(marks, number, dark)
    return _Look([], 0, inks[0])


def _marks(ink: FloatArray, deviation: float, apart: bool) -> tuple[list[Mark], int]:
    """deviation: of the noise, as contrast."""
    strongest = digits.strongest(ink)
    level, spread = texture(ink, strongest)
    spread = max(spread, deviation)
    floor = max(_FLOOR, min(_SURE * spread, _SURE_AT_MOST))
    if strongest - level < floor:
        return [], 0
    ink = ink - np.float32(level)
    ink = lines.without(ink, max(_SEEN * spread, digits.FAINT * (strongest - level)))
    return digits.find(ink, floor, apart=apart)


def _inks(coarse: FloatArray, levels: Levels) -> list[bool]:
    """Whether ink is dark: as the rim has it; or where that is not clear, what is likely first, and then the other.

    Most of the rim may lie in a shadow: then the lit paper is as far from it as ink is. Likely are strong and thin
    strokes: what a digit encloses stands out from the digit as the digit does from its paper, but is wide.
    """
    darker, lighter = levels.paper - levels.dark, levels.light - levels.paper
    if max(darker, lighter) > _CLEARLY * min(darker, lighter):
        return [levels.is_ink_dark]
    dark, light = (_keenness(contrast(coarse, paper(coarse, ink), ink)) for ink in (True, False))
    return [dark >= light, dark < light]


def _keenness(ink: FloatArray) -> float:
    strongest = digits.strongest(ink)
    return strongest**2 / max(1.0, strokes.width(ink > strongest / 2))


def _on_sheet(
    whole: FloatArray,
    coarse: FloatArray,
    factor: int,
    levels: Levels,
    is_ink_dark: bool | None,
    apart: bool,
    depth: int,
) -> _Look | None:
    """What is written on the sheet that the picture shows; None where there is no sheet, or nothing on it."""
    on = sheet.find(coarse, levels) if depth else None
    if on is None:
        return None
    rows, columns = np.flatnonzero(on.inside.any(axis=1)), np.flatnonzero(on.inside.any(axis=0))
    top, left = int(rows[0]) * factor, int(columns[0]) * factor
    part = np.s_[top : (int(rows[-1]) + 1) * factor, left : (int(columns[-1]) + 1) * factor]
    inside = on.inside.repeat(factor, axis=0).repeat(factor, axis=1)[: len(whole), : len(whole[0])][part]
    written = _look(np.where(inside, whole[part], np.float32(on.paper)), is_ink_dark, apart, depth - 1)
    marks = [Mark(mark.ink, mark.top + top, mark.left + left) for mark in written.marks]
    return written._replace(marks=marks) if marks else None


def _digit(mark: Mark, factor: int, top: int, left: int) -> Digit:
    rows, columns = (np.flatnonzero((mark.ink > 0).any(axis=axis)) for axis in (1, 0))
    ink = mark.ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = ink.shape
    box = (
        left + (mark.left + int(columns[0])) * factor,
        top + (mark.top + int(rows[0])) * factor,
        width * factor,
        height * factor,
    )
    return Digit(frame(strokes.thickened(ink), "mnist"), box)
