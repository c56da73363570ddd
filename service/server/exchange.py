"""Exchange: one request on the short way and its answer, from its body to its last byte on the wire."""

import asyncio
import functools
import logging
from http import HTTPStatus
from typing import Any, Protocol

from service.api.context import CLIENT_LEFT
from service.api.front import Call
from service.api.reply import Reply, StreamReply
from service.server.outbox import Outbox

_JOINED_BYTES = 64 << 10  # to copy more costs more than to write twice
_CLOSE = (b"connection", b"close")
_STATUS_LINES = {int(status): f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in HTTPStatus}
_logger = logging.getLogger("service")


class Connection(Protocol):
    """What an exchange needs of the connection it is on, as uvicorn names it."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    outbox: Outbox
    tasks: set[asyncio.Task[None]]
    flow: Any
    server_state: Any

    def on_response_complete(self) -> None: ...


class Exchange:
    """A request on the short way and its answer. To uvicorn's connection it is what a RequestResponseCycle is."""

    __slots__ = ("_call", "_connection", "_is_answered", "_task", "disconnected", "keep_alive", "response_complete")

    message_event = asyncio.Event()  # uvicorn sets it where a client leaves, for those who wait; none of these do

    def __init__(self, connection: Connection, call: Call, keep_alive: bool) -> None:
        self._connection = connection
        self._call = call
        self._task: asyncio.Task[None] | None = None
        self._is_answered = False
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    def add(self, body: bytes) -> None:
        """More of the request's body; what comes after a refusal is lost."""
        if self._task is None:
            self._call.body.add(body)
            if self._call.body.refusal:
                self.begin()

    def begin(self) -> None:
        """The body is whole, or refused."""
        if self._task is None:
            self._task = self._connection.loop.create_task(self._answer())
            self._connection.tasks.add(self._task)

    def leave(self) -> None:
        """The client has left: its work is cancelled, which takes its rows out of the queues."""
        self.disconnected = True
        if not self._is_answered:
            self._call.answered(CLIENT_LEFT)
        if self._task:
            self._task.cancel()
            self._connection.tasks.discard(self._task)  # one that never began does not do it itself

    async def _answer(self) -> None:
        tasks = self._connection.tasks
        try:
            reply = await self._call.answer()
            self._is_answered = True
            if isinstance(reply, StreamReply):
                await self._stream(reply)
            else:
                self._connection.outbox.put(functools.partial(self._send, reply), is_alone=len(tasks) == 1)
        except asyncio.CancelledError:
            self._connection.transport.close()  # also if it is the server that ends
            raise
        finally:
            tasks.discard(self._task)

    def _send(self, reply: Reply) -> None:
        head, body, transport = self._head(reply), reply.body, self._connection.transport
        if not transport.is_closing():
            if len(body) <= _JOINED_BYTES:
                transport.write(head + body)
            else:
                transport.write(head)
                transport.write(body)
        self._end(reply)

    async def _stream(self, reply: StreamReply) -> None:
        """No faster than the client reads it."""
        transport, flow = self._connection.transport, self._connection.flow
        try:
            transport.write(self._head(reply))
            async for chunk in reply.chunks:
                transport.write(chunk)
                await flow.drain()
        except asyncio.CancelledError:
            self.keep_alive = False  # the answer is not whole
        except Exception:
            _logger.exception("an answer was cut off")
            self.keep_alive = False
        finally:
            await reply.chunks.aclose()
        self._end(reply)

    def _head(self, reply: Reply) -> bytes:
        headers = [*self._connection.server_state.default_headers, *reply.raw_headers]
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append(_CLOSE)
        return b"".join([_STATUS_LINES[reply.status_code], *(b"%b: %b\r\n" % header for header in headers), b"\r\n"])

    def _end(self, reply: Reply) -> None:
        self._call.answered(reply.status_code)
        self.response_complete = True
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()
