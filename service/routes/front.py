"""The verbs' short way: a plain ASGI application before FastAPI, which would cost more than many an answer does.

It answers exactly the methods and paths it is given, by the functions that FastAPI's endpoints call too; all else
(documents, models, health, other methods, paths that are not there) it hands on.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import ServiceError
from service.routes import errors
from service.routes.reply import Reply
from service.schemas import Query

_CACHED_BYTES = 256  # of a query string; so 1024 of them stay below 2 MB


class Route(NamedTuple):
    """path: also the route's name in metrics."""

    path: str
    query: type[Query]
    answer: Callable[[Any, Scope, Receive], Awaitable[Reply]]


class Front:
    """The service as the server sees it: routes by the short way, the rest by FastAPI's."""

    def __init__(
        self, app: FastAPI, routes: Mapping[tuple[str, str], Route], middleware: Callable[[ASGIApp], ASGIApp]
    ) -> None:
        """app: answers everything, the routes too. routes: by method and path. middleware: what app has around it."""
        self.app = app
        self.state = app.state
        self._routes = routes
        self._answer = middleware(_answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = None
        if scope["type"] == "http" and not scope.get("root_path"):  # FastAPI knows what it takes off the path
            route = self._routes.get((scope["method"], scope["path"]))
        if route is None:
            await self.app(scope, receive, send)
        else:
            scope["route"] = route
            await self._answer(scope, receive, send)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    route: Route = scope["route"]
    try:
        reply = await route.answer(parse(route.query, scope["query_string"]), scope, receive)
    except ServiceError as error:
        reply = errors.reply(error, scope["state"]["request_id"])
    await reply(scope, receive, send)


def parse(model: type[Query], query_string: bytes) -> Query:
    """The query as FastAPI reads it: of a name given twice, the last value. Raises InvalidParameter."""
    return (_parse_cached if len(query_string) <= _CACHED_BYTES else _parse)(model, query_string)


def _parse(model: type[Query], query_string: bytes) -> Query:
    try:
        return model.model_validate(dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)))
    except ValidationError as error:
        raise errors.parameter_error(error.errors(include_url=False, include_input=False)) from error


_parse_cached = functools.lru_cache(maxsize=1024)(_parse)  # the models are frozen, so they may be shared
