"""The one table of verbs: who adds a row to it has an answer by both ways in, and a documented one."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import anyio.from_thread
import pytest

from service import errors
from service.api.backend import Backend
from service.api.reply import Reply
from service.api.request import Request
from service.api.routes import ROUTES, Route, Routes, parse
from service.api.schemas import Query, ReconstructQuery, SampleQuery
from service.app import create_app
from service.engine.job import Job
from service.engine.registry import Registry
from service.metrics import Metrics
from service.server import wire
from service.settings import Settings
from tests.conftest import Client
from tests.service.api.conftest import BothWays


class CountQuery(Query):
    """Of a sixth verb, which counts the bytes of a body."""

    unit_bytes: int = 1


def count(request: Request, query: CountQuery, backend: Backend) -> Job:
    body = request.body.take()
    if not body:
        raise errors.InvalidInput("There is nothing to count.", "nothing")
    return Job(answer, "count", (len(body), query.unit_bytes), rows=1, cost_s=0.0, timeout_s=1.0)


def answer(items: Sequence[tuple[int, int]]) -> list[Reply]:
    return [Reply(200, "text/plain", b"%d" % (size // unit)) for size, unit in items]


def document(latent_dim: int) -> dict[str, Any]:
    return {"summary": "Bytes of a body", "description": f"Beside latents of {latent_dim}."}


SIXTH = Route("POST", "/count", CountQuery, count, document)


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
    found = {(route.method, route.path): routes.find(route.method.encode(), route.path.encode()) for route in ROUTES}
    assert list(found.values()) == list(ROUTES)
    for method, path in ((b"GET", b"/encode"), (b"post", b"/encode"), (b"POST", b"/encode/"), (b"GET", b"/livez")):
        assert routes.find(method, path) is None


def test_no_two_verbs_share_a_method_and_path() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def submitted(routes: Routes, route: Route, query: bytes = b"", body: bytes = b"") -> Reply:
    """The reply to what is answered before it reaches the door."""
    replies: list[Reply] = []
    request = routes.request("POST", query, {})
    request.body.add(body)
    assert routes.submit(route, request, replies.append) is None
    (reply,) = replies
    assert dict(reply.headers)[b"x-request-id"] == request.id.encode()
    return reply


def test_a_query_is_checked_before_the_body_is_looked_at(routes: Routes) -> None:
    assert b'"invalid_parameter"' in submitted(routes, SIXTH, b"unit_bytes=x", bytes(5 << 20)).body
    assert b'"body_too_large"' in submitted(routes, SIXTH, b"", bytes(5 << 20)).body


def test_a_body_that_is_too_large_is_refused_also_where_no_verb_reads_it(routes: Routes) -> None:
    route = routes.find(b"GET", b"/sample")
    assert route
    assert submitted(routes, route, b"seed=1", bytes(5 << 20)).status == 413


def test_a_plan_that_refuses_is_answered_at_once(routes: Routes) -> None:
    reply = submitted(routes, SIXTH)
    assert (reply.status, b'"nothing"' in reply.body) == (422, True)


def test_a_plan_with_a_bug_is_answered_without_its_words(routes: Routes, caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: Request, query: Query, backend: Backend) -> Job:
        raise RuntimeError("canary")

    with caplog.at_level(logging.ERROR):
        reply = submitted(routes, SIXTH._replace(plan=broken))
    assert (reply.status, b"canary" in reply.body) == (500, False)
    assert "canary" in caplog.text


def test_what_never_became_a_request_is_answered_and_counted(tiny_settings: Settings, tiny_registry: Registry) -> None:
    metrics = Metrics()
    app = create_app(tiny_settings, tiny_registry, metrics)
    reply = app.state.routes.problem(errors.MalformedRequest("No request line."))
    assert (reply.status, b'"malformed_request"' in reply.body) == (400, True)
    metrics.refresh()
    labels = {"method": "other", "route": "none", "status": "400"}
    assert metrics.registry.get_sample_value("vae_http_requests_total", labels) == 1
    assert metrics.registry.get_sample_value("vae_http_requests_in_progress") == 0
    app.state.door.close()


def test_a_query_is_read_once_and_a_bad_one_refused_each_time() -> None:
    assert parse(SampleQuery, b"seed=3") is parse(SampleQuery, b"seed=3")
    assert parse(ReconstructQuery, b"seed=3") != parse(SampleQuery, b"seed=3")
    for _ in range(2):
        with pytest.raises(errors.InvalidParameter):
            parse(SampleQuery, b"seed=x")


def test_a_long_query_is_read_as_a_short_one() -> None:
    labels = ",".join(["1"] * 200)
    assert len(labels) > 256
    assert parse(SampleQuery, f"label={labels}".encode()).model_dump()["label"] == labels
    with pytest.raises(errors.InvalidParameter):
        parse(SampleQuery, b"label=" + b"1" * 300)


# Paths and methods that are nobody's


@pytest.mark.parametrize("path", ["/encode/", "//encode", "/x", "/sample/x", "/readyz/"])
def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/encode", "POST"),
        ("PUT", "/sample", "GET, POST"),
        ("DELETE", "/models", "GET"),
        ("BREW", "/livez", "GET"),
    ],
)
def test_another_method_is_405_and_names_those_that_are_allowed(
    client: Client, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == allowed
