"""Images → PNG: each for itself, or many in one grid."""

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from service.codecs.files import png
from service.codecs.framing import SIDE, FloatArray

_Scalar = TypeVar("_Scalar", bound=np.generic)


def encode_pngs(images: FloatArray) -> list[bytes]:
    """A grey 8-bit PNG of each of the images (n, h, w) in [0, 1], ink white on black as in MNIST: round(255·p)."""
    return [png.write(samples) for samples in _eight_bits(images)]


def encode_grid(images: FloatArray, columns: int | None = None) -> bytes:
    """One such PNG of images (n, 28, 28), n ≥ 1, laid out by `grid`."""
    return png.write(grid(_eight_bits(images), columns))


def grid(images: npt.NDArray[_Scalar], columns: int | None = None) -> npt.NDArray[_Scalar]:
    """Lay images (n, 28, 28), n ≥ 1, in rows, left to right: (rows·28, columns·28), missing ones paper.

    columns: as many as make the grid nearly square unless given.
    """
    count = len(images)
    columns = columns or math.isqrt(count - 1) + 1  # ⌈√n⌉
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, SIDE, SIDE), images.dtype)
    cells[:count] = images
    return cells.reshape(rows, columns, SIDE, SIDE).swapaxes(1, 2).reshape(rows * SIDE, columns * SIDE)


def _eight_bits(images: FloatArray) -> npt.NDArray[np.uint8]:
    """round(255·p), for p in [0, 1] and what rounding made of it."""
    scaled = images * np.float32(255)
    np.rint(scaled, out=scaled)
    scaled.clip(0, 255, out=scaled)
    return scaled.astype(np.uint8)
