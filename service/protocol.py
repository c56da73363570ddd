"""HTTP/1.1 as uvicorn speaks it, but an answer leaves as one packet, and answers of one batch one after the other.

uvloop sends each write at once. Here an answer's head waits for its body; and while other requests are being answered,
both wait for the loop's next turn, so that a client is waked once for all answers of a batch, not for each.
"""

import asyncio
from collections.abc import Sized
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1.1 "
_HELD_BYTES = 64 << 10  # to copy more costs more than it saves


class Protocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._holding = HoldingTransport(transport, self.loop, self.tasks)
        super().connection_made(self._holding)  # type: ignore[arg-type]

    def eof_received(self) -> None:
        """A client that sends no more may still read; the connection is closed after this."""
        self._holding.flush()
        super().eof_received()


class HoldingTransport:
    """A transport that holds writes back, but none of them longer than to the loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, requests: Sized) -> None:
        """requests: all that the server is answering now."""
        self._transport = transport
        self._loop = loop
        self._requests = requests
        self._held: list[bytes | memoryview] = []
        self.is_closing = transport.is_closing  # asked for every answer; the rest is looked up

    def write(self, data: bytes | memoryview) -> None:
        if len(data) > _HELD_BYTES:
            self.flush()
            self._transport.write(data)
            return
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        is_head = len(self._held) == 1 and data[: len(_HEAD)] == _HEAD
        if not is_head and len(self._requests) <= 1:
            self.flush()

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Sends what is held, unless the connection has been lost meanwhile."""
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
