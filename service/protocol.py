"""HTTP/1.1 as uvicorn speaks it, but an answer's head leaves together with what follows it.

uvicorn writes them one after the other, and uvloop sends each write at once: two system calls and two packets.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1.1 "
_JOINED_BYTES = 64 << 10  # copying more costs more than it saves


class Protocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoiningTransport(transport, self.loop))  # type: ignore[arg-type]


class JoiningTransport:
    """A transport that holds a head back until the next write, but no longer than to the loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes | memoryview) -> None:
        """Bytes that look like a head but are not are held and sent all the same, in their order."""
        if self._held:
            if len(data) <= _JOINED_BYTES:
                data, self._held = b"".join((self._held, data)), b""
            else:
                self._flush()
        elif isinstance(data, bytes) and data.startswith(_HEAD):
            self._held = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
