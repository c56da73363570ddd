"""The server's end of a connection without a socket: bytes in, bytes out, by the protocol that serves."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from service.server import wire

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers, body

_HEAD_BYTES = 64 << 10  # in which an answer's head ends


class Wire(asyncio.Transport):
    """A transport that remembers what was sent, write by write. It is over a turn after it is closed."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self._is_closing = self._is_lost = self._is_paused = False
        self.writes: list[bytes] = []
        self.has_ended = False  # the client reads an end
        self.was_aborted = False
        self.failure: Exception | None = None  # raised by the next write

    def write(self, data: Any) -> None:
        if self.failure:
            raise self.failure
        assert not self.has_ended, "written behind the end"
        if not self._is_closing:
            self.writes.append(bytes(data))

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self.lose)

    def abort(self) -> None:
        self.was_aborted = True
        self.close()

    def lose(self) -> None:
        """Nobody is at the other end any more; once is enough."""
        self._is_closing = True
        if not self._is_lost:
            self._is_lost = True
            self._protocol.connection_lost(None)

    def is_closing(self) -> bool:
        return self._is_closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_ended = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_reading(self) -> bool:
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False

    async def written(self, times: int) -> None:
        """Once there were so many writes."""
        while len(self.writes) < times:
            await asyncio.sleep(0)

    async def closed(self) -> None:
        while not self._is_lost:
            await asyncio.sleep(0)

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)


class Connection(wire.Connection):
    """As a server makes it for one client. For use in an event loop."""

    def __init__(
        self,
        app: FastAPI,
        state: ServerState | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        timeout_keep_alive: int = 75,
    ) -> None:
        """state: what several connections of a server share. timeout_keep_alive: in seconds, by the loop's time."""
        config = uvicorn.Config(
            app, lifespan="off", log_config=None, access_log=False, ws="none", timeout_keep_alive=timeout_keep_alive
        )
        super().__init__(config, state or ServerState(), {"routes": app.state.routes}, loop)
        self.wire = Wire(self)
        self.connection_made(self.wire)

    def leave(self) -> None:
        """The client's end of the connection is gone."""
        self.wire.lose()

    def send_no_more(self) -> None:
        """The client half-closes the connection; as a transport does, closes all of it unless the protocol objects."""
        if not self.eof_received():
            self.wire.close()

    async def answer(self, method: str = "POST") -> Answer:
        """The next one, to a request by this method. There must be one, and nothing after it."""
        (answer,) = await self.answers(method)
        return answer

    async def answers(self, *methods: str) -> list[Answer]:
        """The next ones, to requests by these methods. There must be so many, and nothing after them."""
        answers: list[Answer] = []
        at, known = 0, b""
        while len(answers) < len(methods):
            found = _answer(self.wire.sent, at, methods[len(answers)])
            if found:
                answers.append(found[0])
                at = found[1]
            else:
                assert not self.wire.is_closing() or known != self.wire.sent, f"the end after {len(answers)} answers"
                known = self.wire.sent
                await asyncio.sleep(0)
        assert at == len(self.wire.sent)
        self.wire.writes = []
        return answers


def _answer(sent: bytes, at: int, method: str) -> tuple[Answer, int] | None:
    """The answer that begins there and where it ends; None where it is not whole."""
    head, end, _ = sent[at : at + _HEAD_BYTES].partition(b"\r\n\r\n")
    status_line, *lines = head.split(b"\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    start = at + len(head) + len(end)
    length = 0 if method == "HEAD" else int(dict(headers).get(b"content-length", 0))
    if not end or len(sent) < start + length:
        return None
    return (int(status_line.split()[1]), headers, sent[start : start + length]), start + length


class WireTransport(httpx.AsyncBaseTransport):
    """httpx over such a connection, a new one for each request."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        connection = Connection(self._app)
        lines = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
        lines += [b"%b: %b" % header for header in request.headers.raw]
        connection.data_received(b"\r\n".join(lines) + b"\r\n\r\n")
        chunked = request.headers.get("transfer-encoding") == "chunked"
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for chunk in _ended(request.stream) if chunked else request.stream:
            connection.data_received(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        status, headers, body = await connection.answer(request.method)
        connection.leave()
        return httpx.Response(status, headers=headers, content=body)


async def _ended(chunks: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if chunk:
            yield chunk
    yield b""
