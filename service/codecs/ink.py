"""Which pixels of an array are ink, by the same rules as for pictures: one digit gives one answer in every format."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from service.codecs.framing import SIDE, Fit, FloatArray, frame

Invert = Literal["auto", "true", "false"]

# The outermost of a digit's pixels.
RING = np.flatnonzero(np.pad(np.zeros((SIDE - 2, SIDE - 2)), 1, constant_values=1))


def as_ink(values: npt.NDArray[Any], fit: Fit, invert: Invert) -> FloatArray:
    """values: (n, 28, 28), uint8 or float32 in [0, 1]. Returns float32 (n, 1, 28, 28), 1 is ink."""
    dark_ink = is_ink_dark(values, invert)
    if dark_ink.any():
        white = values.dtype.type(255 if values.dtype == np.uint8 else 1)
        values = np.where(dark_ink[:, np.newaxis, np.newaxis], white - values, values)
    pixels = unit(values) if values.dtype == np.uint8 else values
    if fit == "mnist":
        pixels = np.stack([frame(image, fit) for image in pixels])
    return np.ascontiguousarray(pixels[:, np.newaxis], np.float32)


def is_ink_dark(values: npt.NDArray[Any], invert: Invert) -> npt.NDArray[np.bool_]:
    """(n, 28, 28) to (n,)."""
    return is_paper_light(values) if invert == "auto" else np.full(len(values), invert == "true")


def is_paper_light(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether the outermost ring of pixels is lighter than half in the median: (n, 28, 28) to (n,).

    Counting the lighter ones decides it in a fraction of a median's time, unless half lies between the middle two.
    """
    ring = values.reshape(len(values), SIDE * SIDE).take(RING, axis=1)  # (n, 108)
    half, white = (127, 255) if ring.dtype == np.uint8 else (0.5, 1)
    lighter = (ring > half).view(np.uint8).sum(axis=1, dtype=np.uint8)
    is_light: npt.NDArray[np.bool_] = lighter > len(RING) // 2
    tied = lighter == len(RING) // 2
    if tied.any():
        is_light[tied] = np.median(ring[tied], axis=1) > white / 2
    return is_light


def unit(samples: npt.NDArray[np.unsignedinteger[Any]]) -> FloatArray:
    """Samples as parts of the largest: [0, 1]."""
    pixels = samples.astype(np.float32)  # first: a division that casts takes three times as long
    pixels /= np.float32(255 if samples.itemsize == 1 else 65535)
    return pixels


def masks_in_full_scale(samples: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """samples: (n, 28, 28). In an image of 0 and 1 alone, with which tools for segmentation mark, 1 becomes 255."""
    if not len(samples):
        return samples
    tops = samples.reshape(len(samples), SIDE * SIDE).max(axis=1)  # (n,)
    if 1 not in tops:
        return samples
    return np.where(tops == 1, np.uint8(255), np.uint8(1))[:, np.newaxis, np.newaxis] * samples
