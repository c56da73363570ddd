"""Reply: an answer as data, for any way out: status, headers, and a body that is whole or made as it is sent."""

from collections.abc import AsyncGenerator, Iterable

RawHeaders = list[tuple[bytes, bytes]]


class Reply:
    """A whole answer."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int, media_type: str, body: bytes | memoryview, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """headers: names in lower case; content-length and content-type are added."""
        self.status = status
        self.body = body
        self.headers: RawHeaders = [
            *headers,
            (b"content-length", b"%d" % len(body)),
            (b"content-type", media_type.encode("latin-1")),
        ]


class StreamReply(Reply):
    """An answer of known length that is sent as it is made, no faster than the client reads it."""

    __slots__ = ("chunks",)

    def __init__(
        self,
        media_type: str,
        chunks: AsyncGenerator[bytes | memoryview, None],
        length_bytes: int,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(200, media_type, b"", headers)
        self.headers[-2] = (b"content-length", b"%d" % length_bytes)
        self.chunks = chunks
