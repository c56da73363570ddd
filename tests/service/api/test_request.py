"""A request from its head to its answer's last byte: its id, its headers and its place in the metrics."""

import re
from collections.abc import Mapping

import pytest

from service.api.body import Body
from service.api.request import Request
from service.metrics import Metrics


def request(
    headers: Mapping[bytes, bytes] | None = None, method: str = "GET", metrics: Metrics | None = None, *seconds: float
) -> Request:
    """seconds: what the clock shows, one after the other."""
    shown = iter(seconds or (0.0, 0.0))
    return Request(method, b"", headers or {}, Body({}, 10), metrics or Metrics(), lambda: next(shown))


@pytest.mark.parametrize("given", [b"abc-123", b"A.b_c-9", b"A" * 64])
def test_a_sound_id_is_kept(given: bytes) -> None:
    assert request({b"x-request-id": given}).id == given.decode()


@pytest.mark.parametrize("given", [b"", b"A" * 65, b"../../x", b"a b", b"\x1b[31m", b"\xe9", b"a\n", b"a\r\nb: c"])
def test_another_id_is_replaced(given: bytes) -> None:
    assert re.fullmatch("[0-9a-f]{32}", request({b"x-request-id": given}).id)


def test_ids_are_never_the_same() -> None:
    assert len({request().id for _ in range(100)}) == 100


def test_a_header_is_read_as_text_and_a_missing_one_as_none() -> None:
    assert request({b"accept": b"caf\xe9"}).text(b"accept") == "café"
    assert request().text(b"accept") == ""


def test_an_answer_is_stored_nowhere_unless_it_says_so_itself() -> None:
    assert dict(request().answer_headers([]))[b"cache-control"] == b"no-store"
    kept = request().answer_headers([(b"cache-control", b"max-age=60")])
    assert [value for name, value in kept if name == b"cache-control"] == [b"max-age=60"]


def test_an_answer_carries_one_id_and_forbids_sniffing_once() -> None:
    own = [(b"x-request-id", b"theirs"), (b"x-content-type-options", b"none"), (b"x-model", b"m")]
    assert sorted(request({b"x-request-id": b"mine"}).answer_headers(own)) == [
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-model", b"m"),
        (b"x-request-id", b"mine"),
    ]


def test_the_headers_that_an_answer_keeps_are_not_changed() -> None:
    shared = [(b"x-model", b"m")]
    request().answer_headers(shared)
    assert shared == [(b"x-model", b"m")]


def counted(metrics: Metrics, method: str, status: int) -> float | None:
    metrics.refresh()
    labels = {"method": method, "route": "/x/{name}", "status": str(status)}
    return metrics.registry.get_sample_value("vae_http_requests_total", labels)


def test_a_request_is_in_progress_until_it_is_answered() -> None:
    metrics = Metrics()
    one, _other = request(metrics=metrics), request(metrics=metrics)
    assert metrics.registry.get_sample_value("vae_http_requests_in_progress") == 2
    one.answered("/x/{name}", 200)
    assert metrics.registry.get_sample_value("vae_http_requests_in_progress") == 1
    assert counted(metrics, "GET", 200) == 1


def test_a_request_lasts_from_its_head_to_its_answer() -> None:
    metrics = Metrics()
    request({}, "POST", metrics, 100.0, 102.5).answered("/x/{name}", 200)
    metrics.refresh()
    lasted = {"method": "POST", "route": "/x/{name}"}
    assert metrics.registry.get_sample_value("vae_http_request_duration_seconds_sum", lasted) == 2.5


@pytest.mark.parametrize(("method", "label"), [("PATCH", "PATCH"), ("BREW", "other"), ("get", "other")])
def test_methods_that_nobody_knows_share_one_label(method: str, label: str) -> None:
    metrics = Metrics()
    request({}, method, metrics).answered("/x/{name}", 405)
    assert counted(metrics, label, 405) == 1
