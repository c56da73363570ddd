"""Plane: a picture as one grey from 0 to 255, mixed of its colours so that ink and paper differ most.

Blue ink on white paper is faint in blue and strong in red; red on grey paper hardly shows in luminance.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.codecs.framing import FloatArray

_COLOURLESS = 3  # of 255: JPEG leaves so much colour in grey
_RIM = 40  # of the shorter side: a rim of a fortieth is mostly paper, also round a digit that is cut out closely
_FAR_SHARE = 200  # a two-hundredth of all pixels is ink, if there is any: a thin 1 on a page has as many
_STROKES_SHARE, _CARD_SPREAD = 0.25, 20  # strokes alone cover less than a quarter, and are of one shade

Samples = npt.NDArray[Any]


class Levels(NamedTuple):
    """paper: the median of a plane's rim. dark, light: its extremes."""

    paper: float
    dark: float
    light: float

    @property
    def is_ink_dark(self) -> bool:
        """Ink is on the side whose extreme is further from the paper."""
        return self.paper - self.dark >= self.light - self.paper


def middle(values: npt.NDArray[Any]) -> float:
    """The upper median of (n,), n ≥ 1, in half the time of the median of few values."""
    half = len(values) // 2
    return float(np.partition(values, half)[half])


def levels(plane: FloatArray) -> Levels:
    return Levels(middle(_rim(plane)), float(plane.min()), float(plane.max()))


def opaque(samples: Samples, alpha: FloatArray) -> Samples:
    """Laid on paper: on the card's own where a card is visible, else on black or white, whichever is further.

    samples: uint8 (h, w) or (h, w, 3). alpha: (h, w) in [0, 1].
    """
    visible = alpha > 0.5
    shown = samples[visible]  # (n,) or (n, 3)
    backing = np.full(samples.shape[2:], 255.0, np.float32)
    if len(shown):
        shades = shown.reshape(len(shown), -1).mean(axis=1)
        if len(shown) > _STROKES_SHARE * visible.size and shades.std() > _CARD_SPREAD:
            backing = np.median(shown, axis=0)
        elif shades.mean() > 127:
            backing = np.zeros(samples.shape[2:], np.float32)
    share = alpha if samples.ndim == 2 else alpha[..., np.newaxis]
    laid: Samples = np.rint(samples * share + backing * (1 - share)).astype(np.uint8)
    return laid


def mixed(samples: Samples) -> FloatArray:
    """samples: uint8, (h, w) or (h, w, 3). Returns float32 (h, w), 0 to 255; light paper stays light."""
    if samples.ndim == 2:
        return samples.astype(np.float32)
    some = samples[::4, ::4].astype(np.int16)
    if np.abs(some - some[..., 1:2]).max(initial=0) <= _COLOURLESS:
        return samples[..., 1].astype(np.float32)
    some = samples[::2, ::2].astype(np.int16)
    paper = np.median(_rim(some), axis=0)
    difference = (some - paper).reshape(-1, 3)
    distance = np.square(difference, dtype=np.float32).sum(axis=1)
    rank = max(1, len(distance) // _FAR_SHARE)
    weights = np.median(difference[np.argpartition(distance, -rank)[-rank:]], axis=0)
    if not weights.any():
        return samples[..., 1].astype(np.float32)
    weights /= np.abs(weights).sum() * (1 if weights.sum() > 0 else -1)
    plane: FloatArray = samples.astype(np.float32) @ weights.astype(np.float32)
    return plane - np.float32(255 * weights[weights < 0].sum())


def _rim(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The outermost pixels of (h, w, …): (n, …)."""
    height, width, *rest = plane.shape
    deep = max(1, min(height, width) // _RIM)
    sides = (plane[:deep], plane[-deep:], plane[:, :deep], plane[:, -deep:])
    return np.concatenate([side.reshape(-1, *rest) for side in sides])
