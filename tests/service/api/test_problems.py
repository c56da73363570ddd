"""Every error has one form, one status and a code of its own, and repeats nothing that was sent."""

import json
from http import HTTPStatus
from typing import Any

import pytest

from service import errors
from service.api import problems
from service.api.reply import Reply
from service.api.routes import parse
from service.api.schemas import SampleQuery
from service.errors import ServiceError
from tests.conftest import Client


def below(kind: type[ServiceError] = ServiceError) -> list[type[ServiceError]]:
    return [leaf for child in kind.__subclasses__() for leaf in (child, *below(child))]


OF_REQUESTS = [kind for kind in below() if not issubclass(kind, errors.StartError)]


def document(reply: Reply) -> Any:
    assert reply.media_type == "application/problem+json"
    return json.loads(bytes(reply.body))


@pytest.mark.parametrize("kind", OF_REQUESTS)
def test_every_error_of_a_request_is_a_problem_document(kind: type[ServiceError]) -> None:
    reply = problems.reply(kind("What happened."), "abc")
    assert reply.status >= 400
    assert document(reply) == {
        "type": "about:blank",
        "title": HTTPStatus(reply.status).phrase,
        "status": reply.status,
        "code": kind.code,
        "detail": "What happened.",
        "request_id": "abc",
    }


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = [ServiceError.code, *(kind.code for kind in below())]
    assert len(set(codes)) == len(codes)
    assert not set(codes) & {code for code, _ in problems.ROUTING.values()}


def test_an_error_may_carry_a_narrower_code_than_its_kind() -> None:
    reply = problems.reply(errors.InvalidImage("What happened.", "animated_image"), "abc")
    assert (reply.status, document(reply)["code"]) == (422, "animated_image")


@pytest.mark.parametrize("kind", OF_REQUESTS)
def test_only_what_passes_may_be_tried_again(kind: type[ServiceError]) -> None:
    reply = problems.reply(kind("What happened."), "abc")
    assert ((b"retry-after", b"1") in reply.headers) == (kind in (errors.QueueFull, errors.NotReady))


@pytest.mark.parametrize("kind", OF_REQUESTS)
def test_a_connection_ends_where_the_rest_of_the_request_is_not_read(kind: type[ServiceError]) -> None:
    reply = problems.reply(kind("What happened."), "abc")
    unread = (errors.PayloadTooLarge, errors.HeadersTooLarge, errors.MalformedRequest)
    assert ((b"connection", b"close") in reply.headers) == (kind in unread)


def test_a_bug_says_nothing_but_the_request_it_happened_in() -> None:
    reply = problems.bug("abc")
    found = document(reply)
    assert (reply.status, found["code"], found["request_id"]) == (500, "internal_error", "abc")


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (405, "method_not_allowed"), (400, "http_error"), (426, "http_error")]
)
def test_what_no_route_fits_is_a_problem_document_with_the_routers_headers(status: int, code: str) -> None:
    reply = problems.routing(status, "abc", [(b"allow", b"POST")])
    assert (reply.status, document(reply)["code"]) == (status, code)
    assert (b"allow", b"POST") in reply.headers


def of_query(query: bytes) -> str:
    with pytest.raises(errors.InvalidParameter) as refusal:
        parse(SampleQuery, query)
    return refusal.value.detail


def test_a_parameter_is_named_with_what_it_accepts() -> None:
    detail = of_query(b"count=0&temperature=canary")
    assert detail.startswith("count: ")
    assert "greater than or equal to 1" in detail
    assert "; temperature: " in detail
    assert "canary" not in detail


def test_an_unknown_parameter_is_not_repeated() -> None:
    assert of_query(b"canary=1").startswith("a name that is not known: ")


def test_of_many_wrong_parameters_five_are_named_and_the_others_counted() -> None:
    detail = of_query(b"&".join(b"name%d=1" % number for number in range(12)))
    assert detail.count("a name that is not known") == 5
    assert detail.endswith("; and 7 more.")
    assert not of_query(b"&".join(b"name%d=1" % number for number in range(5))).endswith("more.")


def test_the_place_of_a_value_in_a_body_is_named() -> None:
    found = {"type": "int_type", "loc": ("body", "label", 3), "msg": "Input should be a valid integer"}
    assert problems.parameter_error([found]).detail == "label.3: Input should be a valid integer."


def test_a_detail_stays_short() -> None:
    found = {"type": "x", "loc": ("query", "name"), "msg": "x" * 5000}
    assert len(problems.parameter_error([found]).detail) < 1100


@pytest.mark.parametrize(
    "path", ["/sample?canary=canary", "/sample?count=canary", "/models/canary", "/sample?model=canary", "/canary"]
)
def test_what_was_sent_is_never_repeated(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code >= 400
    assert "canary" not in answer.text


def test_what_was_posted_is_never_repeated(client: Client) -> None:
    answer = client.post("/sample", json={"canary": "canary"})
    assert answer.status_code == 422
    assert "canary" not in answer.text
