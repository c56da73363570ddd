"""How much of everything is looked at. Every count is in the report beside the figure that depends on it."""

from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from training.data.mnist import Digits

Rows = TypeVar("Rows", NDArray[Any], Tensor)


@dataclass(frozen=True)
class Protocol:
    """Counts of one evaluation. Fewer images than there are means evenly spread ones.

    test_images: for all figures on test digits. train_images: training digits, where those stand beside test digits.
    bound_draws: importance weights on every test image. curve_images, curve_draws: for the bound as a curve.
    samples: drawn from the model for confirmation, Fréchet distance, density and coverage, memorisation.
    synthetic_images, synthetic_seeds, synthetic_epochs: to train classifiers on, how many of them, how long each.
    probe_images: training digits that the linear probe learns from.
    known_images: training digits among which a sample's nearest neighbour is looked for.
    """

    test_images: int = 10_000
    train_images: int = 10_000
    bound_draws: int = 100
    curve_images: int = 1_000
    curve_draws: int = 1_000
    samples: int = 10_000
    synthetic_images: int = 60_000
    synthetic_seeds: int = 5
    synthetic_epochs: int = 4
    probe_images: int = 60_000
    known_images: int = 60_000


FULL = Protocol()
QUICK = Protocol(
    test_images=200,
    train_images=200,
    bound_draws=5,
    curve_images=20,
    curve_draws=10,
    samples=200,
    synthetic_images=500,
    synthetic_seeds=1,
    synthetic_epochs=1,
    probe_images=500,
    known_images=1_000,
)


def evenly(rows: Rows, count: int) -> Rows:
    """`count` of the rows at an even stride, beginning with the first; all of them where there are no more."""
    every = max(1, len(rows) // count)
    return rows[::every][:count]


def strided(digits: Digits, count: int) -> Digits:
    """`count` of the digits at an even stride, beginning with the first; all of them where there are no more."""
    return Digits(*(evenly(part, count) for part in digits))
