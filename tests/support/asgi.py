"""One request to an ASGI application without a server: what the client sends and when it leaves, message by message."""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI

RawHeaders = Sequence[tuple[bytes, bytes]]


class Exchange:
    """For use in an event loop."""

    def __init__(
        self,
        app: FastAPI,
        method: str,
        path: str,
        query: bytes = b"",
        headers: RawHeaders = (),
        body: Sequence[bytes] = (),
        *,
        is_whole: bool = True,
    ) -> None:
        """body: comes in these pieces. is_whole: whether the body ends; else the client only leaves."""
        self._app = app
        self._scope = {"type": "http", "method": method, "path": path, "query_string": query, "root_path": ""}
        self._scope["headers"] = list(headers)
        self._pieces: list[dict[str, Any]] = [{"body": piece, "more_body": True} for piece in body]
        if is_whole:
            self._pieces.append({})
        self._has_left = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    async def run(self) -> None:
        """Until the application is done with it. Raises what the application raises."""
        await self._app(self._scope, self._receive, self._send)

    def leave(self) -> None:
        self._has_left.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    async def _receive(self) -> dict[str, Any]:
        if self._pieces:
            return {"type": "http.request", **self._pieces.pop(0)}
        await self._has_left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


async def turns(count: int = 20) -> None:
    """So many turns of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)
