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
        super().connection_made(HoldingTransport(transport, self.loop, self.tasks))  # type: ignore[arg-type]


class HoldingTransport:
    """A transport that holds writes back, but none of them longer than to the loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, requests: Sized) -> None:
        """requests: all that the server is answering now."""
        self._transport = transport
        self._loop = loop
        self._requests = requests
        self._held: list[bytes | memoryview] = []

    def write(self, data: bytes | memoryview) -> None:
        if len(data) > _HELD_BYTES:
            self._flush()
            self._transport.write(data)
            return
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        is_head = len(self._held) == 1 and data[: len(_HEAD)] == _HEAD
        if not is_head and len(self._requests) <= 1:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if not self._held:
            return
        held, self._held = self._held, []
        self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
