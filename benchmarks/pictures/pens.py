"""Digits of MNIST drawn again with a pen of any width, along their centre lines."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

FloatArray = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

_LINE_HEIGHT = 160  # pixels of the enlarged digit whose centre line is found
_FINER = 3  # drawn so many times larger, for soft edges
_INK = 40  # of 255: what belongs to a digit


def drawn(digit: npt.NDArray[np.uint8], height: float, width: float) -> FloatArray:
    """digit: uint8 (28, 28), ink is bright. Returns its ink, (h, w) in [0, 1]; height, width: of digit and strokes."""
    line = _centre_line(_enlarged(digit))
    rows, columns = line.nonzero()
    scale = _FINER * (height - width) / max(1, int(rows.max() - rows.min()))
    margin = _FINER * (width / 2 + 2)
    across, down = (columns - columns.min()) * scale + margin, (rows - rows.min()) * scale + margin
    canvas = Image.new("L", (int(across.max() + margin), int(down.max() + margin)))
    pen, reach = ImageDraw.Draw(canvas), _FINER * width / 2
    places = {(int(row), int(column)): (x, y) for row, column, x, y in zip(rows, columns, across, down, strict=True)}
    for (row, column), (x, y) in places.items():
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), 255)
        for neighbour in ((row, column + 1), (row + 1, column - 1), (row + 1, column), (row + 1, column + 1)):
            if neighbour in places:
                pen.line(((x, y), places[neighbour]), 255, max(1, round(2 * reach)))
    return np.asarray(canvas.reduce(_FINER), np.float32) / 255


def _enlarged(digit: npt.NDArray[np.uint8]) -> Mask:
    """Its shape at _LINE_HEIGHT, with smooth edges."""
    rows, columns = np.flatnonzero((digit > _INK).any(axis=1)), np.flatnonzero((digit > _INK).any(axis=0))
    cut = np.pad(digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 2)
    scale = _LINE_HEIGHT / (len(cut) - 4)
    size = round(cut.shape[1] * scale), round(len(cut) * scale)
    large = Image.fromarray(cut).resize(size, Image.Resampling.BICUBIC)
    smooth: Mask = np.asarray(large.filter(ImageFilter.GaussianBlur(scale * 0.45))) > 115
    return smooth


def _centre_line(shape: Mask) -> Mask:
    """Zhang & Suen 1984, "A fast parallel algorithm for thinning digital patterns"."""
    line = shape.copy()
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            around = np.pad(line, 1)
            ring = [
                around[1 + down : around.shape[0] - 1 + down, 1 + right : around.shape[1] - 1 + right]
                for down, right in ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
            ]
            count = np.sum(ring, axis=0)
            turns = np.sum([~one & other for one, other in zip(ring, ring[1:] + ring[:1], strict=True)], axis=0)
            north, east, south, west = ring[::2]
            if first:
                is_outer = ~(north & east & south) & ~(east & south & west)
            else:
                is_outer = ~(north & east & west) & ~(north & south & west)
            gone = line & (count >= 2) & (count <= 6) & (turns == 1) & is_outer
            changed |= bool(gone.any())
            line &= ~gone
    return line
