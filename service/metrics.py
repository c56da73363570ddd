"""Every metric, declared once. Only home of prometheus_client."""

import collections
import functools
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

CONTENT_TYPE = CONTENT_TYPE_LATEST

# OpenTelemetry's HTTP boundaries begin at 5 ms, where most answers here are long done.
_SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_COUNTED_AT_ONCE = 256
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The service's metrics, on a registry of their own. Labels are bounded: routes are templates, never paths."""

    def __init__(self, shared_dir: Path | None = None) -> None:
        """shared_dir: of the files by which several processes share metrics.

        It must be PROMETHEUS_MULTIPROC_DIR from the process's start on.
        """
        self._shared_dir = shared_dir
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        self.in_progress = 0  # requests that have begun, by either way in
        self.registry = CollectorRegistry()
        self._answered: list[tuple[str, str, int, float]] = []
        self._batches: collections.deque[tuple[str, str, int]] = collections.deque()  # from several threads
        self._series = functools.cache(self._find_series)
        self._rows_of_batches = functools.cache(lambda model, graph: self._batch_rows.labels(model, graph).observe)
        self._requests = Counter(
            "vae_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._duration = Histogram(
            "vae_http_request_duration_seconds",
            "From the request's head to the answer's last byte.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        in_progress = Gauge(
            "vae_http_requests_in_progress",
            "Requests whose answer is not whole yet.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._watch(in_progress, lambda: self.in_progress)
        self._batch_rows = Histogram(
            "vae_batch_rows", "Rows in a batch.", ("model", "graph"), buckets=_ROWS, registry=self.registry
        )
        self._queue_rows = Gauge(
            "vae_queue_rows",
            "Rows of requests that wait or are being answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._queue_seconds = Gauge(
            "vae_queue_seconds",
            "Work of those requests, in estimated seconds of one core.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._model_info = Gauge(
            "vae_model_info",
            "1 for each model served.",
            ("model", "digest", "provider"),
            registry=self.registry,
            multiprocess_mode="livemax",
        )

    def request(self, method: str, route: str, status: int, began: float) -> None:
        """Records a request that is over; it is counted with others, at the latest when metrics are read.

        route: a template, never a path. began: on the monotonic clock, in seconds.
        """
        self.in_progress -= 1
        method = method if method in _METHODS else "other"
        self._answered.append((method, route, status, time.monotonic() - began))
        if len(self._answered) >= _COUNTED_AT_ONCE:
            self._count()

    def _count(self) -> None:
        answered, self._answered = self._answered, []
        for series, number in collections.Counter(answer[:3] for answer in answered).items():
            self._series(*series)[0](number)
        for method, route, status, duration_s in answered:
            self._series(method, route, status)[1](duration_s)
        while self._batches:
            model, graph, rows = self._batches.popleft()
            self._rows_of_batches(model, graph)(rows)

    def _find_series(
        self, method: str, route: str, status: int
    ) -> tuple[Callable[[float], None], Callable[[float], None]]:
        """Cached, because to find a series takes longer than to count in it."""
        return self._requests.labels(method, route, str(status)).inc, self._duration.labels(method, route).observe

    def batch(self, model: str, graph: str, rows: int) -> None:
        """Records a batch, in any thread; it is counted with the requests."""
        self._batches.append((model, graph, rows))

    def watch_queue(self, rows: Callable[[], int], seconds: Callable[[], float]) -> None:
        self._watch(self._queue_rows, rows)
        self._watch(self._queue_seconds, seconds)

    def _watch(self, gauge: Gauge, value: Callable[[], float]) -> None:
        """Reads the value at every scrape; where metrics are shared, at every `refresh`."""
        if self._shared_dir:
            self._watched.append((gauge, value))
        else:
            gauge.set_function(value)

    def refresh(self) -> None:
        """Counts what waits to be counted, and lets other processes read that and the gauges."""
        self._count()
        for gauge, value in self._watched:
            gauge.set(value())

    def model(self, model: str, digest: str, provider: str) -> None:
        self._model_info.labels(model, digest, provider).set(1)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format, of all processes where they are shared."""
        self.refresh()
        if not self._shared_dir:
            return generate_latest(self.registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone, str(self._shared_dir))  # type: ignore[no-untyped-call]
        return generate_latest(everyone)


def forget(shared_dir: Path, pid: int) -> None:
    """Takes a process that died out of the gauges; its counts stay."""
    mark_process_dead(pid, str(shared_dir))  # type: ignore[no-untyped-call]
