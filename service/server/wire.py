"""Wire: one client's connection. Requests are read, and answers written, one after the other.

A verb's request goes to the routes as soon as it is whole, and its answer is written as it is: to pass through ASGI
would cost two thirds of what a small answer does. Any other request is a Guest's. No request is begun before the
answer to the last one is written, and none while the client does not read.
"""

import asyncio
import copy
import logging
from http import HTTPStatus
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from service.api.reply import Reply, StreamReply, headers_of
from service.api.request import CLIENT_LEFT, FREE_BYTES, Request
from service.api.routes import Route, Routes
from service.engine.job import Job
from service.errors import ServiceError
from service.metrics import Metrics
from service.server.chunked import Chunks
from service.server.guest import Guest
from service.server.head import Head, end_of_head, parse

_JOINED_BYTES = 64 << 10  # to copy more costs more than to write twice
_UNREAD_BYTES = 64 << 10  # of further requests; no more are received while so many wait
# A client reads a refusal once it has sent its body, which nobody keeps: the connection waits until none has come for
# so long, and no longer than that in all.
_LINGER_S, _LONGEST_LINGER_S = 2.0, 30.0
_CLOSE = (b"connection", b"close")
_KEEP = (b"connection", b"keep-alive")  # without which an HTTP/1.0 client closes
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES = {int(status): f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in HTTPStatus}
_logger = logging.getLogger("service")


class Connection(asyncio.Protocol):
    """uvicorn makes one for each client, and calls `shutdown` where the server stops."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """app_state: the lifespan's, with routes and metrics."""
        self._config = config
        self._state = server_state
        self._app_state = app_state
        self._routes: Routes = app_state["routes"]
        self._metrics: Metrics = app_state["metrics"]
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._received = b""
        self._at = 0  # how far it has been read
        self._scanned = 0  # how far it holds no end of a head
        self._head: Head | None = None  # of the request that is read or answered
        self._request: Request
        self._route: Route | None = None  # None for a guest's
        self._chunks: Chunks | None = None
        self._missing = 0  # bytes of the body
        self._is_answering = False
        self._job: Job | None = None
        self._guest: Guest | None = None
        self._stream: asyncio.Task[None] | None = None
        self._keep_alive = True
        self._has_ended = False  # the client sends no more
        self._is_discarding = False
        self._drained: asyncio.Future[None] | None = None  # to come while the client does not read
        self._waits_since = self._lingers_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # which uvloop's is by its methods alone
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._waits_since = self._loop.time()
        self._timer = self._loop.call_later(self._config.timeout_keep_alive, self._check_idle)

    def data_received(self, data: bytes) -> None:
        if self._is_discarding:
            self._waits_since = self._loop.time()
            return
        if self._at < len(self._received):
            data = self._received[self._at :] + data
            self._scanned -= self._at
        else:
            self._scanned = 0
        self._received, self._at = data, 0
        if not self._is_busy():
            self._waits_since = self._loop.time()
            self._read()
        if len(self._received) - self._at > _UNREAD_BYTES:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """A client that sends no more may still read."""
        self._has_ended = True
        if not self._is_busy():
            self._read()  # a request whose turn has come may have come whole
        return self._is_busy()

    def pause_writing(self) -> None:
        self._drained = self._drained or self._loop.create_future()
        if self._guest:
            self._guest.pause_writing()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained and not drained.done():
            drained.set_result(None)
        if self._guest:
            self._guest.resume_writing()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._is_discarding = True
        if self._timer:
            self._timer.cancel()
        if self._head:
            self._request.body.release()
        if self._job:
            self._routes.withdraw(self._job)
        if self._guest:
            self._state.connections.discard(self._guest)
            self._guest.connection_lost(exc)
        elif self._stream:
            self._stream.cancel()
        elif self._head and self._route:
            self._count(CLIENT_LEFT)

    def shutdown(self) -> None:
        """The server stops: what has begun is answered, and then the connection is closed."""
        self._keep_alive = False
        if self._head is None:
            self._transport.close()  # once its client has read what was written

    # Requests

    def _is_busy(self) -> bool:
        """Whether the next request has to wait."""
        return self._is_answering or self._drained is not None

    def _has_unread(self) -> bool:
        return self._at < len(self._received)

    def _read(self) -> None:
        """Requests and parts of them from what has come."""
        try:
            while self._at < len(self._received) and not (self._is_discarding or self._transport.is_closing()):
                if self._is_busy() or not ((self._head or self._read_head()) and self._read_body()):
                    return
                self._begin()
        except ServiceError as error:
            self._refuse(error)

    def _read_head(self) -> bool:
        """Whether it has come whole."""
        end = end_of_head(self._received, self._at, max(self._at, self._scanned))
        if end is None:
            self._scanned = len(self._received)
            return False
        head = parse(self._received[self._at : end])
        self._at = end
        self._route = self._routes.by_target.get((head.method, head.path))
        routes = self._routes
        self._request = Request(head.method_name, head.query_string, head.fields, routes.max_body_bytes, routes.held)
        self._metrics.in_progress += self._route is not None  # else ASGI counts it
        self._head = head
        self._keep_alive = self._keep_alive and head.keep_alive
        self._missing = head.length or 0
        self._chunks = Chunks() if head.length is None else None
        if head.expects_continue and not self._request.body.refusal:
            self._transport.write(_CONTINUE)
        return True

    def _read_body(self) -> bool:
        """Whether it has come whole, or far enough to be refused."""
        body = self._request.body
        if self._chunks:
            pieces, self._at, is_whole = self._chunks.read(self._received, self._at)
            for piece in pieces:
                body.add(piece)
        elif self._missing:
            piece = self._received[self._at : self._at + self._missing]
            self._at += len(piece)
            self._missing -= len(piece)
            is_whole = not self._missing
            if is_whole and len(piece) <= FREE_BYTES and not body.content and not body.refusal:
                body.content = piece  # nearly always: its length was announced, and is within the limits
            else:
                body.add(piece)
        else:
            is_whole = True
        if not is_whole:
            waits_in_vain = self._head and self._head.expects_continue and body.refusal
            if not body.is_too_large and not waits_in_vain:
                return False
            self._is_discarding = True  # the rest of the body looks like a request
        return True

    def _begin(self) -> None:
        """The request is whole, or refused."""
        self._is_answering = True
        body = self._request.body
        if self._route:
            self._job = self._routes.submit(self._route, self._request, self._answer)
        elif body.refusal:
            self._refuse(body.refusal)
        elif self._head:
            state = self._state
            if self._keep_alive and self._head.version == "1.0":
                state = copy.copy(state)
                state.default_headers = [*state.default_headers, _KEEP]
            self._guest = Guest(self._config, state, self._app_state, self._loop, self._end_guest)
            self._guest.connection_made(self._transport)
            self._guest.data_received(self._head.alone(bytes(body.content), self._keep_alive))

    # Answers

    def _answer(self, result: Reply | Exception) -> None:
        try:
            reply = self._routes.problem(result, self._request.id) if isinstance(result, Exception) else result
            if isinstance(reply, StreamReply) and self._request.method != "HEAD":
                self._stream = self._loop.create_task(self._send_stream(reply))
                self._state.tasks.add(self._stream)
                self._stream.add_done_callback(self._end_stream)
            else:
                self._send(reply)
                self._end(reply.status)
        except Exception:  # a bug; don't leave the client waiting
            _logger.exception("an answer could not be sent")
            self._transport.abort()

    def _send(self, reply: Reply) -> None:
        if self._transport.is_closing():
            return
        head, body = self._head_of(reply), b"" if self._request.method == "HEAD" else reply.body
        if len(body) <= _JOINED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def _send_stream(self, reply: StreamReply) -> None:
        """No faster than the client reads it. Whole, or cut by the end of its connection."""
        assert reply.chunks
        try:
            self._transport.write(self._head_of(reply))
            async for chunk in reply.chunks:
                self._transport.write(chunk)
                if self._drained:
                    await self._drained
        except Exception:
            _logger.exception("an answer was cut off")
            self._keep_alive = False
        finally:
            await reply.chunks.aclose()

    def _end_stream(self, stream: asyncio.Task[None]) -> None:
        self._state.tasks.discard(stream)
        self._keep_alive = self._keep_alive and not stream.cancelled()
        self._end(HTTPStatus.OK)

    def _head_of(self, reply: Reply) -> bytes:
        headers = [*self._state.default_headers, *headers_of(reply, self._request.id)]
        if self._routes.cors:
            headers += self._routes.cors.headers(self._request.headers, headers)
        self._keep_alive = self._keep_alive and not self._is_discarding and _CLOSE not in headers
        if not self._keep_alive:
            headers.append(_CLOSE)
        elif self._head and self._head.version == "1.0":
            headers.append(_KEEP)
        lines = [b"%b: %b\r\n" % header for header in dict.fromkeys(headers)]
        return b"".join((_STATUS_LINES[reply.status], *lines, b"\r\n"))

    def _end(self, status: int) -> None:
        """The answer is written."""
        self._state.total_requests += 1
        self._job = self._stream = None
        self._close_or_go_on()
        self._count(status)

    def _end_guest(self) -> None:
        self._state.total_requests += 1
        self._guest = None
        if not self._transport.is_closing():
            self._transport.resume_reading()  # uvicorn pauses it for a long body that nobody reads
        self._close_or_go_on()

    def _count(self, status: int) -> None:
        route = self._route.path if self._route else "none"
        self._metrics.request(self._request.method, route, status, self._request.began)

    def _close_or_go_on(self) -> None:
        self._head = None
        self._is_answering = False
        self._request.body.release()
        if self._is_discarding:
            self._linger()
        elif not self._keep_alive or (self._has_ended and not self._has_unread()):
            self._transport.close()
        else:
            self._waits_since = self._loop.time()
            if self._has_unread() and not self._drained:
                self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._is_busy() or self._transport.is_closing():
            return
        self._read()
        if self._has_ended and not self._is_busy():
            self._transport.close()
        elif len(self._received) - self._at <= _UNREAD_BYTES and not self._transport.is_closing():
            self._transport.resume_reading()

    def _refuse(self, error: ServiceError) -> None:
        """Answers what is not read on, and ends the connection."""
        if self._head is None:  # what came was no request
            self._request = Request("other", b"", {}, 0)
            self._route = None
        if self._route is None:
            self._metrics.in_progress += 1
        self._is_discarding = True
        reply = self._routes.problem(error, self._request.id)
        self._send(reply)
        self._end(reply.status)

    def _linger(self) -> None:
        """Closes the connection so that its client can read the answer first, though it may still send."""
        self._received, self._at = b"", 0
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()
        self._waits_since = self._loop.time()
        self._lingers_until = self._waits_since + _LONGEST_LINGER_S
        self._loop.call_later(_LINGER_S, self._end_lingering)

    def _end_lingering(self) -> None:
        left_s = min(self._waits_since + _LINGER_S, self._lingers_until) - self._loop.time()
        if left_s <= 0:
            self._transport.close()
        else:
            self._loop.call_later(left_s, self._end_lingering)

    def _check_idle(self) -> None:
        """Closes a connection whose client has sent nothing for too long."""
        limit_s = self._config.timeout_keep_alive
        waits_s = 0.0 if self._is_busy() else self._loop.time() - self._waits_since
        if waits_s >= limit_s:
            self._transport.close()
        else:
            self._timer = self._loop.call_later(limit_s - waits_s, self._check_idle)
