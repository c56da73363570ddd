"""Image files → pixels of 28×28: which of a picture's samples are ink, and where they go."""

from typing import Any

import numpy as np
import numpy.typing as npt

from service.codecs.files.header import ImageLimits
from service.codecs.files.picture import read_picture
from service.codecs.files.samples import Samples
from service.codecs.framing import SIDE, Fit, FloatArray, frame
from service.codecs.ink import RING, Invert, unit

__all__ = ["Fit", "FloatArray", "ImageLimits", "Invert", "decode", "frame"]


def decode(data: bytes, *, fit: Fit, invert: Invert, limits: ImageLimits) -> FloatArray:
    """Pixels of an image file, recognised by its first bytes: float32 (28, 28), [0, 1], 1 is ink.

    invert: "false" takes bright for ink, "true" takes dark, "auto" takes dark if the outermost ring of pixels
    is lighter than half in the median. Transparent pixels are paper in each case.
    Raises InvalidImage, ImageTooLarge, UnsupportedImageFormat.
    """
    samples, alpha = read_picture(data, limits, grey=True)  # (h, w), (h, w)
    dark_ink = invert == "true" or (invert == "auto" and _is_paper_light(samples, alpha))
    pixels = unit(_top(samples) - samples if dark_ink else samples)
    if alpha is not None:
        # Equal to compositing on the paper's own colour, white under dark ink and black under bright ink.
        pixels *= alpha
    return frame(pixels, fit)


def _is_paper_light(samples: Samples, alpha: FloatArray | None) -> bool:
    """Whether the outermost ring of pixels is lighter than half in the median.

    A transparent image is laid on black or white for this, whichever is further from the mean of what is
    visible, so that strokes alone on transparency stand out as ink.
    """
    if alpha is None:
        shades = _ring(samples)
        shades.sort()
        middle = shades[(len(shades) - 1) // 2 : len(shades) // 2 + 1]  # one or two
        return int(middle[0]) + int(middle[-1]) > _top(samples)
    light = unit(samples) * alpha
    on_white = float(light.sum()) < float(alpha.sum()) / 2
    ring = _ring(light + (1 - alpha) if on_white else light)
    ring.sort()
    ring = ring[(len(ring) - 1) // 2 : len(ring) // 2 + 1]
    return float(ring[0]) + float(ring[-1]) > 1  # twice the median


def _ring(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The outermost pixels of (h, w), each once, also where a side is 1."""
    if plane.shape == (SIDE, SIDE):
        return plane.take(RING)
    return np.concatenate((plane[0], plane[1:][-1:].ravel(), plane[1:-1, 0], plane[1:-1, 1:][:, -1:].ravel()))


def _top(samples: Samples) -> int:
    return 255 if samples.itemsize == 1 else 65535
