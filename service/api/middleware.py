"""Around every request that comes by ASGI: its context, and an answer even where the code has a bug. Pure ASGI."""

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.context import CLIENT_LEFT, RequestContext
from service.metrics import Metrics

_logger = logging.getLogger("service")


class ContextMiddleware:
    """Gives a request its id, which the answer repeats; measures it; answers for an exception nobody caught."""

    def __init__(self, app: ASGIApp, metrics: Metrics, on_bug: Callable[[str], ASGIApp]) -> None:
        """on_bug: request id → the answer to give."""
        self._app = app
        self._metrics = metrics
        self._on_bug = on_bug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked_id = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        context = RequestContext(asked_id, self._metrics)
        scope.setdefault("state", {})["request_id"] = context.request_id
        status = CLIENT_LEFT

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = context.headers(message.get("headers", ()))
            return send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            pass  # nobody is there to answer
        except Exception:
            _logger.exception("request %s failed", context.request_id)
            if status != CLIENT_LEFT:
                raise  # too late for another answer: let the server cut the connection
            await self._on_bug(context.request_id)(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            context.answered(scope["method"], route, status)
