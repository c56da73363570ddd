"""Turns in shuffled order, round after round, and the ratios within a round.

A machine may run at half its speed for seconds or minutes. So every target is visited once a round, only what was
measured in the same round is divided, and we report the median of those ratios, with its quartiles.
"""

import math
import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ratio:
    """Median and quartiles of same-round ratios."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def error(self) -> float:
        """Half the width of about the 95 % interval of the median, relative. McGill, Tukey & Larsen 1978."""
        return 1.57 * (self.high - self.low) / math.sqrt(self.rounds) / self.median

    def __str__(self) -> str:
        digits = 2 if self.median < 10 else 1 if self.median < 100 else 0
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


def ratio(pairs: Iterable[tuple[float, float]]) -> Ratio | None:
    """Of numerator and denominator by round; a round where either is 0 is left out. None without two rounds."""
    found = [above / below for above, below in pairs if above > 0 and below > 0]
    if len(found) < 2:
        return None
    low, median, high = statistics.quantiles(found, n=4, method="inclusive")
    return Ratio(median, low, high, len(found))


def visit(
    turns: Mapping[str, Callable[[], T]],
    enough: Callable[[Sequence[Mapping[str, T]]], bool],
    *,
    most: int,
    shuffle: Callable[[list[str]], None] = random.shuffle,
) -> list[dict[str, T]]:
    """What each turn returned, by round, without the first round, which warms up.

    Ends when `enough` says so of the rounds there are, at the latest after `most` of them.
    """
    rounds: list[dict[str, T]] = []
    for number in range(1 + most):
        order = list(turns)
        shuffle(order)
        measured = {name: turns[name]() for name in order}
        if number > 0:
            rounds.append({name: measured[name] for name in turns})
        if enough(rounds):
            break
    return rounds
