"""Pieces: the connected parts of a mask, found as runs along rows that touch runs of the next row.

Rosenfeld & Pfaltz 1966, "Sequential operations in digital picture processing", over runs instead of pixels. Libraries
that do it (OpenCV, SciPy) are as large as the rest of the service.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pieces:
    """area: pixels of each piece (n,). top, bottom, left, right: of its box, ends exclusive, (n,)."""

    area: IntArray
    top: IntArray
    bottom: IntArray
    left: IntArray
    right: IntArray
    _shape: tuple[int, int]
    _first: IntArray  # (runs,), flat index into rows that are one longer than the mask's
    _length: IntArray
    _piece: IntArray

    def __len__(self) -> int:
        return len(self.area)

    @property
    def height(self) -> IntArray:
        return self.bottom - self.top

    @property
    def width(self) -> IntArray:
        return self.right - self.left

    def box(self, keep: Mask) -> tuple[int, int, int, int]:
        """Top, bottom, left and right of the pieces to keep (n,), of which there is one."""
        top, left = self.top[keep].min(), self.left[keep].min()
        return int(top), int(self.bottom[keep].max()), int(left), int(self.right[keep].max())

    def mask(self, keep: Mask) -> Mask:
        """(h, w), true on the pieces to keep (n,)."""
        height, width = self._shape
        return self.cut(keep, (0, height, 0, width))

    def cut(self, keep: Mask, box: tuple[int, int, int, int]) -> Mask:
        """The part of their mask within a box that holds them."""
        top, bottom, left, right = box
        kept = keep[self._piece]
        row, column = np.divmod(self._first[kept], self._shape[1] + 1)
        stride = right - left + 1
        first = (row - top) * stride + (column - left)
        change = np.zeros((bottom - top) * stride + 1, np.int8)
        change[first] = 1
        change[first + self._length[kept]] = -1
        inside: Mask = np.cumsum(change[:-1], dtype=np.int8).view(np.bool_)
        return inside.reshape(bottom - top, stride)[:, :-1]


def find(mask: Mask, *, diagonal: bool = True) -> Pieces:
    """diagonal: pixels that touch at a corner are connected."""
    height, width = mask.shape
    stride = width + 1  # a gap ends each row, so that no run goes on into the next
    padded = np.zeros(1 + height * stride, np.int8)
    padded[1:].reshape(height, stride)[:, :width] = mask
    changes = np.flatnonzero(padded[1:] != padded[:-1])
    first, end = changes[::2], changes[1::2]
    piece = _connected(first, end, stride, int(diagonal))
    count = int(piece.max()) + 1 if len(piece) else 0
    row, left = np.divmod(first, stride)
    length = end - first
    return Pieces(
        np.bincount(piece, length, count).astype(np.int64),
        _extreme(np.minimum, piece, row, count),
        _extreme(np.maximum, piece, row + 1, count),
        _extreme(np.minimum, piece, left, count),
        _extreme(np.maximum, piece, left + length, count),
        (height, width),
        first,
        length,
        piece,
    )


def filled(mask: Mask) -> Mask:
    """Without its holes: what is not connected with the edge belongs to it."""
    height, width = mask.shape
    rest = find(~mask, diagonal=False)
    is_hole = (rest.top > 0) & (rest.left > 0) & (rest.bottom < height) & (rest.right < width)
    whole: Mask = mask | rest.mask(is_hole)
    return whole


def _connected(first: IntArray, end: IntArray, stride: int, reach: int) -> IntArray:
    """Number of the piece that each run belongs to: (runs,), counted from 0."""
    runs = np.arange(len(first))
    below = np.searchsorted(end, first + (stride - reach), side="right")  # first run that may touch it
    beyond = np.searchsorted(first, end + (stride + reach), side="left")
    touching = np.maximum(beyond - below, 0)
    upper = runs.repeat(touching)
    lower = np.arange(len(upper)) + (below - (np.cumsum(touching) - touching)).repeat(touching)
    piece = runs
    while (differs := piece[upper] != piece[lower]).any():
        upper, lower = upper[differs], lower[differs]
        one, other = piece[upper], piece[lower]
        piece = piece.copy()
        np.minimum.at(piece, np.maximum(one, other), np.minimum(one, other))
        while (further := piece[piece]).tobytes() != piece.tobytes():
            piece = further
    is_root = piece == runs
    number: IntArray = (np.cumsum(is_root) - 1)[piece]
    return number


def _extreme(pick: np.ufunc, piece: IntArray, values: IntArray, count: int) -> IntArray:
    found = np.full(count, 1 << 40 if pick is np.minimum else -1)
    pick.at(found, piece, values)
    return found
