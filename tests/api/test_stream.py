"""GET /sample for more rows than are held in memory: the same series, sent as it is made."""

import io
from typing import Any

import anyio
import numpy as np
import pytest

from service.app import create_app
from service.settings import Settings
from tests.api.conftest import BothWays

NPY, RAW = "application/x-npy", "application/octet-stream"
COUNT = 250  # the tiny service holds at most 100


def images(client: BothWays, accept: str = NPY, **query: object) -> np.ndarray:
    response = client.get("/sample", params={"seed": 5} | query, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    assert len(response.content) == int(response.headers["content-length"])
    if accept == NPY:
        return np.load(io.BytesIO(response.content))
    shape = [int(size) for size in response.headers["x-tensor-shape"].split(",")]
    return np.frombuffer(response.content, response.headers["x-tensor-dtype"]).reshape(shape)


@pytest.mark.parametrize("accept", [NPY, RAW])
@pytest.mark.parametrize("wish", [{}, {"label": "2,0", "offset": 7}, {"min_confidence": 0.9}, {"deterministic": True}])
def test_stream_is_its_pages_one_after_the_other(client: BothWays, accept: str, wish: dict[str, object]) -> None:
    whole = images(client, accept, count=COUNT, **wish)
    offset = int(str(wish.get("offset", 0)))
    pages = [
        images(client, **(wish | {"count": min(60, COUNT - start), "offset": offset + start}))
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


def test_what_is_wrong_with_a_wish_is_told_before_its_stream_begins(client: BothWays) -> None:
    response = client.get("/sample", params={"count": COUNT, "label": 9}, headers={"Accept": NPY})
    assert (response.status_code, response.json()["code"]) == (422, "unknown_label")


def test_no_more_pages_are_made_once_the_client_has_left(client: BothWays) -> None:
    asked = {"method": "GET", "path": "/sample", "query_string": b"count=1000000&seed=1"}
    sent = client.exchange(asked | {"headers": [(b"accept", NPY.encode())]}, {"type": "http.request", "body": b""})
    assert sent[0]["status"] == 200
    assert sum(len(message.get("body", b"")) for message in sent) < 300 * 784 * 4
    assert sent[-1].get("more_body", False)  # it was not ended as if it were whole


def test_small_requests_are_answered_while_a_stream_goes_on(tiny_settings: Settings) -> None:
    app = create_app(tiny_settings)

    async def ask(query: bytes, headers: list[tuple[bytes, bytes]], body_sent: Any) -> None:
        scope = {"type": "http", "method": "GET", "path": "/sample", "query_string": query, "headers": headers}

        async def receive() -> dict[str, Any]:
            return await anyio.sleep_forever()

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body" and message["body"]:
                await body_sent()

        await app(scope | {"root_path": ""}, receive, send)

    async def main() -> None:
        begun, pages = anyio.Event(), 0

        async def page_sent() -> None:
            nonlocal pages
            pages += 1
            begun.set()

        async def answered() -> None:
            assert pages < 10_000
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(ask, b"count=1000000&seed=1", [(b"accept", NPY.encode())], page_sent)
            await begun.wait()
            await ask(b"seed=2", [], answered)
        assert group.cancel_scope.cancel_called

    anyio.run(main)
    app.state.engine.close()
