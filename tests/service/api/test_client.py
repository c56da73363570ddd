"""A client that leaves while its rows wait: they are not computed, and it is counted as one that left."""

from collections.abc import Iterator
from typing import Any

import anyio
import numpy as np
import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from service.api.client import while_there
from service.app import create_app, load_engine
from service.metrics import Metrics
from service.settings import Settings
from tests.wire import Connection

HEADERS = [(b"content-type", b"application/octet-stream")]
LATENT = np.array([0.5, 1.0], np.float32).tobytes()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def app(tiny_settings: Settings, metrics: Metrics) -> Iterator[FastAPI]:
    engine = load_engine(tiny_settings, metrics)
    yield create_app(tiny_settings, engine, metrics)
    engine.close()


@pytest.mark.parametrize("way", ["short", "FastAPI's"])
def test_rows_of_a_client_that_left_are_not_computed(app: FastAPI, metrics: Metrics, way: str) -> None:
    decoder = app.state.engine.default.batchers["decoder"]

    def in_progress() -> float | None:
        return metrics.registry.get_sample_value("vae_http_requests_in_progress")

    async def by_wire() -> None:
        connection = Connection(app)
        head = b"POST /decode HTTP/1.1\r\ncontent-type: application/octet-stream\r\ncontent-length: 8\r\n\r\n"
        connection.data_received(head + LATENT)
        while not decoder.queued_rows:
            await anyio.sleep(0)
        assert in_progress() == 1
        connection.leave()
        while connection.tasks:
            await anyio.sleep(0)
        assert not connection.wire.writes

    async def by_asgi() -> None:
        messages = [{"type": "http.request", "body": LATENT, "more_body": False}]

        async def receive() -> dict[str, Any]:
            while not messages and not decoder.queued_rows:
                await anyio.sleep(0)
            return messages.pop() if messages else {"type": "http.disconnect"}

        scope = {"type": "http", "method": "POST", "path": "/decode", "query_string": b"", "headers": HEADERS}
        await app(scope | {"root_path": ""}, receive, None)  # type: ignore[arg-type]

    async def main() -> None:
        decoder._is_working = True  # as if a long batch were running: what comes now waits
        await (by_wire if way == "short" else by_asgi)()
        assert decoder._next_batch() == ([], 0)

    anyio.run(main)
    assert in_progress() == 0
    metrics.refresh()
    counted = {"method": "POST", "route": "/decode", "status": "499"}
    assert metrics.registry.get_sample_value("vae_http_requests_total", counted) == 1


def test_work_whose_client_stays_is_done() -> None:
    async def receive() -> dict[str, Any]:
        return await anyio.sleep_forever()

    async def work() -> int:
        return 7

    async def main() -> int:
        return await while_there(receive, work())

    assert anyio.run(main) == 7


def test_a_cancelled_request_is_not_taken_for_a_client_that_left() -> None:
    async def receive() -> dict[str, Any]:
        return await anyio.sleep_forever()

    async def main() -> None:
        with anyio.move_on_after(0) as scope:
            await while_there(receive, anyio.sleep_forever())
        assert scope.cancelled_caught

    anyio.run(main)


def test_work_that_fails_fails_as_it_does() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def work() -> None:
        raise ValueError("so it is")

    async def main() -> None:
        with pytest.raises(ValueError, match="so it is"):
            await while_there(receive, work())
        with pytest.raises(ClientDisconnect):
            await while_there(receive, anyio.sleep_forever())

    anyio.run(main)
