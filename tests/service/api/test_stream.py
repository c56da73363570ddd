"""GET /sample for more rows than are held in memory: the same series, sent as it is made."""

import asyncio
import io
from typing import Any

import numpy as np
import pytest

from service.engine.model import Model
from tests.service.api.conftest import BothWays
from tests.support.asgi import Exchange
from tests.support.wire import Connection

NPY, RAW = "application/x-npy", "application/octet-stream"
COUNT = 250  # the tiny service holds at most 100


def images(client: BothWays, accept: str = NPY, **query: Any) -> np.ndarray:
    response = client.get("/sample", params={"seed": 5} | query, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    assert len(response.content) == int(response.headers["content-length"])
    if accept == NPY:
        return np.load(io.BytesIO(response.content))
    shape = [int(size) for size in response.headers["x-tensor-shape"].split(",")]
    return np.frombuffer(response.content, response.headers["x-tensor-dtype"]).reshape(shape)


@pytest.mark.parametrize("accept", [NPY, RAW])
@pytest.mark.parametrize(
    "asked_for", [{}, {"label": "2,0", "offset": 7}, {"min_confidence": 0.9}, {"deterministic": True}]
)
def test_stream_is_its_pages_one_after_the_other(client: BothWays, accept: str, asked_for: dict[str, Any]) -> None:
    whole = images(client, accept, count=COUNT, **asked_for)
    offset = int(str(asked_for.get("offset", 0)))
    pages = [
        images(client, **(asked_for | {"count": min(60, COUNT - start), "offset": offset + start}))
        for start in range(0, COUNT, 60)
    ]
    assert whole.shape == (COUNT, 1, 28, 28)
    np.testing.assert_array_equal(whole, np.concatenate(pages))


def test_facts_of_a_stream_are_in_its_headers(client: BothWays) -> None:
    response = client.get("/sample", params={"count": COUNT, "temperature": 0.5}, headers={"Accept": NPY})
    assert response.headers["x-model"] == "tiny-vae/1"
    assert response.headers["x-temperature"] == "0.5"
    again = client.get("/sample", params={"count": COUNT, "temperature": 0.5, "seed": response.headers["x-seed"]},
                       headers={"Accept": NPY})  # fmt: skip
    assert again.content == response.content


@pytest.mark.parametrize(("accept", "count"), [("application/json", COUNT), ("image/png", COUNT), (NPY, 1_000_001)])
def test_more_rows_than_a_type_can_give_are_refused(client: BothWays, accept: str, count: int) -> None:
    response = client.get("/sample", params={"count": count}, headers={"Accept": accept})
    assert (response.status_code, response.json()["code"]) == (413, "too_many_rows")
    assert "1000000 as application/x-npy" in response.json()["detail"]


def test_what_is_wrong_with_a_request_is_answered_before_its_stream_begins(client: BothWays) -> None:
    response = client.get("/sample", params={"count": COUNT, "label": 9}, headers={"Accept": NPY})
    assert (response.status_code, response.json()["code"]) == (422, "unknown_label")


def asked(query: bytes, accept: str = NPY) -> bytes:
    return b"GET /sample?%b HTTP/1.1\r\nHost: test\r\nAccept: %b\r\n\r\n" % (query, accept.encode())


def test_no_more_pages_are_made_once_the_client_has_left(client: BothWays) -> None:
    async def by_asgi() -> None:
        exchange = Exchange(client.reference, "GET", "/sample", b"count=1000000&seed=1", [(b"accept", NPY.encode())])
        running = asyncio.ensure_future(exchange.run())
        while not exchange.sent:
            await asyncio.sleep(0)
        exchange.leave()
        await running
        assert exchange.status == 200
        assert len(exchange.body) < 300 * 784 * 4
        assert exchange.sent[-1]["more_body"]  # it was not ended as if it were whole

    client.call(by_asgi)

    async def by_wire() -> None:
        connection = Connection(client.app)
        connection.data_received(asked(b"count=1000000&seed=1"))
        await connection.wire.written(2)
        assert connection.wire.sent.startswith(b"HTTP/1.1 200 OK\r\n")
        connection.leave()
        for _ in range(3):
            written = len(connection.wire.writes)
            await asyncio.sleep(0)
        assert len(connection.wire.writes) == written < 10

    client.call(by_wire)


def test_pages_are_made_no_faster_than_the_client_reads_them(client: BothWays) -> None:
    async def main() -> None:
        connection = Connection(client.app)
        connection.data_received(asked(b"count=1000&seed=1"))
        await connection.wire.written(2)
        connection.pause_writing()
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(connection.wire.writes) <= 4  # head, npy's header, two pages of ten
        connection.resume_writing()
        status, _, body = await connection.answer("GET")
        assert (status, len(body)) == (200, 128 + 1000 * 784 * 4)

    client.call(main)


def test_small_requests_are_answered_while_a_stream_goes_on(client: BothWays) -> None:
    async def main() -> None:
        large, small = Connection(client.app), Connection(client.app)
        large.data_received(asked(b"count=1000000&seed=1"))
        await large.wire.written(2)
        small.data_received(asked(b"seed=2"))
        assert (await small.answer("GET"))[0] == 200
        assert len(large.wire.writes) < 10_000
        large.leave()

    client.call(main)


def test_what_goes_wrong_with_a_later_page_cuts_the_connection(
    client: BothWays, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        connection = Connection(client.app)
        connection.data_received(asked(b"count=250&seed=1"))
        await connection.wire.written(2)
        monkeypatch.delattr(Model, "decode")
        await connection.wire.closed()
        assert len(connection.wire.sent) < 250 * 784 * 4

    client.call(main)
    assert "an answer was cut off" in caplog.text
