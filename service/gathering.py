"""Gathering: puts work off while more of it arrives, so that it is done together. It waits on no clock."""

import asyncio
from collections.abc import Callable

_MAX_TURNS = 4


class Gathering:
    """Calls `act` after a turn of the event loop that brought nothing more, or after a few that did.

    A turn in which requests arrive is not lost: reading them is work that had to be done anyway. One that comes alone
    is acted on in the next turn, or at once if nothing else can come.
    """

    def __init__(
        self, act: Callable[[], None], waiting: Callable[[], int], is_alone: Callable[[], bool] = lambda: False
    ) -> None:
        """waiting: how much there is to act on now. is_alone: whether there is but one request in the process."""
        self._act = act
        self._waiting = waiting
        self._is_alone = is_alone

    def begin(self) -> None:
        """The first has arrived, and waits."""
        if self._is_alone():
            self._act()
            return
        asyncio.get_running_loop().call_soon(self._turn, 1, _MAX_TURNS)

    def _turn(self, seen: int, turns: int) -> None:
        waiting = self._waiting()
        if waiting > seen and turns > 1:
            asyncio.get_running_loop().call_soon(self._turn, waiting, turns - 1)
        else:
            self._act()
