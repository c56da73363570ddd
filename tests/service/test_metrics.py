"""What the service counts: requests by route and status, batches, queues and models."""

import re
import threading
from types import SimpleNamespace

import pytest

from service.metrics import CONTENT_TYPE, Metrics
from tests.conftest import Client

NOW = 100.0  # on the clock of these tests


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.metrics.time", SimpleNamespace(monotonic=lambda: NOW))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_requests_are_counted_by_method_route_and_status_when_metrics_are_read() -> None:
    metrics = Metrics()
    for status in (200, 200, 404):
        metrics.in_progress += 1
        metrics.request("GET", "/x", status, NOW)
    text = metrics.exposition().decode()
    assert 'vae_http_requests_total{method="GET",route="/x",status="200"} 2.0' in text
    assert 'vae_http_requests_total{method="GET",route="/x",status="404"} 1.0' in text
    assert 'vae_http_request_duration_seconds_count{method="GET",route="/x"} 3.0' in text


def test_a_request_that_took_2_ms_is_below_2_5_ms_and_not_below_1_ms() -> None:
    metrics = Metrics()
    metrics.request("GET", "/x", 200, NOW - 0.002)
    metrics.refresh()
    bucket = "vae_http_request_duration_seconds_bucket"
    assert value(metrics, bucket, method="GET", route="/x", le="0.0025") == 1
    assert value(metrics, bucket, method="GET", route="/x", le="0.001") == 0


def test_requests_that_nobody_reads_are_counted_once_there_are_many() -> None:
    metrics = Metrics()
    for _ in range(1000):
        metrics.request("GET", "/x", 200, NOW)
    counted = value(metrics, "vae_http_requests_total", method="GET", route="/x", status="200")
    assert counted is not None
    assert counted > 700
    metrics.refresh()
    assert value(metrics, "vae_http_requests_total", method="GET", route="/x", status="200") == 1000


def test_requests_in_progress_are_those_begun_and_not_answered() -> None:
    metrics = Metrics()
    metrics.in_progress += 3
    assert value(metrics, "vae_http_requests_in_progress") == 3
    metrics.request("GET", "/x", 200, NOW)
    assert value(metrics, "vae_http_requests_in_progress") == 2


def test_a_request_lasts_from_its_head_to_its_answer() -> None:
    metrics = Metrics()
    metrics.request("POST", "/x/{name}", 200, NOW - 2.5)
    metrics.refresh()
    assert value(metrics, "vae_http_request_duration_seconds_sum", method="POST", route="/x/{name}") == 2.5


def test_requests_that_came_before_the_count_last_as_long_as_they_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """When they are counted is none of their matter."""
    metrics = Metrics()
    metrics.request("GET", "/x", 200, NOW - 1)
    monkeypatch.setattr("service.metrics.time", SimpleNamespace(monotonic=lambda: NOW + 50))
    metrics.refresh()
    assert value(metrics, "vae_http_request_duration_seconds_sum", method="GET", route="/x") == 1


@pytest.mark.parametrize(("method", "label"), [("PATCH", "PATCH"), ("BREW", "other"), ("get", "other")])
def test_methods_that_nobody_knows_share_one_label(method: str, label: str) -> None:
    metrics = Metrics()
    metrics.request(method, "/x", 405, NOW)
    metrics.refresh()
    assert value(metrics, "vae_http_requests_total", method=label, route="/x", status="405") == 1


def test_the_queue_is_read_at_each_scrape() -> None:
    metrics = Metrics()
    queue = {"rows": 3, "seconds": 0.5}
    metrics.watch_queue(lambda: int(queue["rows"]), lambda: queue["seconds"])
    assert (value(metrics, "vae_queue_rows"), value(metrics, "vae_queue_seconds")) == (3, 0.5)
    queue["rows"] = 7
    assert value(metrics, "vae_queue_rows") == 7


def test_batches_are_counted_by_model_and_graph_with_their_rows() -> None:
    metrics = Metrics()
    metrics.batch("m/1", "encoder", 3)
    metrics.batch("m/1", "encoder", 100)
    metrics.batch("m/1", "decoder", 1)
    metrics.refresh()
    metrics.refresh()  # counts none twice
    assert value(metrics, "vae_batch_rows_count", model="m/1", graph="encoder") == 2
    assert value(metrics, "vae_batch_rows_sum", model="m/1", graph="encoder") == 103
    assert value(metrics, "vae_batch_rows_bucket", model="m/1", graph="encoder", le="4.0") == 1


def test_batches_are_counted_from_any_thread() -> None:
    metrics = Metrics()

    def work() -> None:
        for _ in range(500):
            metrics.batch("m/1", "encoder", 2)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.refresh()
    metrics.refresh()
    assert value(metrics, "vae_batch_rows_count", model="m/1", graph="encoder") == 2000
    assert value(metrics, "vae_batch_rows_sum", model="m/1", graph="encoder") == 4000


def test_each_service_counts_for_itself() -> None:
    first, second = Metrics(), Metrics()
    first.request("GET", "/x", 200, NOW)
    assert b'route="/x"' in first.exposition()
    assert b'route="/x"' not in second.exposition()


def test_a_scrape_is_prometheus_text_of_batches_queue_and_models(client: Client) -> None:
    client.get("/sample")
    scrape = client.get("/metrics")
    assert scrape.headers["content-type"] == CONTENT_TYPE
    for line in (
        r'vae_batch_rows_count\{graph="prior",model="tiny-vae/1"\} [1-9]',
        r"vae_queue_rows 0\.0$",
        r"vae_queue_seconds 0\.0$",
        r'vae_model_info\{digest="[0-9a-f]{64}",model="tiny-ae/1",provider="CPUExecutionProvider"\} 1\.0$',
    ):
        assert re.search("^" + line, scrape.text, re.M), line


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [("/models/none", "/models/{name}", 404), ("/livez", "/livez", 200), ("/nothing", "none", 404)],
)
def test_a_request_is_counted_under_its_template(client: Client, path: str, route: str, status: int) -> None:
    def counted() -> float:
        series = re.escape(f'vae_http_requests_total{{method="GET",route="{route}",status="{status}"}}')
        found = re.search(series + r" (\S+)", client.get("/metrics").text)
        return float(found[1]) if found else 0

    before = counted()
    client.get(path)
    client.get(path)
    assert counted() == before + 2


def test_paths_that_nobody_serves_share_one_series(client: Client) -> None:
    for number in range(50):
        client.get(f"/nothing/{number}")
    assert "nothing" not in client.get("/metrics").text
