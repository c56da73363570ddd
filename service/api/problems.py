"""The one table error → status, and the one form of every error: RFC 9457 problem details."""

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from service import errors
from service.api.reply import Reply

STATUS: Mapping[type[errors.ServiceError], HTTPStatus] = {
    errors.MalformedRequest: HTTPStatus.BAD_REQUEST,
    errors.MalformedBody: HTTPStatus.BAD_REQUEST,
    errors.UnknownModel: HTTPStatus.NOT_FOUND,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.HeadersTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InferenceFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
}
MEDIA_TYPE = "application/problem+json"

ROUTING = {  # status → code and detail
    404: ("not_found", "There is nothing at this path; {root_path}/docs lists what there is."),
    405: ("method_not_allowed", "This path does not accept this method; the Allow header names those that it does."),
}

_MAX_NAMED = 5  # of the parameters that are wrong


def routing(status: int, request_id: str, headers: Iterable[tuple[bytes, bytes]] = (), *, root_path: str = "") -> Reply:
    """The answer where no route fits."""
    code, detail = ROUTING.get(status, ("http_error", HTTPStatus(status).phrase))
    return _problem(status, code, detail.format(root_path=root_path), request_id, headers)


def reply(error: errors.ServiceError, request_id: str) -> Reply:
    """The answer that reports the error."""
    status = status_of(error)
    headers = []
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    if isinstance(error, (errors.PayloadTooLarge, errors.HeadersTooLarge, errors.MalformedRequest)):
        headers.append((b"connection", b"close"))  # what else the client sends is not read
    return _problem(status, error.code, error.detail, request_id, headers)


def bug(request_id: str) -> Reply:
    """The answer where the code is at fault: it says nothing about how."""
    return _problem(500, "internal_error", "The service failed; the request id names this in its log.", request_id)


def status_of(error: errors.ServiceError) -> HTTPStatus:
    """Status of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def parameter_error(problems: Sequence[Mapping[str, object]]) -> errors.InvalidParameter:
    """pydantic's problems as one error: each parameter's name and what it accepts, never what was got."""
    named = [f"{'.'.join(map(str, _location(problem)))}: {problem['msg']}" for problem in problems[:_MAX_NAMED]]
    more = len(problems) - len(named)
    return errors.InvalidParameter("; ".join(named)[:1000] + (f"; and {more} more" if more else "") + ".")


def _location(problem: Mapping[str, object]) -> tuple[object, ...]:
    """Where, less pydantic's own word for query or body; an unknown name is the client's text and is not repeated."""
    location = problem["loc"] if isinstance(problem["loc"], tuple) else ()
    if problem["type"] == "extra_forbidden":
        return ("a name that is not known",)
    return tuple(part for part in location if part not in ("query", "body", "path")) or ("the request",)


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
    return Reply(
        int(status), MEDIA_TYPE, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(), headers
    )
