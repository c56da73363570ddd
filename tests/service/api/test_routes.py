"""The one table of verbs: who adds a row to it has an answer by both ways in, and a documented one."""

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import anyio.from_thread
import pytest

from service import errors
from service.api.backend import Backend
from service.api.reply import Reply, headers_of
from service.api.request import Request
from service.api.routes import ROUTES, Route, Routes, parse
from service.api.schemas import ModelQuery, SampleQuery
from service.api.verbs.form import Form, form
from service.app import create_app
from service.engine.job import Job
from service.engine.registry import Registry
from service.metrics import Metrics
from service.server import wire
from service.settings import Settings
from tests.conftest import Client
from tests.service.api.conftest import BothWays
from tests.support.asgi import turns
from tests.support.wire import Connection


class CountQuery(ModelQuery):
    """Of a sixth verb, which counts the bytes of a body."""

    unit_bytes: int = 1


def prepare(query: CountQuery, accepted: str, backend: Backend) -> Form:
    return form(query, accepted, ("text/plain",), backend)._replace(key="count")


def plan(form: Form, request: Request, backend: Backend) -> Job:
    body = request.body.content
    if not body:
        raise errors.InvalidInput("There is nothing to count.", "nothing")
    return Job(answer, form.key, (len(body), form.query.unit_bytes), rows=1, cost_s=0.0, timeout_s=1.0)


def answer(items: Sequence[tuple[int, int]]) -> list[Reply]:
    return [Reply(200, "text/plain", b"%d" % (size // unit)) for size, unit in items]


def document(latent_dim: int) -> dict[str, Any]:
    return {"summary": "Bytes of a body", "description": f"Beside latents of {latent_dim}."}


SIXTH = Route("POST", "/count", CountQuery, prepare, plan, document)


@pytest.fixture
def extended(portal: anyio.from_thread.BlockingPortal, tiny_settings: Settings) -> Iterator[BothWays]:
    client = BothWays(portal, tiny_settings, (*ROUTES, SIXTH))
    yield client
    client.close()


def test_a_sixth_verb_is_answered_by_both_ways_in(extended: BothWays, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal answers of both ways are BothWays' matter; without a Guest, the server's way is the short one."""
    monkeypatch.delattr(wire, "Guest")
    assert extended.post("/count", content=b"12345678").text == "8"
    assert extended.post("/count?unit_bytes=4", content=b"12345678").text == "2"
    refused = extended.post("/count")
    assert (refused.status_code, refused.json()["code"]) == (422, "nothing")
    assert extended.post("/count?unit_bytes=x", content=b"1").json()["code"] == "invalid_parameter"
    assert extended.post("/count?no_such=1", content=b"1").json()["code"] == "invalid_parameter"
    assert extended.post("/count", content=b"1", headers={"Accept": "image/png"}).status_code == 406
    assert extended.post("/count?model=none", content=b"1").json()["code"] == "unknown_model"


def test_a_sixth_verb_is_counted_under_its_path_by_both_ways_in(extended: BothWays) -> None:
    extended.post("/count", content=b"12345678")
    for metrics in extended.metrics:
        metrics.refresh()
        labels = {"method": "POST", "route": "/count", "status": "200"}
        assert metrics.registry.get_sample_value("vae_http_requests_total", labels) == 1


def test_a_sixth_verb_is_documented(extended: BothWays) -> None:
    operation = extended.get("/openapi.json").json()["paths"]["/count"]["post"]
    assert (operation["summary"], operation["description"]) == ("Bytes of a body", "Beside latents of 2.")
    assert [parameter["name"] for parameter in operation["parameters"]] == ["model", "deterministic", "unit_bytes"]
    assert operation["tags"] == ["autoencoder"]


def test_the_other_verbs_stay_beside_a_sixth(extended: BothWays) -> None:
    assert extended.get("/sample?seed=1").status_code == 200
    assert extended.get("/count").status_code == 405


# What the table does with a request, without a way in


@pytest.fixture
def routes(tiny_settings: Settings, tiny_registry: Registry) -> Iterator[Routes]:
    app = create_app(tiny_settings, tiny_registry)
    yield app.state.routes
    app.state.door.close()


def test_a_route_is_found_by_its_method_and_exact_path(routes: Routes) -> None:
    for route in ROUTES:
        assert routes.by_target[route.method.encode(), route.path.encode()] is route
    for method, path in ((b"GET", b"/encode"), (b"post", b"/encode"), (b"POST", b"/encode/"), (b"GET", b"/livez")):
        assert (method, path) not in routes.by_target


def test_no_two_verbs_share_a_method_and_path() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


class Refusal(NamedTuple):
    status: int
    code: str


def submitted(routes: Routes, route: Route, query: bytes = b"", body: bytes = b"", accept: bytes = b"") -> Refusal:
    """What a client is told that is refused before its job reaches the door."""
    results: list[Reply | Exception] = []
    request = Request("POST", query, {b"accept": accept}, routes.max_body_bytes)
    request.body.add(body)
    assert routes.submit(route, request, results.append) is None
    (error,) = results
    assert isinstance(error, Exception)
    reply = routes.problem(error, request.id)
    document = json.loads(bytes(reply.body))
    assert document["request_id"] == request.id
    assert dict(headers_of(reply, request.id))[b"x-request-id"] == request.id.encode()
    return Refusal(reply.status, document["code"])


def test_a_query_is_checked_before_the_body_is_looked_at(routes: Routes) -> None:
    assert submitted(routes, SIXTH, b"unit_bytes=x", bytes(5 << 20)).code == "invalid_parameter"
    assert submitted(routes, SIXTH, b"", bytes(5 << 20)).code == "body_too_large"


def test_a_body_that_is_too_large_is_refused_also_where_no_verb_reads_it(routes: Routes) -> None:
    assert submitted(routes, routes.by_target[b"GET", b"/sample"], b"seed=1", bytes(5 << 20)).status == 413


def test_a_plan_that_refuses_is_answered_at_once(routes: Routes) -> None:
    assert submitted(routes, SIXTH) == (422, "nothing")


def test_a_plan_with_a_bug_is_answered_without_its_words(routes: Routes, caplog: pytest.LogCaptureFixture) -> None:
    def broken(form: Form, request: Request, backend: Backend) -> Job:
        raise RuntimeError("canary")

    with caplog.at_level(logging.ERROR):
        assert submitted(routes, SIXTH._replace(plan=broken)) == (500, "internal_error")
    assert "canary" in caplog.text
    assert b"canary" not in routes.problem(RuntimeError("canary"), "mine").body


def test_what_is_no_bug_is_not_logged(routes: Routes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert submitted(routes, SIXTH).status == 422
    assert not caplog.records


def test_what_never_became_a_request_is_answered_and_counted(tiny_settings: Settings, tiny_registry: Registry) -> None:
    metrics = Metrics()
    app = create_app(tiny_settings, tiny_registry, metrics)

    async def main() -> None:
        connection = Connection(app)
        connection.data_received(b"no request line\r\n\r\n")
        status, headers, body = await connection.answer()
        assert (status, json.loads(body)["code"]) == (400, "malformed_request")
        assert (b"connection", b"close") in headers
        connection.leave()

    asyncio.run(main())
    metrics.refresh()
    labels = {"method": "other", "route": "none", "status": "400"}
    assert metrics.registry.get_sample_value("vae_http_requests_total", labels) == 1
    assert metrics.registry.get_sample_value("vae_http_requests_in_progress") == 0
    app.state.door.close()


# What requests have in common is found once


@pytest.fixture
def prepared() -> list[tuple[int, str]]:
    """Of each time that the verb below was prepared: the unit asked for, and what is accepted."""
    return []


@pytest.fixture
def counting(prepared: list[tuple[int, str]]) -> Route:
    def prepare_and_note(query: CountQuery, accepted: str, backend: Backend) -> Form:
        prepared.append((query.unit_bytes, accepted))
        return prepare(query, accepted, backend)

    return SIXTH._replace(prepare=prepare_and_note)


def test_requests_that_differ_in_their_bodies_alone_are_prepared_once(
    routes: Routes, counting: Route, prepared: list[tuple[int, str]]
) -> None:
    for _ in range(3):
        assert submitted(routes, counting, b"unit_bytes=2", accept=b"text/*").code == "nothing"
    assert prepared == [(2, "text/*")]
    submitted(routes, counting, b"unit_bytes=3", accept=b"text/*")
    submitted(routes, counting, b"unit_bytes=2", accept=b"*/*")
    assert prepared == [(2, "text/*"), (3, "text/*"), (2, "*/*")]


@pytest.mark.anyio
async def test_answers_are_those_of_each_requests_own_form(routes: Routes, counting: Route) -> None:
    async def asked(query: bytes, size: int) -> bytes:
        result: asyncio.Future[Reply | Exception] = asyncio.get_running_loop().create_future()
        request = Request("POST", query, {}, routes.max_body_bytes)
        request.body.add(bytes(size))
        routes.submit(counting, request, result.set_result)
        reply = await result
        assert isinstance(reply, Reply)
        return bytes(reply.body)

    asks = [(b"", 12), (b"unit_bytes=4", 12), (b"", 7), (b"unit_bytes=4", 20), (b"unit_bytes=3", 12)]
    assert await asyncio.gather(*(asked(*ask) for ask in asks)) == [b"12", b"3", b"7", b"5", b"4"]


def test_each_route_is_prepared_on_its_own(routes: Routes, counting: Route, prepared: list[tuple[int, str]]) -> None:
    other = counting._replace(path="/recount")
    for route in (counting, other, counting, other):
        submitted(routes, route)
    assert len(prepared) == 2


@pytest.mark.parametrize(
    ("query", "accept", "refusal"),
    [
        (b"unit_bytes=x", b"", (422, "invalid_parameter")),
        (b"model=none", b"", (404, "unknown_model")),
        (b"", b"image/png", (406, "not_acceptable")),
    ],
)
def test_what_cannot_be_prepared_is_refused_each_time(
    routes: Routes, counting: Route, query: bytes, accept: bytes, refusal: tuple[int, str]
) -> None:
    for _ in range(3):
        assert submitted(routes, counting, query, accept=accept) == refusal


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        (b"unit_bytes=" + b"0" * 250 + b"2", b""),
        (b"", b"text/plain," * 40 + b"*/*"),
        (b"unit_bytes=" + b"0" * 180 + b"2", b"*/*," * 20),
    ],
)
def test_long_ones_are_prepared_each_time_since_the_forms_kept_are_to_stay_small(
    routes: Routes, counting: Route, prepared: list[tuple[int, str]], query: bytes, accept: bytes
) -> None:
    for _ in range(3):
        assert submitted(routes, counting, query, accept=accept).code == "nothing"
    assert len(prepared) == 3
    assert len(set(prepared)) == 1


def test_forms_are_dropped_when_there_are_many(
    routes: Routes, counting: Route, prepared: list[tuple[int, str]]
) -> None:
    for unit in range(1, 1026):
        submitted(routes, counting, b"unit_bytes=%d" % unit)
    submitted(routes, counting, b"unit_bytes=1")
    assert len(prepared) == 1026


@pytest.mark.anyio
async def test_a_full_queue_refuses_and_leaves_nothing_behind(tiny_settings: Settings, tiny_registry: Registry) -> None:
    app = create_app(tiny_settings.model_copy(update={"max_queue_rows": 1}), tiny_registry, table=(SIXTH,))
    routes: Routes = app.state.routes
    results: list[Reply | Exception] = []

    def asked() -> Job | None:
        request = Request("POST", b"", {}, routes.max_body_bytes)
        request.body.add(b"123")
        return routes.submit(SIXTH, request, results.append)

    first = asked()
    assert first
    assert asked() is None
    assert isinstance(results[0], errors.QueueFull)
    routes.withdraw(first)
    assert app.state.door.queued_rows == 0
    await turns()
    assert len(results) == 1  # nobody waits for the first
    app.state.door.close()


def test_a_query_is_read_as_latin_1_and_what_is_no_query_is_refused() -> None:
    assert parse(SampleQuery, b"seed=3&label=1%2C2").model_dump()["label"] == "1,2"
    for query in (b"seed=x", b"label=\xff", b"label=%ff", b"=", b"nothing=1"):
        with pytest.raises(errors.InvalidParameter):
            parse(SampleQuery, query)


def test_a_long_query_is_read_as_a_short_one() -> None:
    labels = ",".join(["1"] * 200)
    assert len(labels) > 256
    assert parse(SampleQuery, f"label={labels}".encode()).model_dump()["label"] == labels
    with pytest.raises(errors.InvalidParameter):
        parse(SampleQuery, b"label=" + b"1" * 300)


def test_values_of_a_list_may_be_given_one_by_one() -> None:
    assert parse(SampleQuery, b"label=1&count=3&label=2%2C0").model_dump()["label"] == "1,2,0"
    for query in (
        b"label=any&label=1",
        b"label=1&label=",
        b"label=balanced&label=balanced",
        b"count=2&label=1&count=2",
    ):
        with pytest.raises(errors.InvalidParameter):
            parse(SampleQuery, query)


# Paths and methods that are nobody's


@pytest.mark.parametrize("path", ["/encode/", "//encode", "/x", "/sample/x", "/readyz/"])
def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/encode", "POST, OPTIONS"),
        ("PUT", "/sample", "GET, POST, HEAD, OPTIONS"),
        ("DELETE", "/models", "GET, HEAD, OPTIONS"),
        ("BREW", "/livez", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_405_and_names_those_that_are_allowed(
    client: Client, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == allowed
