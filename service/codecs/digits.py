"""Digits: the 28×28 pixels of one image or of several, and what was found about each of them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.codecs.framing import SIDE, FloatArray

Boxes = npt.NDArray[np.int64]  # (n, 4): left, top, width and height in pixels of the image


class Digits(NamedTuple):
    """pixels: float32 (n, 28, 28) in [0, 1], 1 is ink. boxes: where each was found on its image.

    is_ink_dark: on lighter paper, bool (n,). counts: digits that its image holds, (n,).
    """

    pixels: FloatArray
    boxes: Boxes
    is_ink_dark: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.int64]

    def facts(self) -> dict[str, npt.NDArray[Any]]:
        """A list of one number or truth a digit, by name."""
        left, top, width, height = self.boxes.T
        return {
            "left": left,
            "top": top,
            "width": width,
            "height": height,
            "dark_ink": self.is_ink_dark,
            "blank": ~self.pixels.any(axis=(1, 2)),
            "digits": self.counts,
        }


def whole(pixels: FloatArray, is_ink_dark: npt.NDArray[np.bool_], size: tuple[int, int] = (SIDE, SIDE)) -> Digits:
    """Of images that were taken whole. pixels: (n, 28, 28). is_ink_dark: (n,). size: width and height of each."""
    boxes = np.array([(0, 0, *size)] * len(pixels), np.int64).reshape(len(pixels), 4)
    return Digits(pixels, boxes, is_ink_dark, np.asarray(pixels.any(axis=(1, 2)), np.int64))
