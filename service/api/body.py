"""A request's body as it comes in: whole and within its limit, or refused as soon as that is known."""

from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.errors import PayloadTooLarge, ServiceError, UnsupportedMediaType


class Body:
    """Chunks, until there is a refusal; who has one needs no more of them."""

    __slots__ = ("_chunks", "_max_bytes", "_received", "refusal")

    def __init__(self, headers: Mapping[bytes, bytes], max_bytes: int) -> None:
        """headers: by names in lower case."""
        self._max_bytes = max_bytes
        self._chunks: list[bytes] = []
        self._received = 0
        self.refusal: ServiceError | None = None
        announced = headers.get(b"content-length", b"0")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            self.refusal = UnsupportedMediaType(
                "A compressed body is not accepted; send it as it is.", "unsupported_encoding"
            )
        elif announced.isdigit() and int(announced[:20]) > max_bytes:
            self.refusal = _too_large(max_bytes)

    def add(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._max_bytes:
            self.refusal = _too_large(self._max_bytes)
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    def whole(self) -> bytes:
        """Gives it away: a connection that waits for its next request holds nothing of the last.

        Raises PayloadTooLarge, or UnsupportedMediaType for a compressed one.
        """
        if self.refusal:
            raise self.refusal
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read(headers: Mapping[bytes, bytes], receive: Receive, max_bytes: int) -> bytes:
    """The whole body from ASGI's `receive`. Raises as Body.whole does, and ClientDisconnect."""
    body = Body(headers, max_bytes)
    more = True
    while more and not body.refusal:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body.add(message.get("body", b""))
        more = message.get("more_body", False)
    return body.whole()


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {max_bytes} bytes.")
