"""Request: from its head to its answer's last byte, whichever way it came in."""

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping

from service.api.body import Body
from service.metrics import Metrics

CLIENT_LEFT = 499  # before an answer began; nginx's number for it

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
_SET_HERE = frozenset({b"x-request-id", b"x-content-type-options"})
_numbers = random.Random()

Headers = Mapping[bytes, bytes]  # by names in lower case; the first value of one given twice
RawHeaders = list[tuple[bytes, bytes]]


class Request:
    """Method, query string, headers and a body that may still be coming; an id, and its place in the metrics."""

    __slots__ = ("_clock", "_metrics", "_started", "body", "headers", "id", "method", "query_string")

    def __init__(
        self,
        method: str,
        query_string: bytes,
        headers: Headers,
        body: Body,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.method = method
        self.query_string = query_string
        self.headers = headers
        self.body = body
        self._metrics = metrics
        self._clock = clock
        self._started = clock()
        metrics.request_began()
        asked_id = headers.get(b"x-request-id", b"")
        # 32 random hexadecimal digits need not be hard to guess here.
        is_sound = asked_id and _REQUEST_ID.fullmatch(asked_id)
        self.id = asked_id.decode("ascii") if is_sound else f"{_numbers.getrandbits(128):032x}"

    def text(self, name: bytes) -> str:
        """A header's value, empty where it is missing."""
        return self.headers.get(name, b"").decode("latin-1")

    def answer_headers(self, given: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        """Those given, names in lower case, and those that every answer carries."""
        headers = [header for header in given if header[0] not in _SET_HERE]
        if b"cache-control" not in dict(headers):
            headers.append(_NO_STORE)
        headers += (_NO_SNIFFING, (b"x-request-id", self.id.encode("ascii")))
        return headers

    def answered(self, route: str, status: int) -> None:
        """With the answer's last byte. route: a template, never a path."""
        method = self.method if self.method in _METHODS else "other"
        self._metrics.request(method, route, status, self._clock() - self._started)
