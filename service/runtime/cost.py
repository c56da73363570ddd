"""What batches cost a graph, measured at warm-up: how many rows are worth a batch, what a row costs in it."""

from collections.abc import Sequence
from dataclasses import dataclass

# What a batch costs beside its graph: joining, splitting, a thread's hop, and above all the weights that have left the
# caches since the last one. With 0.1 ms a service of batches of 8 gave 0.8 of the answers that one of 24 gave.
_BATCH_S = 1e-3
_WORTH_WHILE = 1.05  # what is less than 5 % quicker is not


@dataclass(frozen=True)
class BatchCost:
    """rows: sizes of batches, ascending from 1. seconds: what the graph took for each."""

    rows: Sequence[int]
    seconds: Sequence[float]

    @property
    def saturating_rows(self) -> int:
        """The smallest batch whose rows a second come within 5 % of the best batch's."""
        rates = [rows / (seconds + _BATCH_S) for rows, seconds in zip(self.rows, self.seconds, strict=True)]
        return next(rows for rows, rate in zip(self.rows, rates, strict=True) if rate * _WORTH_WHILE >= max(rates))

    @property
    def row_s(self) -> float:
        """What one more row costs among others, in seconds: its share of the saturating batch."""
        return self.seconds[self.rows.index(self.saturating_rows)] / self.saturating_rows
