"""Job: one caller's work; Queue: jobs by their keys, each key in turn."""

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


class Queue:
    """First in, first out among jobs of one key; the keys take turns."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, deque[Job]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, job: Job) -> None:
        self._jobs.setdefault(job.key, deque()).append(job)
        self._count += 1

    def take(self, max_rows: int, max_s: float, now: float) -> tuple[list[Job], list[Job]]:
        """The open jobs of the next key, as many as make a group, and beside them those whose deadline is over.

        max_rows, max_s: rows and cost of a group; a job beyond them makes one alone.
        """
        group: list[Job] = []
        late: list[Job] = []
        rows, cost_s = 0, 0.0
        while self._jobs and not group:
            key = next(iter(self._jobs))
            jobs = self._jobs.pop(key)
            while jobs:
                job = jobs[0]
                if job.is_open and job.deadline >= now:
                    if group and (rows + job.rows > max_rows or cost_s + job.cost_s > max_s):
                        break
                    group.append(job)
                    rows += job.rows
                    cost_s += job.cost_s
                elif job.is_open:
                    late.append(job)
                jobs.popleft()
                self._count -= 1
            if jobs:
                self._jobs[key] = jobs  # behind the other keys
        return group, late


def _ignore(result: Any) -> None:
    pass
