"""The table of routes through ASGI: FastAPI documents the verbs, and answers them under any server.

Pure ASGI around every request: its id and its count, HEAD wherever GET is, paths behind a proxy's prefix, and an
answer even where the code has a bug.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import errors
from service.api import problems
from service.api.reply import Reply, StreamReply, common_headers, headers_of
from service.api.request import CLIENT_LEFT, Body, Request, fields
from service.api.routes import Route, Routes
from service.metrics import Metrics

_logger = logging.getLogger("service")


def install(app: FastAPI, routes: Routes, metrics: Metrics, latent_dim: int) -> None:
    """The verbs, and every error in the one form. latent_dim: the default model's."""
    router = APIRouter(tags=["autoencoder"])
    for route in routes.table:
        router.add_api_route(route.path, _endpoint(route, routes), methods=[route.method], **route.document(latent_dim))
    app.include_router(router)
    app.add_exception_handler(errors.ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, functools.partial(_http_exception, routes))
    app.add_middleware(_RequestMiddleware, routes=routes, metrics=metrics)


def _endpoint(route: Route, routes: Routes) -> Any:
    async def answer(http: HttpRequest, query: Annotated[Any, Query()]) -> Response:
        request: Request = http.state.request
        await _read(request.body, http.receive)
        result = await _answer(route, routes, request, http.receive)
        return _Sent(routes.problem(result, request.id) if isinstance(result, Exception) else result, request)

    answer.__annotations__["query"] = Annotated[route.query, Query()]
    answer.__name__ = f"{route.method}_{route.path.strip('/')}".lower()
    return answer


async def _read(body: Body, receive: Receive) -> None:
    """Until the body is whole or refused. Raises ClientDisconnect."""
    more = True
    while more and not body.refusal:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body.add(message.get("body", b""))
        more = message.get("more_body", False)


async def _answer(route: Route, routes: Routes, request: Request, receive: Receive) -> Reply | Exception:
    """What a request gets whose client is still there. Raises ClientDisconnect."""
    answer: asyncio.Future[Reply | Exception] = asyncio.get_running_loop().create_future()

    def done(result: Reply | Exception) -> None:
        if not answer.done():  # else the client has left
            answer.set_result(result)

    job = routes.submit(route, request, done)
    left = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((answer, left), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return answer.result()
    finally:
        left.cancel()
        if job:
            routes.withdraw(job)


async def _left(receive: Receive) -> None:
    """Returns when the client has left. What it sends meanwhile is lost, so its body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Sent(Response):
    """A Reply as a response of starlette's, without the work of making one."""

    def __init__(self, reply: Reply, request: Request) -> None:
        self._reply = reply
        self._is_head = request.method == "HEAD"
        self.status_code = reply.status
        self.background = None
        self.body = bytes(reply.body)  # not every server takes a view
        self.raw_headers = headers_of(reply, request.id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if isinstance(self._reply, StreamReply) and not self._is_head:
            await self._stream(self._reply, receive, send)
        await send({"type": "http.response.body", "body": self.body})

    async def _stream(self, reply: StreamReply, receive: Receive, send: Send) -> None:
        """No more chunks are made once the client has left."""
        assert reply.chunks
        left = asyncio.ensure_future(_left(receive))
        try:
            async for chunk in reply.chunks:
                if left.done():
                    raise ClientDisconnect
                await send({"type": "http.response.body", "body": bytes(chunk), "more_body": True})
        finally:
            left.cancel()
            await reply.chunks.aclose()


class _RequestMiddleware:
    """Begins a Request and ends it; its id is in the answer. HEAD is GET, whose body is not sent."""

    def __init__(self, app: ASGIApp, routes: Routes, metrics: Metrics) -> None:
        self._app = app
        self._routes = routes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        routes = self._routes
        headers = fields(list(scope["headers"]))
        request = Request(scope["method"], scope["query_string"], headers, routes.max_body_bytes, routes.held)
        self._metrics.in_progress += 1
        is_head = request.method == "HEAD"
        scope = {**scope, "method": "GET" if is_head else request.method}
        scope.setdefault("state", {})["request"] = request
        if routes.root_path:
            _put_below(scope, routes.root_path)
        status = CLIENT_LEFT

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = common_headers(list(message.get("headers", ())), request.id)
                message["headers"] = own + routes.cors.headers(headers, own) if routes.cors else own
            elif is_head:
                message = {**message, "body": b""}
            return send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            pass  # nobody is there to answer
        except Exception:
            _logger.exception("request %s failed", request.id)
            if status != CLIENT_LEFT:
                raise  # too late for another answer: let the server cut the connection
            await _Sent(problems.bug(request.id), request)(scope, receive, send_with_headers)
        finally:
            request.body.release()
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.request(request.method, route, status, request.began)


def _put_below(scope: Scope, root_path: str) -> None:
    """The path as ASGI has it, with the prefix, whether the proxy has taken it off or not."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    has_prefix = path == root_path or path.startswith(f"{root_path}/")
    scope["path"] = path if has_prefix else root_path + path
    scope["root_path"] = root_path


async def _service_error(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, errors.ServiceError)
    return _Sent(problems.reply(error, http.state.request.id), http.state.request)


async def _validation_error(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _Sent(problems.reply(problems.parameter_error(error.errors()), http.state.request.id), http.state.request)


async def _http_exception(routes: Routes, http: HttpRequest, error: Exception) -> Response:
    """No route fits. Where one fits but for its method, OPTIONS asks for just that: which methods there are."""
    assert isinstance(error, HTTPException)
    request: Request = http.state.request
    if error.status_code != 405:
        headers = Headers(error.headers).raw
        return _Sent(problems.routing(error.status_code, request.id, headers, root_path=routes.root_path), request)
    allowed = _allowed(routes, http.scope, error)
    if request.method != "OPTIONS":
        return _Sent(problems.routing(405, request.id, [(b"allow", allowed.encode())]), request)
    answer = Response(status_code=204, headers={"Allow": allowed})
    if routes.cors:
        answer.raw_headers += routes.cors.preflight(request.headers, allowed)
    return answer


def _allowed(routes: Routes, scope: Scope, error: HTTPException) -> str:
    """Methods of a path. starlette names those of one route, where a path may have two; and none for a file."""
    path = getattr(scope.get("route"), "path", None)
    named = (error.headers or {}).get("Allow", "GET").split(", ")
    methods = [route.method for route in routes.table if route.path == path] or sorted(set(named) - {"HEAD"})
    return ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])
