"""CORS: which pages of other origins may read the answers. The Fetch standard, section 3.2; off unless it is set.

No answer depends on cookies, so none is allowed to come with them.
"""

import re
from collections.abc import Iterable

from service.api.request import Headers

ANY = "*"
_FRESH_S = b"7200"  # a browser asks again after so long; no browser waits longer
_EXPOSED = (b"retry-after", b"allow")  # beside those whose name begins with x-
_METHOD = re.compile(rb"[A-Z]{1,16}")
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")  # of headers, RFC 9110, section 5.1


class Cors:
    """What an answer says to the browser that asked for it."""

    def __init__(self, origins: Iterable[str]) -> None:
        """origins: as browsers send them, such as https://example.org; or "*" for all."""
        self._origins = frozenset(origin.encode() for origin in origins)
        self._is_open = ANY.encode() in self._origins

    def headers(self, request: Headers, answer: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """What the answer has besides; none to an origin that is not let in. answer: the headers that it has."""
        allowed = self._allowed(request)
        varies = [] if self._is_open else [(b"vary", b"Origin")]
        if not allowed:
            return varies
        exposed = dict.fromkeys(name for name, _ in answer if name.startswith(b"x-") or name in _EXPOSED)
        return [
            *varies,
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", b", ".join(exposed)),
        ]

    def preflight(self, request: Headers, methods: str) -> list[tuple[bytes, bytes]]:
        """What the answer to a browser's OPTIONS has besides those. methods: those of the path."""
        if not self._allowed(request) or not _METHOD.fullmatch(request.get(b"access-control-request-method", b"")):
            return []
        wanted = request.get(b"access-control-request-headers", b"")
        headers = [
            (b"access-control-allow-methods", methods.encode()),
            (b"access-control-max-age", _FRESH_S),
        ]
        if _NAMES.fullmatch(wanted):
            headers.append((b"access-control-allow-headers", wanted))
        return headers

    def _allowed(self, request: Headers) -> bytes | None:
        if self._is_open:
            return ANY.encode()
        origin = request.get(b"origin", b"")
        return origin if origin in self._origins else None
