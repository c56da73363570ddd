"""Together: what many callers ask at about the same time is answered by one call.

Each thing alone costs several times what it costs among others: its code is not in the caches, and NumPy's calls are
made for one small array instead of for one that holds all of them.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from service.gathering import Gathering

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class Together(Generic[_Item, _Answer]):
    """All methods are for the event loop's thread."""

    def __init__(
        self,
        answer: Callable[[Sequence[_Item]], Sequence[_Answer | Exception]],
        is_alone: Callable[[], bool] = lambda: False,
    ) -> None:
        """answer: items → what each caller gets, or what is raised there, in the same order.

        is_alone: whether there is but one request in the process.
        """
        self._answer = answer
        self._waiting: list[tuple[_Item, asyncio.Future[_Answer]]] = []
        self._gathering = Gathering(self._answer_all, lambda: len(self._waiting), is_alone)

    def ask(self, item: _Item) -> "asyncio.Future[_Answer]":
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if len(self._waiting) == 1:
            self._gathering.begin()
        return answer

    def _answer_all(self) -> None:
        here, self._waiting = [one for one in self._waiting if not one[1].done()], []  # the others have left
        answers: Sequence[_Answer | Exception]
        try:
            answers = self._answer([item for item, _ in here]) if here else []
        except Exception as error:  # a bug's: nobody must wait for ever
            answers = [error] * len(here)
        for (_, future), answer in zip(here, answers, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
