"""A request's body, read whole from ASGI's `receive`, within its limit."""

from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.errors import PayloadTooLarge, UnsupportedMediaType


async def read(headers: Mapping[bytes, bytes], receive: Receive, max_bytes: int) -> bytes:
    """The whole body. headers: by names in lower case.

    Raises PayloadTooLarge as soon as that is known, UnsupportedMediaType for a compressed one, ClientDisconnect.
    """
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType("A compressed body is not accepted; send it as it is.", "unsupported_encoding")
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced[:20]) > max_bytes:
        raise _too_large(max_bytes)
    chunks: list[bytes] = []
    received = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {max_bytes} bytes.")
