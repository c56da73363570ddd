"""Whether the client is still there: nobody computes for one that has left."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

_TICK_S = 0.05

_Answer = TypeVar("_Answer")


async def left(receive: Receive) -> None:
    """Returns when the client has left. What it sends meanwhile is lost, so its body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Clients:
    """Those that wait for an answer. Most have it before the second tick of a clock, and are never watched."""

    def __init__(self) -> None:
        self._waiting: set[_Client] = set()
        self._ticks_in: asyncio.AbstractEventLoop | None = None

    async def while_there(self, receive: Receive, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        """What the work answers; it is cancelled, which takes its rows out of the queues, once the client has left.

        Raises ClientDisconnect then.
        """
        client = _Client(receive)
        self._waiting.add(client)
        loop = asyncio.get_running_loop()
        if self._ticks_in is not loop:
            self._ticks_in = loop
            loop.call_later(_TICK_S, self._tick, loop)
        try:
            return await work
        except asyncio.CancelledError:
            if client.has_left and not client.task.uncancel():
                raise ClientDisconnect from None
            raise
        finally:
            self._waiting.discard(client)
            if client.watch:
                client.watch.cancel()

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        for client in self._waiting:
            if client.is_known and not client.watch:
                client.watch = loop.create_task(client.watched())
            client.is_known = True
        if self._waiting:
            loop.call_later(_TICK_S, self._tick, loop)
        else:
            self._ticks_in = None


class _Client:
    """is_known: since an earlier tick."""

    __slots__ = ("has_left", "is_known", "receive", "task", "watch")

    def __init__(self, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task
        self.task = task
        self.receive = receive
        self.is_known = False
        self.watch: asyncio.Task[None] | None = None
        self.has_left = False

    async def watched(self) -> None:
        """Cancels the client's task as soon as it has left."""
        await left(self.receive)
        self.has_left = True
        self.task.cancel()
