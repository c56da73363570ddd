"""An answer ready for the wire: status, raw headers, body. A starlette Response without the work of making one."""

from collections.abc import Iterable

from starlette.responses import Response

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
