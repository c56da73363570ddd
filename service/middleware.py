"""Around every request: an id, a time, a count, and an answer even where the code has a bug. Pure ASGI."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics import Metrics

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_logger = logging.getLogger("service")


class RequestContext:
    """Gives a request its id, which the answer repeats; measures it; answers for an exception nobody caught."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        on_bug: Callable[[str], Response],
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
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 499  # the client left before an answer began

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            _logger.exception("request %s failed", request_id)
            if status != 499:
                raise  # too late for another answer: let the server cut the connection
            await self._on_bug(request_id)(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.request(method, route, status, self._clock() - started)
