"""Around every request: an id, a time, a count, and an answer even where the code has a bug. Pure ASGI."""

import logging
import random
import re
import time
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics import Metrics

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_CLIENT_LEFT = 499  # before an answer began; nginx's number for it
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
_SET_HERE = frozenset({b"x-request-id", b"x-content-type-options"})
_numbers = random.Random()
_logger = logging.getLogger("service")


class RequestContext:
    """Gives a request its id, which the answer repeats; measures it; answers for an exception nobody caught."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        on_bug: Callable[[str], ASGIApp],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """on_bug: request id → the answer to give."""
        self._app = app
        self._metrics = metrics
        self._on_bug = on_bug
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = _CLIENT_LEFT

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [header for header in message.get("headers", ()) if header[0] not in _SET_HERE]
                headers += ((b"x-request-id", request_id.encode("ascii")), _NO_SNIFFING)
                if b"cache-control" not in dict(headers):
                    headers.append(_NO_STORE)
                message["headers"] = headers
            return send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            pass  # while its body was read; nobody is there to answer
        except Exception:
            _logger.exception("request %s failed", request_id)
            if status != _CLIENT_LEFT:
                raise  # too late for another answer: let the server cut the connection
            await self._on_bug(request_id)(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.request(method, route, status, self._clock() - started)


def _request_id(scope: Scope) -> str:
    """The client's, if it is sound, else 32 random hexadecimal digits. They need not be hard to guess."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            if _REQUEST_ID.fullmatch(value):
                given: str = value.decode("ascii")
                return given
            break  # of several the first counts
    return f"{_numbers.getrandbits(128):032x}"
