"""Request: from its head to its answer's last byte, whichever way it came in; and its body, as it comes."""

import random
import re
import time
from collections.abc import Mapping, Sequence

from service.api.held import HeldBytes
from service.errors import PayloadTooLarge, QueueFull, ServiceError, UnsupportedMediaType

CLIENT_LEFT = 499  # before an answer began; nginx's number for it
# Of each body, not counted among the bytes held: a head may be as long, and is not counted either.
FREE_BYTES = 64 << 10

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_numbers = random.Random()

_LISTS = (b"accept", b"content-encoding")  # whose lines are one list

Headers = Mapping[bytes, bytes]  # by names in lower case, as `fields` gives them


def fields(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    """By name, the first value of one given twice; but all of a list's, as one. RFC 9110, section 5.3."""
    found = dict(reversed(headers))
    if len(found) < len(headers):
        for name in _LISTS:
            if name in found:
                found[name] = b", ".join(value for other, value in headers if other == name)
    return found


class Request:
    """Method, query string, headers, a body that may still be coming, an id, and when it began."""

    __slots__ = ("began", "body", "headers", "id", "method", "query_string")

    def __init__(
        self, method: str, query_string: bytes, headers: Headers, max_body_bytes: int, held: HeldBytes | None = None
    ) -> None:
        """held: where its body's bytes are counted until it is released; None where nobody counts."""
        self.method = method
        self.query_string = query_string
        self.headers = headers
        self.body = Body(headers, max_body_bytes, held)
        self.began = time.monotonic()
        asked_id = headers.get(b"x-request-id", b"")
        # 32 random hexadecimal digits need not be hard to guess here.
        is_sound = asked_id and _REQUEST_ID.fullmatch(asked_id)
        self.id = asked_id.decode("ascii") if is_sound else f"{_numbers.getrandbits(128):032x}"


class Body:
    """Grows until it is whole or refused. refusal: why its content is not to be read; then it has none.

    It counts what it holds, not what it announces: else a few clients that announce much and send nothing keep others
    out. One that announces more than there is room for is refused at once.

    files: in place of its content once it is known to be a form's.
    """

    __slots__ = ("_counted", "_held", "_max_bytes", "_received", "content", "files", "is_too_large", "refusal")

    def __init__(self, headers: Mapping[bytes, bytes], max_bytes: int, held: HeldBytes | None = None) -> None:
        """headers: by names in lower case. held: as a Request's."""
        self.content: bytes | bytearray = b""
        self.files: Sequence[bytes] | None = None
        self._max_bytes = max_bytes
        self._held = held
        self._received = 0
        self._counted = 0
        self.is_too_large = False
        self.refusal: ServiceError | None = None
        announced = headers.get(b"content-length", b"0")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            self.refusal = UnsupportedMediaType(
                "A compressed body is not accepted; send it as it is.", "unsupported_encoding"
            )
        if announced.isdigit():
            size = int(announced[:20])
            if size > max_bytes:
                self._refuse_as_too_large()
            elif size > FREE_BYTES and held and not held.has_room(size - FREE_BYTES):
                self._refuse(_no_room())

    def add(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._max_bytes:
            self._refuse_as_too_large()
        elif self.refusal:
            pass  # nobody will read it
        elif not self._has_room():
            self._refuse(_no_room())
        elif not self.content:
            self.content = chunk
        else:  # one growing array, because a list of many small pieces takes twenty times their bytes
            if isinstance(self.content, bytes):
                self.content = bytearray(self.content)
            self.content += chunk

    def release(self) -> None:
        """Nobody reads it any more: what it holds is free for others."""
        self.content, self.files = b"", None
        if self._counted and self._held:
            self._held.give_back(self._counted)
            self._counted = 0

    def _has_room(self) -> bool:
        """Counts what has come since."""
        more = self._received - FREE_BYTES - self._counted
        if more <= 0 or not self._held:
            return True
        if not self._held.take(more):
            return False
        self._counted += more
        return True

    def _refuse(self, error: ServiceError) -> None:
        self.release()
        self.refusal = self.refusal or error

    def _refuse_as_too_large(self) -> None:
        self.is_too_large = True
        self._refuse(PayloadTooLarge(f"The body is larger than {self._max_bytes} bytes."))


def _no_room() -> QueueFull:
    return QueueFull("The bodies of other requests take all the memory there is for bodies.", "memory_full")
