"""The table of routes through ASGI: FastAPI documents the verbs, and answers them under any server.

Pure ASGI around every request: its id and its count, and an answer even where the code has a bug.
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
from service.api.body import Body
from service.api.reply import Reply, StreamReply
from service.api.request import CLIENT_LEFT, Request
from service.api.routes import Route, Routes

_logger = logging.getLogger("service")


def install(app: FastAPI, routes: Routes, latent_dim: int) -> None:
    """The verbs, and every error in the one form. latent_dim: the default model's."""
    router = APIRouter(tags=["autoencoder"])
    for route in routes.table:
        router.add_api_route(route.path, _endpoint(route, routes), methods=[route.method], **route.document(latent_dim))
    app.include_router(router)
    app.add_exception_handler(errors.ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, functools.partial(_http_exception, routes))
    app.add_middleware(_RequestMiddleware, routes=routes)


def _endpoint(route: Route, routes: Routes) -> Any:
    async def answer(http: HttpRequest, query: Annotated[Any, Query()]) -> Response:
        request: Request = http.state.request
        await _read(request.body, http.receive)
        return _Sent(await _answer(route, routes, request, http.receive))

    answer.__annotations__["query"] = Annotated[route.query, Query()]
    answer.__name__ = route.plan.__module__.rpartition(".")[2] + "_" + route.plan.__name__
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


async def _answer(route: Route, routes: Routes, request: Request, receive: Receive) -> Reply:
    """The reply to a request whose client is still there. Raises ClientDisconnect."""
    answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def done(reply: Reply) -> None:
        if not answer.done():  # else the client has left
            answer.set_result(reply)

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

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.status_code = reply.status
        self.background = None
        self.body = bytes(reply.body)  # not every server takes a view
        self.raw_headers = reply.headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if isinstance(self._reply, StreamReply):
            await self._stream(self._reply, receive, send)
        await send({"type": "http.response.body", "body": self.body})

    async def _stream(self, reply: StreamReply, receive: Receive, send: Send) -> None:
        """No more chunks are made once the client has left."""
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
    """Begins a Request and ends it; its id is in the answer."""

    def __init__(self, app: ASGIApp, routes: Routes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(reversed(scope["headers"]))  # the first value of one given twice
        request = self._routes.request(scope["method"], scope["query_string"], headers)
        scope.setdefault("state", {})["request"] = request
        status = CLIENT_LEFT

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = request.answer_headers(message.get("headers", ()))
            return send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            pass  # nobody is there to answer
        except Exception:
            _logger.exception("request %s failed", request.id)
            if status != CLIENT_LEFT:
                raise  # too late for another answer: let the server cut the connection
            await _Sent(problems.bug(request.id))(scope, receive, send_with_headers)
        finally:
            request.answered(getattr(scope.get("route"), "path", "none"), status)


async def _service_error(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, errors.ServiceError)
    return _Sent(problems.reply(error, http.state.request.id))


async def _validation_error(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _Sent(problems.reply(problems.parameter_error(error.errors()), http.state.request.id))


async def _http_exception(routes: Routes, http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    methods = [route.method for route in routes.table if route.path == http.scope["path"]]
    if error.status_code == 405 and methods:
        headers["Allow"] = ", ".join(methods)  # starlette names those of one route, and a path may have two
    return _Sent(problems.routing(error.status_code, http.state.request.id, Headers(headers).raw))
