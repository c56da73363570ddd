"""Request: from its head to its answer's last byte, whichever way it came in; and its body, as it comes."""

import random
import re
import time
from collections.abc import Mapping

from service.errors import PayloadTooLarge, ServiceError, UnsupportedMediaType

CLIENT_LEFT = 499  # before an answer began; nginx's number for it

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_numbers = random.Random()

Headers = Mapping[bytes, bytes]  # by names in lower case; the first value of one given twice


class Request:
    """Method, query string, headers, a body that may still be coming, an id, and when it began."""

    __slots__ = ("began", "body", "headers", "id", "method", "query_string")

    def __init__(self, method: str, query_string: bytes, headers: Headers, max_body_bytes: int) -> None:
        self.method = method
        self.query_string = query_string
        self.headers = headers
        self.body = Body(headers, max_body_bytes)
        self.began = time.monotonic()
        asked_id = headers.get(b"x-request-id", b"")
        # 32 random hexadecimal digits need not be hard to guess here.
        is_sound = asked_id and _REQUEST_ID.fullmatch(asked_id)
        self.id = asked_id.decode("ascii") if is_sound else f"{_numbers.getrandbits(128):032x}"


class Body:
    """Grows until it is whole or too large. refusal: why its content is not to be read; then it has none."""

    __slots__ = ("_max_bytes", "_received", "content", "is_too_large", "refusal")

    def __init__(self, headers: Mapping[bytes, bytes], max_bytes: int) -> None:
        """headers: by names in lower case."""
        self.content: bytes | bytearray = b""
        self._max_bytes = max_bytes
        self._received = 0
        self.is_too_large = False
        self.refusal: ServiceError | None = None
        announced = headers.get(b"content-length", b"0")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            self.refusal = UnsupportedMediaType(
                "A compressed body is not accepted; send it as it is.", "unsupported_encoding"
            )
        if announced.isdigit() and int(announced[:20]) > max_bytes:
            self._refuse()

    def add(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._max_bytes:
            self._refuse()
        elif self.refusal:
            pass  # nobody will read it
        elif not self.content:
            self.content = chunk
        else:  # one growing array, because a list of many small pieces takes twenty times their bytes
            if isinstance(self.content, bytes):
                self.content = bytearray(self.content)
            self.content += chunk

    def _refuse(self) -> None:
        self.content = b""
        self.is_too_large = True
        self.refusal = self.refusal or PayloadTooLarge(f"The body is larger than {self._max_bytes} bytes.")
