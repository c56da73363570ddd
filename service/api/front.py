"""The verbs' short way: past FastAPI and ASGI, which would cost more than many an answer does.

It knows exactly the methods and paths it is given, and answers by the functions that FastAPI's endpoints call too.
"""

import functools
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from pydantic import ValidationError

from service.api import problems
from service.api.body import Body
from service.api.context import RequestContext
from service.api.reply import Reply
from service.api.schemas import Query
from service.errors import ServiceError
from service.metrics import Metrics

_CACHED_BYTES = 256  # of a query string; so 1024 of them stay below 2 MB
_logger = logging.getLogger("service")

Headers = Mapping[bytes, bytes]  # by names in lower case
Verb = Callable[[Any, Headers, bytes], Coroutine[Any, Any, Reply]]  # query, headers, body


class Route(NamedTuple):
    """path: also its name in metrics."""

    method: str
    path: str
    query: type[Query]
    verb: Verb


class Call:
    """A request for a verb, whose body may still be coming."""

    __slots__ = ("_context", "_headers", "_query_string", "_route", "body")

    def __init__(
        self, route: Route, query_string: bytes, headers: Headers, body: Body, context: RequestContext
    ) -> None:
        self._route = route
        self._query_string = query_string
        self._headers = headers
        self._context = context
        self.body = body

    async def answer(self) -> Reply:
        """Once the body is whole or refused. Errors are replies too; it is cancelled where nobody waits any more."""
        request_id = self._context.request_id
        try:
            query = parse(self._route.query, self._query_string)
            reply = await self._route.verb(query, self._headers, self.body.whole())
        except ServiceError as error:
            reply = problems.reply(error, request_id)
        except Exception:
            _logger.exception("request %s failed", request_id)
            reply = problems.bug(request_id)
        reply.raw_headers = self._context.headers(reply.raw_headers)
        return reply

    def answered(self, status: int) -> None:
        """With the answer's last byte."""
        self._context.answered(self._route.method, self._route.path, status)


class Front:
    """Its routes, by method and path."""

    def __init__(
        self,
        routes: Mapping[tuple[bytes, bytes], Route],
        metrics: Metrics,
        max_body_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routes = routes
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._clock = clock

    def route(self, method: bytes, path: bytes) -> Route | None:
        return self._routes.get((method, path))

    def call(self, route: Route, query_string: bytes, headers: Headers) -> Call:
        """headers: of one given twice the first value."""
        context = RequestContext(headers.get(b"x-request-id"), self._metrics, self._clock)
        return Call(route, query_string, headers, Body(headers, self._max_body_bytes), context)


def parse(model: type[Query], query_string: bytes) -> Query:
    """The query as FastAPI reads it: of a name given twice, the last value. Raises InvalidParameter."""
    return (_parse_cached if len(query_string) <= _CACHED_BYTES else _parse)(model, query_string)


def _parse(model: type[Query], query_string: bytes) -> Query:
    try:
        return model.model_validate(dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)))
    except ValidationError as error:
        raise problems.parameter_error(error.errors(include_url=False, include_input=False)) from error


_parse_cached = functools.lru_cache(maxsize=1024)(_parse)  # the models are frozen, so they may be shared
