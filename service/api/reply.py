"""An answer ready for the wire: status, raw headers, body. A starlette Response without the work of making one."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api import client

RawHeaders = list[tuple[bytes, bytes]]


class Reply(Response):
    """Sent as it is by any ASGI server, and returned as it is by any of FastAPI's endpoints."""

    def __init__(
        self, status: int, media_type: str, body: bytes | memoryview, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """headers: names in lower case; content-length and content-type are added."""
        self.status_code = status
        self.media_type = media_type
        self.background = None
        self.body = body
        self.raw_headers: RawHeaders = [
            *headers,
            (b"content-length", b"%d" % len(body)),
            (b"content-type", media_type.encode("latin-1")),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


class StreamReply(Reply):
    """An answer of known length that is sent as it is made, no faster than the client reads it."""

    def __init__(
        self,
        media_type: str,
        chunks: AsyncGenerator[bytes | memoryview, None],
        length_bytes: int,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(200, media_type, b"", headers)
        self.raw_headers[-2] = (b"content-length", b"%d" % length_bytes)
        self.chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends chunk by chunk, and makes no more of them once the client has left."""
        left = asyncio.ensure_future(client.left(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for chunk in self.chunks:
                if left.done():
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            left.cancel()
            await self.chunks.aclose()
