"""The one table error → status, and the one form in which an error is told: RFC 9457 problem details."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from service import errors
from service.api.reply import Reply

STATUS: Mapping[type[errors.ServiceError], HTTPStatus] = {
    errors.MalformedBody: HTTPStatus.BAD_REQUEST,
    errors.UnknownModel: HTTPStatus.NOT_FOUND,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InferenceFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
}
MEDIA_TYPE = "application/problem+json"

_MAX_NAMED = 5  # of the parameters that are wrong
_ROUTING_CODES = {404: "not_found", 405: "method_not_allowed"}
_ROUTING_DETAILS = {
    404: "There is nothing at this path; /docs lists what there is.",
    405: "This path does not answer to this method; the Allow header names those it does.",
}


def install(app: FastAPI) -> None:
    """Every error of the tree, of parameter checking and of routing answers in the same form."""
    app.add_exception_handler(errors.ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)


def reply(error: errors.ServiceError, request_id: str) -> Reply:
    """The answer that tells of the error."""
    status = status_of(error)
    headers = []
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    if isinstance(error, errors.PayloadTooLarge):
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    return _problem(status, error.code, error.detail, request_id, headers)


def bug(request_id: str) -> Reply:
    """The answer where the code is at fault: it says nothing about how."""
    return _problem(500, "internal_error", "The service failed; the request id names this in its log.", request_id)


def status_of(error: errors.ServiceError) -> HTTPStatus:
    """Status of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def parameter_error(problems: Sequence[Mapping[str, object]]) -> errors.InvalidParameter:
    """pydantic's problems as one error: each parameter's name and what it accepts, never what was got."""
    told = [f"{'.'.join(map(str, _location(problem)))}: {problem['msg']}" for problem in problems[:_MAX_NAMED]]
    more = len(problems) - len(told)
    return errors.InvalidParameter("; ".join(told)[:1000] + (f"; and {more} more" if more else "") + ".")


def _location(problem: Mapping[str, object]) -> tuple[object, ...]:
    """Where, less pydantic's own word for query or body; an unknown name is the client's text and is not repeated."""
    location = problem["loc"] if isinstance(problem["loc"], tuple) else ()
    if problem["type"] == "extra_forbidden":
        return ("a name that is not known",)
    return tuple(part for part in location if part not in ("query", "body", "path")) or ("the request",)


async def _service_error(request: Request, error: Exception) -> Reply:
    assert isinstance(error, errors.ServiceError)
    return reply(error, request.state.request_id)


async def _validation_error(request: Request, error: Exception) -> Reply:
    assert isinstance(error, RequestValidationError)
    return reply(parameter_error(error.errors()), request.state.request_id)


async def _http_exception(request: Request, error: Exception) -> Reply:
    assert isinstance(error, HTTPException)
    code = _ROUTING_CODES.get(error.status_code, "http_error")
    detail = _ROUTING_DETAILS.get(error.status_code, HTTPStatus(error.status_code).phrase)
    return _problem(error.status_code, code, detail, request.state.request_id, Headers(error.headers).raw)


def _problem(
    status: int, code: str, detail: str, request_id: str, headers: Iterable[tuple[bytes, bytes]] = ()
) -> Reply:
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }
    return Reply(int(status), MEDIA_TYPE, orjson.dumps(document), headers)
