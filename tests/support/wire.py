"""The server's end of a connection without a socket: bytes in, bytes out, by the protocol that serves."""

import asyncio
import http.client
import io
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from service.server import wire

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers, body


class Wire(asyncio.Transport):
    """A transport that remembers what was sent, write by write."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self.writes: list[bytes] = []
        self.is_closed = False
        self._reads = True
        self.has_ended = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_ended = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_reading(self) -> bool:
        return self._reads

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True

    async def written(self, times: int) -> None:
        """Once there were so many writes."""
        while len(self.writes) < times:
            await asyncio.sleep(0)

    async def closed(self) -> None:
        while not self.is_closed:
            await asyncio.sleep(0)

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)


class Connection(wire.Connection):
    """As a server makes it for one client. For use in an event loop."""

    def __init__(self, app: FastAPI, state: ServerState | None = None) -> None:
        """state: what several connections of a server share."""
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        super().__init__(config, state or ServerState(), {"routes": app.state.routes, "metrics": app.state.metrics})
        self.wire = Wire(self)
        self.connection_made(self.wire)

    def leave(self) -> None:
        """The client's end of the connection is gone."""
        self.wire.is_closed = True
        self.connection_lost(None)

    async def answer(self, method: str = "POST") -> Answer:
        """The next one, to a request by this method. There must be one, and nothing after it."""
        while not is_whole(self.wire.sent, method):
            await asyncio.sleep(0)
        return self.parsed(method)

    def parsed(self, method: str = "POST") -> Answer:
        """What was sent since the last time."""
        sent, self.wire.writes = self.wire.sent, []
        response = http.client.HTTPResponse(_Readable(sent), method=method)  # type: ignore[arg-type]
        response.begin()
        body = response.read()
        assert response.fp is None or not response.fp.read()
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.getheaders()]
        return response.status, headers, body


def is_whole(sent: bytes, method: str) -> bool:
    head, end, body = sent.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    return bool(end) and (method == "HEAD" or length is None or len(body) >= int(length[1]))


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


class _Readable:
    """As much of a socket as http.client needs."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)
