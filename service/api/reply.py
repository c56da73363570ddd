"""Reply: an answer as data, for any way out: status, headers, and a body that is whole or made as it is sent."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

RawHeaders = list[tuple[bytes, bytes]]

_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
_SET_HERE = frozenset({b"x-request-id", b"x-content-type-options"})


@dataclass(slots=True)
class Reply:
    """headers: beside those that `headers_of` adds, names in lower case."""

    status: int
    media_type: str
    body: bytes | memoryview
    headers: Iterable[tuple[bytes, bytes]] = ()


@dataclass(slots=True)
class StreamReply(Reply):
    """An answer of known length, in bytes, that is sent as it is made, no faster than the client reads it."""

    chunks: AsyncGenerator[bytes | memoryview, None] | None = None
    length: int = 0


def headers_of(reply: Reply, request_id: str) -> RawHeaders:
    """All that go with a reply."""
    length = reply.length if isinstance(reply, StreamReply) else len(reply.body)
    own = [
        *reply.headers,
        (b"content-length", b"%d" % length),
        (b"content-type", reply.media_type.encode("latin-1")),
    ]
    return common_headers(own, request_id)


def common_headers(headers: RawHeaders, request_id: str) -> RawHeaders:
    """These, names in lower case, and those that every answer carries."""
    headers = [header for header in headers if header[0] not in _SET_HERE]
    if b"cache-control" not in dict(headers):
        headers.append(_NO_STORE)
    return [*headers, _NO_SNIFFING, (b"x-request-id", request_id.encode("ascii"))]
