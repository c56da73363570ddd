"""Pictures of a model: what it learned, seen. The one home of matplotlib. Digits are dark ink on white paper.

Every picture is a function of a model and of digits with fixed draws, so that the same model gives the same picture.
"""

from matplotlib.figure import Figure

from training.figures.canvas import save
from training.figures.charts import anchors, curve, latents, losses
from training.figures.digits import (
    decoded_box,
    decoded_normal,
    decoded_prior,
    hero,
    interpolation,
    random_points,
    reconstructions,
    samples,
    temperatures,
    traversal,
    with_and_without_prior,
)
from training.figures.galleries import doubtful, pairs, worst

__all__ = [
    "Figure",
    "anchors",
    "curve",
    "decoded_box",
    "decoded_normal",
    "decoded_prior",
    "doubtful",
    "hero",
    "interpolation",
    "latents",
    "losses",
    "pairs",
    "random_points",
    "reconstructions",
    "samples",
    "save",
    "temperatures",
    "traversal",
    "with_and_without_prior",
    "worst",
]
