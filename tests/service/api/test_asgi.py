"""What is put around every request through ASGI, and what becomes of a client that leaves, by either way in."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from service.api.backend import Backend
from service.api.reply import Reply, StreamReply
from service.api.request import Request
from service.api.routes import ROUTES, Route
from service.api.schemas import ModelQuery
from service.api.verbs.form import Form, form
from service.app import create_app
from service.engine.door import Door
from service.engine.job import Job
from service.engine.registry import Registry
from service.metrics import Metrics
from service.settings import Settings
from tests.support.asgi import Exchange, turns
from tests.support.sockets import request
from tests.support.wire import Connection

_FOR_A_THREAD_S = 5e-3  # work estimated at so much waits for a thread, and is not done on the event loop

answered: list[str] = []  # the verbs below whose answer was made
closed: list[str] = []  # the streams below that were closed


def prepare(query: ModelQuery, accepted: str, backend: Backend) -> Form:
    return form(query, accepted, ("text/plain",), backend)


def slow(form: Form, request: Request, backend: Backend) -> Job:
    def answer(items: Sequence[Any]) -> list[Reply]:
        answered.append("slow")
        return [Reply(200, "text/plain", b"done")] * len(items)

    return Job(answer, "slow", None, rows=3, cost_s=_FOR_A_THREAD_S, timeout_s=60.0)


def endless(form: Form, request: Request, backend: Backend) -> Job:
    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"more"
                await asyncio.sleep(0)
        finally:
            closed.append("endless")

    return streaming(chunks())


def failing(form: Form, request: Request, backend: Backend) -> Job:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"more"
        raise RuntimeError("canary")

    return streaming(chunks())


def streaming(chunks: AsyncGenerator[bytes, None]) -> Job:
    reply = StreamReply(200, "a/b", b"", (), chunks, 1 << 30)
    return Job(lambda items: [reply], None, None, rows=1, cost_s=0.0, timeout_s=60.0)


VERBS = (
    Route("POST", "/slow", ModelQuery, prepare, slow, lambda latent_dim: {}),
    Route("GET", "/endless", ModelQuery, prepare, endless, lambda latent_dim: {}),
    Route("GET", "/failing", ModelQuery, prepare, failing, lambda latent_dim: {}),
)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def app(tiny_settings: Settings, tiny_registry: Registry, metrics: Metrics) -> Iterator[FastAPI]:
    answered.clear()
    closed.clear()
    app = create_app(tiny_settings, tiny_registry, metrics, (*ROUTES, *VERBS))
    yield app
    app.state.door.close()


def counted(metrics: Metrics, method: str, route: str, status: int) -> float | None:
    metrics.refresh()
    labels = {"method": method, "route": route, "status": str(status)}
    return metrics.registry.get_sample_value("vae_http_requests_total", labels)


def in_progress(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("vae_http_requests_in_progress")


def exchanged(app: FastAPI, path: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> Exchange:
    async def main() -> Exchange:
        exchange = Exchange(app, "GET", path, b"", headers)
        await exchange.run()
        return exchange

    return asyncio.run(main())


# Around every request


@pytest.mark.parametrize("path", ["/livez", "/sample", "/models/none", "/nothing", "/openapi.json", "/docs"])
def test_every_answer_has_an_id_is_stored_nowhere_and_not_sniffed(app: FastAPI, path: str) -> None:
    headers = exchanged(app, path, [(b"x-request-id", b"mine"), (b"x-request-id", b"second")]).headers
    names = [name for name, _ in headers]
    for name, value in {
        b"x-request-id": b"mine",
        b"x-content-type-options": b"nosniff",
        b"cache-control": b"no-store",
    }.items():
        assert names.count(name) == 1
        assert dict(headers)[name] == value


def test_an_answer_that_may_be_stored_says_so_itself(app: FastAPI) -> None:
    async def stored() -> Response:
        return Response(headers={"Cache-Control": "max-age=60", "X-Request-ID": "theirs"})

    app.add_api_route("/stored", stored)
    headers = dict(exchanged(app, "/stored", [(b"x-request-id", b"mine")]).headers)
    assert (headers[b"cache-control"], headers[b"x-request-id"]) == (b"max-age=60", b"mine")


def test_a_bug_is_answered_without_its_words_and_logged_with_its_request(
    app: FastAPI, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise RuntimeError("canary")

    app.add_api_route("/broken", broken)
    with caplog.at_level(logging.ERROR):
        exchange = exchanged(app, "/broken", [(b"x-request-id", b"mine")])
    assert exchange.status == 500
    assert b'"code":"internal_error"' in exchange.body
    assert b'"request_id":"mine"' in exchange.body
    assert b"canary" not in exchange.body
    (record,) = caplog.records
    assert "mine" in record.getMessage()
    assert "canary" in caplog.text
    assert counted(metrics, "GET", "/broken", 500) == 1


class _Half(Response):
    """An answer that begins and then fails."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("canary")


@pytest.fixture
def failing_late(app: FastAPI) -> FastAPI:
    async def half() -> Response:
        return _Half()

    app.add_api_route("/half", half)
    return app


def test_a_bug_after_the_answer_began_reaches_the_server(failing_late: FastAPI, metrics: Metrics) -> None:
    async def main() -> None:
        exchange = Exchange(failing_late, "GET", "/half")
        with pytest.raises(RuntimeError, match="canary"):
            await exchange.run()
        assert exchange.body == b"half"

    asyncio.run(main())
    assert counted(metrics, "GET", "/half", 200) == 1
    assert in_progress(metrics) == 0


def test_a_bug_after_the_answer_began_cuts_the_connection(failing_late: FastAPI) -> None:
    async def main() -> None:
        connection = Connection(failing_late)
        connection.data_received(request("/half"))
        await connection.wire.closed()
        assert connection.wire.sent.endswith(b"\r\n\r\nhalf")
        connection.leave()

    asyncio.run(main())


@pytest.mark.parametrize("query", [b"count=2&seed=1", b"count=250&seed=1"], ids=["whole", "stream"])
def test_bodies_are_bytes_since_not_every_server_takes_a_view(app: FastAPI, query: bytes) -> None:
    async def main() -> None:
        exchange = Exchange(app, "GET", "/sample", query, [(b"accept", b"application/x-npy")])
        await exchange.run()
        assert {type(message["body"]) for message in exchange.sent[1:]} == {bytes}
        assert len(exchange.body) == int(dict(exchange.headers)[b"content-length"])

    asyncio.run(main())


# Clients that leave


@pytest.fixture
async def busy(app: FastAPI) -> AsyncIterator[Door]:
    """The app's door, whose lane for short work is taken until the test ends; what waits by then is not computed."""
    release = threading.Event()
    door: Door = app.state.door

    def wait(items: Sequence[Any]) -> list[None]:
        release.wait()
        return [None]

    door.submit(Job(wait, None, None, rows=1, cost_s=_FOR_A_THREAD_S, timeout_s=60.0), lambda result: None)
    yield door
    release.set()
    last = Job(lambda items: ["last"], None, None, rows=1, cost_s=_FOR_A_THREAD_S, timeout_s=60.0)
    assert await door.ask(last) == "last"  # all that still waited before it is done by now
    assert not answered


async def queued(door: Door, rows: int) -> None:
    while door.queued_rows != rows:
        await asyncio.sleep(0)
    await turns()  # until it is in its lane


@pytest.mark.anyio
async def test_rows_of_a_client_that_left_are_not_computed_by_the_wire(
    app: FastAPI, busy: Door, metrics: Metrics
) -> None:
    connection = Connection(app)
    connection.data_received(request("/slow", b""))
    await queued(busy, 1 + 3)
    assert in_progress(metrics) == 1
    connection.leave()
    assert busy.queued_rows == 1
    assert not connection.wire.writes
    assert counted(metrics, "POST", "/slow", 499) == 1
    assert in_progress(metrics) == 0


@pytest.mark.anyio
async def test_rows_of_a_client_that_left_are_not_computed_by_asgi(app: FastAPI, busy: Door, metrics: Metrics) -> None:
    exchange = Exchange(app, "POST", "/slow")
    running = asyncio.ensure_future(exchange.run())
    await queued(busy, 1 + 3)
    assert in_progress(metrics) == 1
    exchange.leave()
    await running
    assert busy.queued_rows == 1
    assert not exchange.sent
    assert counted(metrics, "POST", "/slow", 499) == 1
    assert in_progress(metrics) == 0


@pytest.mark.anyio
async def test_rows_of_a_client_that_stays_are_computed(app: FastAPI) -> None:
    exchange = Exchange(app, "POST", "/slow")
    await exchange.run()
    assert (exchange.status, exchange.body, answered) == (200, b"done", ["slow"])


@pytest.mark.anyio
async def test_a_cancelled_request_is_not_taken_for_a_client_that_left(app: FastAPI, busy: Door) -> None:
    """Who cancels, such as a server that stops, must see that it was cancelled; the rows are given up all the same."""
    exchange = Exchange(app, "POST", "/slow")
    running = asyncio.ensure_future(exchange.run())
    await queued(busy, 1 + 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert busy.queued_rows == 1
    assert not exchange.sent


@pytest.mark.anyio
async def test_a_stream_is_closed_when_its_client_leaves_asgi(app: FastAPI, metrics: Metrics) -> None:
    exchange = Exchange(app, "GET", "/endless")
    running = asyncio.ensure_future(exchange.run())
    while len(exchange.sent) < 4:
        await asyncio.sleep(0)
    exchange.leave()
    await running
    assert closed == ["endless"]
    assert exchange.sent[-1]["more_body"]  # it was not ended as if it were whole
    assert in_progress(metrics) == 0


@pytest.mark.anyio
async def test_a_stream_is_closed_when_its_client_leaves_the_wire(app: FastAPI, metrics: Metrics) -> None:
    connection = Connection(app)
    connection.data_received(request("/endless"))
    await connection.wire.written(4)
    connection.leave()
    await turns()
    written = len(connection.wire.writes)
    await turns()
    assert closed == ["endless"]
    assert len(connection.wire.writes) == written
    assert in_progress(metrics) == 0


def test_a_stream_that_fails_reaches_the_server_unended(app: FastAPI) -> None:
    async def main() -> None:
        exchange = Exchange(app, "GET", "/failing")
        with pytest.raises(RuntimeError, match="canary"):
            await exchange.run()
        assert exchange.sent[-1] == {"type": "http.response.body", "body": b"more", "more_body": True}

    asyncio.run(main())
