"""The largest and the smallest value around each pixel: grey dilation and erosion.

Gonzalez & Woods, Digital Image Processing, section 9.6. Windows grow by doubling, so a wide one costs log n passes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[Any]  # (h, w), uint8 or bool


def dilate(plane: Plane, reach: int) -> Plane:
    """The largest value at most `reach` rows and columns away. Beyond the edges there is nothing."""
    return _spread(_spread(plane, reach).T, reach).T


def erode(plane: Plane, reach: int) -> Plane:
    """The smallest value at most `reach` rows and columns away."""
    return ~dilate(~plane, reach)  # of uint8 and bool alike the complement turns the order round


def round_dilate(plane: Plane, reach: int) -> Plane:
    """As `dilate`, within an octagon, which is nearly a disc of radius `reach`."""
    square = reach * 2 // 5  # half of 1 / (1 + √2)·2: the straight part of each side
    for _ in range(reach - square):
        wider = plane.copy()
        np.maximum(wider[1:], plane[:-1], out=wider[1:])
        np.maximum(wider[:-1], plane[1:], out=wider[:-1])
        np.maximum(wider[:, 1:], plane[:, :-1], out=wider[:, 1:])
        np.maximum(wider[:, :-1], plane[:, 1:], out=wider[:, :-1])
        plane = wider
    return dilate(plane, square)


def _spread(plane: Plane, reach: int) -> Plane:
    """The largest value at most `reach` rows away."""
    if reach == 0:
        return plane
    height, width = plane.shape
    best = np.zeros((height + 2 * reach, width), plane.dtype)
    best[reach : reach + height] = plane
    rows, window = 1, 2 * reach + 1
    while rows < window:
        step = min(rows, window - rows)
        best = np.maximum(best[:-step], best[step:])
        rows += step
    return best
