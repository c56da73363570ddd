"""Digits drawn with a pen of any width, and the pages that they stand on."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from service.codecs.framing import FloatArray, frame

Ink = FloatArray  # (h, w) in [0, 1]
Line = list[tuple[float, float]]  # points as (right, down), in parts of the digit's height

_FINER, _FINE_SIDE = 4, 2000  # drawn so many times larger, for soft edges; pixels of a page where none are seen
_USUAL_PEN = 0.12  # of the height: as thick as MNIST's


def _arc(right: float, down: float, wide: float, high: float, start: float, end: float) -> Line:
    """Part of an ellipse about a centre; angles in degrees, clockwise from three o'clock."""
    angles = np.radians(np.linspace(start, end, 40))
    return [(right + wide * float(np.cos(a)), down + high * float(np.sin(a))) for a in angles]


STROKES: Final[dict[str, list[Line]]] = {
    "0": [_arc(0.3, 0.5, 0.3, 0.5, 0, 360)],
    "1": [[(0.15, 0), (0.15, 1)]],
    "2": [[*_arc(0.28, 0.28, 0.28, 0.28, -170, 30), (0, 1), (0.6, 1)]],
    "3": [[*_arc(0.25, 0.25, 0.27, 0.25, -150, 90), *_arc(0.25, 0.75, 0.3, 0.25, -90, 150)]],
    "4": [[(0.45, 1), (0.45, 0), (0, 0.65), (0.65, 0.65)]],
    "5": [[(0.55, 0), (0.08, 0), (0.04, 0.45), *_arc(0.25, 0.68, 0.3, 0.32, -110, 140)]],
    "6": [[(0.45, 0), (0.1, 0.45), *_arc(0.28, 0.72, 0.28, 0.28, 200, 560)]],
    "7": [[(0, 0), (0.6, 0), (0.2, 1)]],
    "8": [_arc(0.3, 0.24, 0.22, 0.24, 0, 360), _arc(0.3, 0.74, 0.28, 0.26, 0, 360)],
    "9": [_arc(0.28, 0.28, 0.26, 0.28, 0, 360), [(0.54, 0.28), (0.45, 1)]],
    "5 with its bar apart": [
        [(0.12, 0), (0.6, 0)],
        [(0.06, 0.2), (0.04, 0.5), *_arc(0.25, 0.7, 0.3, 0.3, -110, 140)],
    ],
    "1 in two halves": [[(0.15, 0), (0.15, 0.4)], [(0.15, 0.52), (0.15, 1)]],
    "0 in two halves": [_arc(0.3, 0.5, 0.3, 0.5, -77, 77), _arc(0.3, 0.5, 0.3, 0.5, 103, 257)],
}


def drawn(
    digit: str,
    size: tuple[int, int],
    *,
    height: float,
    pen: float | None = None,
    centre: tuple[float, float] | None = None,
) -> Ink:
    """One digit's ink on an empty page.

    digit: its name among STROKES. size: height and width of the page. height, pen: of the digit and its strokes, in
    pixels. centre: of the digit, rows and columns from the top left; the page's own if left out.
    """
    pen = pen or _USUAL_PEN * height
    lines = STROKES[digit]
    points = np.array([point for line in lines for point in line])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    down, right = centre or (size[0] / 2, size[1] / 2)
    finer = min(_FINER, 1 + _FINE_SIDE // max(size))
    canvas = Image.new("L", (size[1] * finer, size[0] * finer))
    brush = ImageDraw.Draw(canvas)
    reach = pen * finer / 2
    for line in lines:
        places = (((np.array(line) - middle) * (height - pen) + (right, down)) * finer).tolist()
        brush.line([tuple(place) for place in places], 255, max(1, round(2 * reach)))
        for x, y in places:
            brush.ellipse((x - reach, y - reach, x + reach, y + reach), 255)
    return np.asarray(canvas.reduce(finer), np.float32) / np.float32(255)


def row(digits: str, *, height: int = 60, gap: int = 14, margin: int = 30) -> Ink:
    """Digits side by side."""
    width = round(0.7 * height)
    shapes = [drawn(digit, (height + 2 * margin, width), height=height) for digit in digits]
    return np.pad(
        np.concatenate([np.pad(shape, ((0, 0), (0, gap))) for shape in shapes], axis=1), ((0, 0), (margin,) * 2)
    )


def page(ink: Ink, paper: Any = 255, colour: Any = 0) -> npt.NDArray[np.uint8]:
    """uint8 (h, w), or (h, w, 3) where a colour has three parts.

    paper, colour: of 255, each one shade or three; paper also each pixel's.
    """
    share = ink if np.ndim(colour) == 0 else ink[..., np.newaxis]
    laid = np.asarray(paper) * (1 - share) + np.asarray(colour) * share
    return np.rint(laid.clip(0, 255)).astype(np.uint8)


def box(ink: Ink) -> tuple[int, int, int, int]:
    """Left, top, width and height of what has half a pixel's ink or more."""
    rows, columns = np.flatnonzero((ink >= 0.5).any(axis=1)), np.flatnonzero((ink >= 0.5).any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)


def is_round(found: Sequence[int], ink: Ink) -> bool:
    """Whether the sides of a box lie where the ink ends, give or take a soft edge."""
    left, top, width, height = box(ink)
    near = max(2, 0.06 * max(width, height))
    sides = (found[0], found[1], found[0] + found[2], found[1] + found[3])
    return bool(np.abs(np.subtract(sides, (left, top, left + width, top + height))).max() <= near)


def as_in_mnist(digit: str) -> FloatArray:
    """(28, 28): what the digit is to look like, however it was drawn."""
    return frame(drawn(digit, (300, 300), height=200), "mnist")


def likeness(pixels: FloatArray, wanted: FloatArray) -> float:
    """Correlation of (28, 28) with what it is to look like.

    At the best place within a pixel: the centre of a symmetric digit lies between two.
    """
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return max(float(np.corrcoef(np.roll(pixels, shift, (0, 1)).ravel(), wanted.ravel())[0, 1]) for shift in shifts)
