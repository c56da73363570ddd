"""Graph: rows of any number through one session, batch by batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from service.runtime.cost import BatchCost

AnyArray = npt.NDArray[Any]
Rows = Mapping[str, AnyArray]
Run = Callable[[Rows, Sequence[str]], dict[str, AnyArray]]
Allocate = Callable[[tuple[int, ...], npt.DTypeLike], AnyArray]

FIXED_ROWS = 8  # of every batch of a deterministic run; to change it changes such answers' last bits


class Graph:
    """Stateless, so it may run in several threads at once if its session may."""

    def __init__(
        self,
        run: Run,
        cost: BatchCost,
        *,
        observe: Callable[[int], None] = lambda rows: None,
        allocate: Allocate = np.empty,
    ) -> None:
        """run: inputs and names of outputs → outputs, rows in order. observe: called with the rows of every batch.

        allocate: shape and type → an array, for what several batches give together.
        """
        self._run = run
        self._observe = observe
        self._allocate = allocate
        self._batch_rows = cost.saturating_rows
        self.row_s = cost.row_s

    def run(self, inputs: Rows, outputs: Sequence[str], *, deterministic: bool = False) -> dict[str, AnyArray]:
        """The named outputs for all rows. Raises InferenceFailed.

        deterministic: in batches of one fixed size, the last one filled up with zeros: the same shapes, so the same
        bits, whatever the number of rows.
        """
        rows = len(next(iter(inputs.values())))
        batch_rows = FIXED_ROWS if deterministic else self._batch_rows
        if rows <= batch_rows and not (deterministic and rows < batch_rows):
            return self._batch(inputs, outputs)
        whole: dict[str, AnyArray] = {}
        for start in range(0, rows, batch_rows):
            part = {name: values[start : start + batch_rows] for name, values in inputs.items()}
            found = self._batch(_filled(part, batch_rows) if deterministic else part, outputs)
            whole = whole or {
                name: self._allocate((rows, *values.shape[1:]), values.dtype) for name, values in found.items()
            }
            for name, values in found.items():
                whole[name][start : start + batch_rows] = values[: rows - start]
        return whole

    def _batch(self, inputs: Rows, outputs: Sequence[str]) -> dict[str, AnyArray]:
        self._observe(len(next(iter(inputs.values()))))
        return self._run(inputs, outputs)


def _filled(part: Rows, rows: int) -> Rows:
    missing = rows - len(next(iter(part.values())))
    if not missing:
        return part
    return {
        name: np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])
        for name, values in part.items()
    }
