"""Whether the client is still there: nobody computes for one that has left."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

_PATIENCE_S = 0.05  # most answers are long done by then, and are spared the task that watches

_Answer = TypeVar("_Answer")


async def left(receive: Receive) -> None:
    """Returns when the client has left. What it sends meanwhile is lost, so its body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_there(receive: Receive, work: Coroutine[Any, Any, _Answer]) -> _Answer:
    """What the work answers; it is cancelled, which takes its rows out of the queues, once the client has left.

    Raises ClientDisconnect then.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task
    watch: asyncio.Task[None] | None = None

    def look() -> None:
        nonlocal watch
        watch = loop.create_task(left(receive))
        watch.add_done_callback(lambda watch: watch.cancelled() or task.cancel())

    later = loop.call_later(_PATIENCE_S, look)
    try:
        return await work
    except asyncio.CancelledError:
        if watch and watch.done() and not task.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        later.cancel()
        if watch:
            watch.cancel()
