"""The verbs' one table, and what it does with a request: parse, plan, hand to the door, reply.

Both ways in read it, the server's connections and FastAPI; what holds for every verb is done here, once.
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlencode

from pydantic import ValidationError

from service.api import openapi, problems
from service.api.backend import Backend
from service.api.cors import Cors
from service.api.held import HeldBytes
from service.api.reply import Reply
from service.api.request import Request
from service.api.schemas import ImageInputQuery, ImageOutputQuery, Query, ReadQuery, ReconstructQuery, SampleQuery
from service.api.verbs import decode, encode, read, reconstruct, sample
from service.api.verbs.form import Form
from service.codecs import content_type, multipart
from service.engine.job import Job
from service.errors import InvalidParameter, ServiceError

_METHODS = {"GET": (b"GET", b"HEAD")}  # that a route answers, where they are several
_CACHED_BYTES = 256  # of a query string and an Accept header; so 1024 forms stay below 3 MB
_logger = logging.getLogger("service")

_Query = TypeVar("_Query", bound=Query)
Done = Callable[[Reply | Exception], None]


class Route(NamedTuple):
    """path: also its name in metrics.

    prepare: checked query, Accept header, backend → what requests with these have in common.
    plan: that, a request, backend → a job. Both raise the ServiceErrors that the caller is to blame for.
    takes_forms: whether the body may be a form, whose files are pictures and whose fields are parameters.
    """

    method: str
    path: str
    query: type[Query]
    prepare: Callable[[Any, str, Backend], Form]
    plan: Callable[[Form, Request, Backend], Job]
    document: openapi.Document
    takes_forms: bool = False


ROUTES: Final = (
    Route("POST", "/encode", ImageInputQuery, encode.prepare, encode.plan, openapi.encode, True),
    Route("POST", "/decode", ImageOutputQuery, decode.prepare, decode.plan, openapi.decode),
    Route("POST", "/reconstruct", ReconstructQuery, reconstruct.prepare, reconstruct.plan, openapi.reconstruct, True),
    Route("POST", "/read", ReadQuery, read.prepare, read.plan, openapi.read, True),
    Route("GET", "/sample", SampleQuery, sample.prepare, sample.plan, openapi.sample),
    Route("POST", "/sample", ImageOutputQuery, sample.prepare, sample.plan_post, openapi.sample_post),
)


class Routes:
    """The table with all that its verbs need. For the event loop's thread."""

    def __init__(
        self,
        table: Sequence[Route],
        backend: Backend,
        held: HeldBytes,
        *,
        cors: Cors | None = None,
        root_path: str = "",
    ) -> None:
        """root_path: what a proxy may have put before every path."""
        self.table = table
        self.by_target: Mapping[tuple[bytes, bytes], Route] = {
            (method, (prefix + route.path).encode()): route
            for prefix in {"", root_path}
            for route in table
            for method in _METHODS.get(route.method, (route.method.encode(),))
        }
        self.max_body_bytes = backend.limits.limits.max_body_bytes
        self.held = held
        self.cors = cors
        self.root_path = root_path
        self.is_stopping = False  # set by the server, which answers what it has begun
        self._backend = backend
        self._form_cached = functools.lru_cache(maxsize=1024)(self._form)  # clients send the same few, again and again

    def submit(self, route: Route, request: Request, done: Done) -> Job | None:
        """Once the body is whole or refused. done: called once, with the reply or what went wrong, perhaps at once.

        Returns what `withdraw` takes.
        """
        try:
            query_string, accepted = request.query_string, request.headers.get(b"accept", b"")
            if request.body.refusal:
                parse(route.query, query_string)
                raise request.body.refusal
            is_short = len(query_string) + len(accepted) <= _CACHED_BYTES
            form = (self._form_cached if is_short else self._form)(route, query_string, accepted)
            header = request.headers.get(b"content-type", b"")
            if route.takes_forms and content_type.media_type(header) == content_type.FORM:
                max_files = self._backend.limits.limits.max_request_rows
                request.body.files, fields = multipart.parse(bytes(request.body.content), header, max_files)
                request.body.content = b""
                if fields:
                    form = self._form(route, _with_fields(query_string, fields), accepted)
            job = route.plan(form, request, self._backend)
            self._backend.door.submit(job, done)
            return job
        except Exception as error:
            done(error)
            return None

    def withdraw(self, job: Job) -> None:
        """The client has left; its job is dropped, unless it is under way."""
        self._backend.door.withdraw(job)

    def problem(self, error: Exception, request_id: str) -> Reply:
        """The answer that reports what went wrong. What is not a ServiceError is a bug, and logged."""
        if isinstance(error, ServiceError):
            return problems.reply(error, request_id)
        _logger.error("request %s failed", request_id, exc_info=error)
        return problems.bug(request_id)

    def _form(self, route: Route, query_string: bytes, accepted: bytes) -> Form:
        return route.prepare(parse(route.query, query_string), accepted.decode("latin-1"), self._backend)


def parse(model: type[_Query], query_string: bytes) -> _Query:
    """The query. Raises InvalidParameter, also for a name given twice that is no list.

    The last value of each is checked first, because FastAPI has done that when its requests come here.
    """
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    values = dict(pairs)
    query = _checked(model, values)
    if len(values) == len(pairs):
        return query
    for name in values:
        given = [value for key, value in pairs if key == name]
        if len(given) > 1 and name not in model.LISTS:
            raise InvalidParameter(f"{name}: given more than once.")
        values[name] = ",".join(given)
    return _checked(model, values)


def _checked(model: type[_Query], values: Mapping[str, str]) -> _Query:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise problems.parameter_error(error.errors(include_url=False, include_input=False)) from error


def _with_fields(query_string: bytes, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The query with a form's fields; a name that is in both is then given twice."""
    return b"&".join(filter(None, (query_string, urlencode(fields).encode("ascii"))))
