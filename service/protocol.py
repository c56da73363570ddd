"""HTTP/1.1 as uvicorn speaks it, and a short way for requests that the front knows.

The parser, connections, their timeouts and their end are uvicorn's. But to hand a request to an ASGI application and
to take its answer costs uvicorn two thirds of what it does for a small one, so the front gets a request as it was
parsed, and its answer leaves as it is. What is unusual goes uvicorn's way: all other paths, a second request before
the first was answered, `Expect`, `Upgrade`, HTTP/1.0.
"""

import asyncio
import functools
import logging
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.context import CLIENT_LEFT
from service.outbox import Outbox
from service.routes.front import Call, Front
from service.routes.reply import Reply, StreamReply

_JOINED_BYTES = 64 << 10  # to copy more costs more than to write twice
_CLOSE = (b"connection", b"close")
_STATUS_LINES = {int(status): f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in HTTPStatus}
_logger = logging.getLogger("service")


class Protocol(HttpToolsProtocol):
    """One connection."""

    cycle: Any  # uvicorn's RequestResponseCycle, or an Exchange

    def __init__(
        self,
        front: Front,
        outbox: Outbox,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """outbox: one for all connections."""
        super().__init__(config, server_state, app_state, _loop)
        self._front = front
        self.outbox = outbox
        self._in_hand: Any = None  # the cycle that is being answered, or was last; `cycle` is the one being read

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        url = httptools.parse_url(self.url)
        route = None if self._is_unusual() else self._front.route(self.parser.get_method(), url.path)
        if route is None:
            self._hand_over()
            return
        call = self._front.call(route, url.query or b"", dict(reversed(self.headers)))
        self._in_hand = self.cycle = Exchange(self, call, self.parser.should_keep_alive())
        if call.body.refusal:
            self.cycle.begin()

    def on_body(self, body: bytes) -> None:
        if isinstance(self.cycle, Exchange):
            self.cycle.add(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if isinstance(self.cycle, Exchange):
            self.cycle.begin()
        else:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if isinstance(self._in_hand, Exchange):
            self._in_hand.leave()
        elif self._in_hand:  # uvicorn tells the last that was read, which may still wait behind it
            self._in_hand.disconnected = True
            self._in_hand.message_event.set()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._in_hand = cycle
        super()._start_asgi_task(cycle, app)

    def _is_unusual(self) -> bool:
        busy = self.cycle is not None and not self.cycle.response_complete
        return (
            busy or self.expect_100_continue or self.parser.should_upgrade() or self.parser.get_http_version() != "1.1"
        )

    def _hand_over(self) -> None:
        """Tells uvicorn all that the parser has told."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.on_url(url)
        for name, value in headers:
            self.on_header(name, value)
        super().on_headers_complete()


class Exchange:
    """A request on the short way and its answer. To uvicorn's connection it is what a RequestResponseCycle is."""

    __slots__ = ("_call", "_is_answered", "_protocol", "_task", "disconnected", "keep_alive", "response_complete")

    message_event = asyncio.Event()  # uvicorn sets it where a client leaves, for those who wait; none of these do

    def __init__(self, protocol: Protocol, call: Call, keep_alive: bool) -> None:
        self._protocol = protocol
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
            self._task = self._protocol.loop.create_task(self._answer())
            self._protocol.tasks.add(self._task)

    def leave(self) -> None:
        """The client has left: its work is cancelled, which takes its rows out of the queues."""
        self.disconnected = True
        if not self._is_answered:
            self._call.answered(CLIENT_LEFT)
        if self._task:
            self._task.cancel()
            self._protocol.tasks.discard(self._task)  # one that never began does not do it itself

    async def _answer(self) -> None:
        tasks = self._protocol.tasks
        try:
            reply = await self._call.answer()
            self._is_answered = True
            if isinstance(reply, StreamReply):
                await self._stream(reply)
            else:
                self._protocol.outbox.put(functools.partial(self._send, reply), is_alone=len(tasks) == 1)
        except asyncio.CancelledError:
            self._protocol.transport.close()  # also if it is the server that ends
            raise
        finally:
            tasks.discard(self._task)

    def _send(self, reply: Reply) -> None:
        head, body, transport = self._head(reply), reply.body, self._protocol.transport
        if not transport.is_closing():
            if len(body) <= _JOINED_BYTES:
                transport.write(head + body)
            else:
                transport.write(head)
                transport.write(body)
        self._end(reply)

    async def _stream(self, reply: StreamReply) -> None:
        """No faster than the client reads it."""
        transport, flow = self._protocol.transport, self._protocol.flow
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
        headers = [*self._protocol.server_state.default_headers, *reply.raw_headers]
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append(_CLOSE)
        return b"".join([_STATUS_LINES[reply.status_code], *(b"%b: %b\r\n" % header for header in headers), b"\r\n"])

    def _end(self, reply: Reply) -> None:
        self._call.answered(reply.status_code)
        self.response_complete = True
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.on_response_complete()
