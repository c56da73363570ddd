"""Whether an ASGI server's client is still there: nobody computes for one that has left."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

_Answer = TypeVar("_Answer")


async def left(receive: Receive) -> None:
    """Returns when the client has left. What it sends meanwhile is lost, so its body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_there(receive: Receive, work: Coroutine[Any, Any, _Answer]) -> _Answer:
    """What the work answers; it is cancelled, which takes its rows out of the queues, once the client has left.

    Raises ClientDisconnect then.
    """
    task = asyncio.current_task()
    assert task
    has_left = False

    async def watch() -> None:
        nonlocal has_left
        await left(receive)
        has_left = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if has_left and not task.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        watching.cancel()
