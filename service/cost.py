"""What batches cost a graph, measured at warm-up: how many rows are worth a batch, how many fit into a moment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BATCH_S = 1e-4  # what a batch costs beside its graph: a thread's hop, joining, splitting
_WORTH_WHILE = 1.05  # what is less than 5 % quicker is not


@dataclass(frozen=True)
class Cost:
    """rows: sizes of batches, ascending from 1. seconds: what the graph took for each."""

    rows: Sequence[int]
    seconds: Sequence[float]

    @property
    def saturating_rows(self) -> int:
        """The smallest batch whose rows a second come within 5 % of the best batch's."""
        rates = [rows / (seconds + _BATCH_S) for rows, seconds in zip(self.rows, self.seconds, strict=True)]
        return next(rows for rows, rate in zip(self.rows, rates, strict=True) if rate * _WORTH_WHILE >= max(rates))

    @property
    def is_saturated(self) -> bool:
        """Whether twice doubling the batch gained nothing, so that larger ones need not be tried."""
        return self.saturating_rows * 4 <= self.rows[-1]

    def rows_within(self, seconds: float) -> int:
        """The most rows that take at most so long, linear between the sizes measured; 0 if one row takes longer."""
        if self.seconds[0] > seconds:
            return 0
        return int(np.interp(seconds, np.maximum.accumulate(self.seconds), self.rows))
