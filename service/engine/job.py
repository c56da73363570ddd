"""Job: one caller's work, and what it is estimated to cost."""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any

Answer = Callable[[Sequence[Any]], Sequence[Any]]  # items → a result or an exception for each, in order


SMALL_S = 1.5e-3  # a job this cheap never waits for one that is not


class Job:
    """An item, what answers it, and what that is estimated to cost."""

    __slots__ = ("answer", "cost_s", "deadline", "done", "is_open", "item", "key", "rows", "timeout_s")

    def __init__(
        self, answer: Answer, key: Hashable | None, item: Any, *, rows: int, cost_s: float, timeout_s: float
    ) -> None:
        """key: one call of `answer` may answer jobs of equal keys, small ones or others; None for one that goes alone.

        cost_s: an estimate, in seconds of one core. timeout_s: from the job's submission.
        """
        self.answer = answer
        self.key: Hashable = self if key is None else (key, cost_s <= SMALL_S)
        self.item = item
        self.rows = rows
        self.cost_s = cost_s
        self.timeout_s = timeout_s
        self.deadline = 0.0
        self.done: Callable[[Any], None] = _ignore
        self.is_open = False  # submitted, and neither answered nor withdrawn


Waiting = dict[Hashable, deque[Job]]  # by key: first in, first out within a key, and the keys take turns


def _ignore(result: Any) -> None:
    pass
