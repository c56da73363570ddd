"""What every request has, by whichever way it comes: an id, a time, a count, and headers that its answer must carry."""

import random
import re
import time
from collections.abc import Callable, Iterable

from service.metrics import Metrics

CLIENT_LEFT = 499  # before an answer began; nginx's number for it

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
_SET_HERE = frozenset({b"x-request-id", b"x-content-type-options"})
_numbers = random.Random()

RawHeaders = list[tuple[bytes, bytes]]


class RequestContext:
    """Begins with a request's head."""

    __slots__ = ("_clock", "_metrics", "_started", "request_id")

    def __init__(self, asked_id: bytes | None, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        """asked_id: the client's own id for the request, taken if it is sound."""
        self._metrics = metrics
        self._clock = clock
        self._started = clock()
        metrics.request_began()
        sound_id = asked_id if asked_id and _REQUEST_ID.fullmatch(asked_id) else None
        # 32 random hexadecimal digits need not be hard to guess here.
        self.request_id = sound_id.decode("ascii") if sound_id else f"{_numbers.getrandbits(128):032x}"

    def headers(self, given: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        """An answer's headers, names in lower case, with those that every answer carries."""
        headers = [header for header in given if header[0] not in _SET_HERE]
        headers += ((b"x-request-id", self.request_id.encode("ascii")), _NO_SNIFFING)
        if b"cache-control" not in dict(headers):
            headers.append(_NO_STORE)
        return headers

    def answered(self, method: str, route: str, status: int) -> None:
        """With the answer's last byte. route: a template, never a path."""
        method = method if method in _METHODS else "other"
        self._metrics.request(method, route, status, self._clock() - self._started)
