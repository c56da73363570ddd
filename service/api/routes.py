"""The verbs' one table, and what it does with a request: parse, plan, hand to the door, reply.

Both ways in read it, the server's connections and FastAPI; what holds for every verb is done here, once.
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from pydantic import ValidationError

from service.api import openapi, problems
from service.api.backend import Backend
from service.api.body import Body
from service.api.reply import Reply
from service.api.request import Headers, Request
from service.api.schemas import ImageInputQuery, ImageOutputQuery, Query, ReconstructQuery, SampleQuery
from service.api.verbs import decode, encode, reconstruct, sample
from service.engine.job import Job
from service.errors import ServiceError
from service.metrics import Metrics

_CACHED_BYTES = 256  # of a query string; so 1024 of them stay below 2 MB
_logger = logging.getLogger("service")

Done = Callable[[Reply], None]


class Route(NamedTuple):
    """path: also its name in metrics. plan: request, checked query, backend → a job, or a ServiceError raised."""

    method: str
    path: str
    query: type[Query]
    plan: Callable[[Request, Any, Backend], Job]
    document: openapi.Document


ROUTES: Final = (
    Route("POST", "/encode", ImageInputQuery, encode.plan, openapi.encode),
    Route("POST", "/decode", ImageOutputQuery, decode.plan, openapi.decode),
    Route("POST", "/reconstruct", ReconstructQuery, reconstruct.plan, openapi.reconstruct),
    Route("GET", "/sample", SampleQuery, sample.plan, openapi.sample),
    Route("POST", "/sample", ImageOutputQuery, sample.plan_post, openapi.sample_post),
)


class Routes:
    """The table with all that its verbs need. For the event loop's thread."""

    def __init__(self, table: Sequence[Route], backend: Backend, metrics: Metrics) -> None:
        self.table = table
        self.is_stopping = False  # set by the server, which answers what it has begun
        self._backend = backend
        self._metrics = metrics
        self._by_target: Mapping[tuple[bytes, bytes], Route] = {
            (route.method.encode(), route.path.encode()): route for route in table
        }

    def find(self, method: bytes, path: bytes) -> Route | None:
        return self._by_target.get((method, path))

    def request(self, method: str, query_string: bytes, headers: Headers) -> Request:
        """A request that has begun, with its head."""
        return Request(method, query_string, headers, self.body(headers), self._metrics)

    def body(self, headers: Headers) -> Body:
        """A body still to come, refused already if its headers say too much."""
        return Body(headers, self._backend.limits.limits.max_body_bytes)

    def submit(self, route: Route, request: Request, done: Done) -> Job | None:
        """Once the body is whole or refused. done: called once, with the reply or a problem, perhaps at once.

        Returns what `withdraw` takes.
        """
        try:
            query = parse(route.query, request.query_string)
            if request.body.refusal:
                raise request.body.refusal
            job = route.plan(request, query, self._backend)
            self._backend.door.submit(job, lambda result: done(self._reply(request, result)))
            return job
        except Exception as error:
            done(self._reply(request, error))
            return None

    def withdraw(self, job: Job) -> None:
        """The client has left; its job is dropped, unless it is under way."""
        self._backend.door.withdraw(job)

    def problem(self, error: ServiceError) -> Reply:
        """The answer to what never became a request."""
        request = self.request("other", b"", {})
        reply = self._reply(request, error)
        request.answered("none", reply.status)
        return reply

    def _reply(self, request: Request, result: Reply | Exception) -> Reply:
        if isinstance(result, ServiceError):
            result = problems.reply(result, request.id)
        elif isinstance(result, Exception):
            _logger.error("request %s failed", request.id, exc_info=result)
            result = problems.bug(request.id)
        result.headers = request.answer_headers(result.headers)
        return result


def parse(model: type[Query], query_string: bytes) -> Query:
    """The query as FastAPI reads it: the last value of a name given twice. Raises InvalidParameter."""
    return (_parse_cached if len(query_string) <= _CACHED_BYTES else _parse)(model, query_string)


def _parse(model: type[Query], query_string: bytes) -> Query:
    try:
        return model.model_validate(dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)))
    except ValidationError as error:
        raise problems.parameter_error(error.errors(include_url=False, include_input=False)) from error


_parse_cached = functools.lru_cache(maxsize=1024)(_parse)  # the models are frozen, so they may be shared
