"""One connection: which requests go the short way, and that what HTTP promises holds on it as on uvicorn's."""

import asyncio
import socket
from pathlib import Path

import pytest
from fastapi import FastAPI
from uvicorn.server import ServerState

from service.app import create_app
from service.engine.model import Engine
from service.metrics import Metrics
from service.server.outbox import Outbox
from service.server.protocol import Protocol
from service.settings import Settings
from tests.server import serving
from tests.wire import Answer, Connection

LATENT = b"\0\0\0\x3f\0\0\x80\x3f"
DECODE = b"POST /decode HTTP/1.1\r\ncontent-type: application/octet-stream\r\ncontent-length: 8\r\n%b\r\n" + LATENT
SAMPLE = b"GET /sample?seed=%d HTTP/1.1\r\n\r\n"
RAW_MANY = b"GET /sample?count=100&seed=1 HTTP/1.1\r\naccept: application/octet-stream\r\n\r\n"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def app(tiny_settings: Settings, tiny_engine: Engine, metrics: Metrics) -> FastAPI:
    return create_app(tiny_settings, tiny_engine, metrics)


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Targets of the requests that went uvicorn's way."""
    targets: list[bytes] = []
    hand_over = Protocol._hand_over

    def noted(self: Protocol) -> None:
        targets.append(self.url)
        hand_over(self)

    monkeypatch.setattr(Protocol, "_hand_over", noted)
    return targets


def answered(app: FastAPI, *received: bytes, method: str = "POST") -> tuple[Answer, Connection]:
    """The answer to what a client sends, and its connection."""

    async def main() -> tuple[Answer, Connection]:
        connection = Connection(app)
        for data in received:
            connection.data_received(data)
        return await connection.answer(method), connection

    return asyncio.run(main())


def counted(metrics: Metrics, route: str, status: int, method: str = "POST") -> float | None:
    metrics.refresh()
    series = {"method": method, "route": route, "status": str(status)}
    return metrics.registry.get_sample_value("vae_http_requests_total", series)


def test_an_answer_is_one_write(app: FastAPI) -> None:
    async def main() -> None:
        connection = Connection(app)
        connection.data_received(DECODE % b"")
        await connection.wire.written(1)
        assert connection.wire.sent.startswith(b"HTTP/1.1 200 OK\r\n")
        assert connection.parsed()[0] == 200
        assert connection.timeout_keep_alive_task
        connection.leave()

    asyncio.run(main())


def test_a_large_body_is_not_copied(app: FastAPI) -> None:
    async def main() -> None:
        connection = Connection(app)
        connection.data_received(RAW_MANY)
        await connection.wire.written(2)
        assert len(connection.wire.writes[1]) == 100 * 784 * 4
        connection.leave()

    asyncio.run(main())


def test_answers_to_several_clients_leave_together(app: FastAPI) -> None:
    async def main() -> None:
        state, outbox = ServerState(), Outbox()
        connections = [Connection(app, state, outbox) for _ in range(5)]
        for connection in connections:
            connection.data_received(DECODE % b"")
        while not any(connection.wire.writes for connection in connections):
            await asyncio.sleep(0)
        assert all(connection.wire.writes for connection in connections)
        assert state.total_requests == 5
        for connection in connections:
            connection.leave()

    asyncio.run(main())


def test_a_connection_answers_one_request_after_another(app: FastAPI, handed_over: list[bytes]) -> None:
    async def main() -> None:
        connection = Connection(app)
        bodies = []
        for seed in (1, 2, 1):
            connection.data_received(SAMPLE % seed)
            bodies.append((await connection.answer("GET"))[2])
        assert bodies[0] == bodies[2] != bodies[1]
        connection.data_received(b"GET /livez HTTP/1.1\r\n\r\n")
        assert (await connection.answer("GET"))[2] == b'{"live":true}'
        connection.data_received(SAMPLE % 1)
        assert (await connection.answer("GET"))[2] == bodies[0]
        connection.leave()

    asyncio.run(main())
    assert handed_over == [b"/livez"]


def test_requests_that_do_not_wait_for_answers_get_them_in_order(app: FastAPI, handed_over: list[bytes]) -> None:
    wanted = [b"1", b"/livez", b"2", b"3"]

    async def main() -> None:
        connection = Connection(app)
        connection.data_received(b"".join(
            b"GET %b HTTP/1.1\r\n\r\n" % (target if target[:1] == b"/" else b"/sample?seed=" + target)
            for target in wanted
        ))  # fmt: skip
        assert not connection.wire.is_reading
        while connection.wire.sent.count(b"HTTP/1.1 200 OK") < 4:
            await asyncio.sleep(0)
        _, *answers = connection.wire.sent.split(b"HTTP/1.1 200 OK\r\n")
        for target, answer in zip(wanted, answers, strict=True):
            assert (b'"live":true' if target[:1] == b"/" else b'"seed":' + target + b",") in answer
        assert connection.wire.is_reading
        connection.leave()

    asyncio.run(main())
    assert handed_over == [b"/livez", b"/sample?seed=2", b"/sample?seed=3"]


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(app: FastAPI, handed_over: list[bytes]) -> None:
    async def main() -> None:
        connection = Connection(app)
        connection.data_received((DECODE % b"expect: 100-continue\r\n")[: -len(LATENT)])
        await connection.wire.written(1)
        assert connection.wire.writes.pop() == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.data_received(LATENT)
        assert (await connection.answer())[0] == 200
        connection.leave()

    asyncio.run(main())
    assert handed_over == [b"/decode"]


def test_a_client_that_would_upgrade_is_answered_as_it_is(app: FastAPI, handed_over: list[bytes]) -> None:
    upgrade = (SAMPLE % 1)[:-2] + b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n"
    bodies = [answered(app, head, method="GET")[0][2] for head in (SAMPLE % 1, upgrade)]
    assert bodies[0] == bodies[1]
    assert handed_over == [b"/sample?seed=1"]


@pytest.mark.parametrize(
    ("request_", "closes"),
    [
        (DECODE % b"", False),
        (DECODE % b"connection: keep-alive\r\n", False),
        (DECODE % b"connection: close\r\n", True),
        ((DECODE % b"").replace(b"HTTP/1.1", b"HTTP/1.0"), True),
    ],
)
def test_a_connection_is_closed_where_the_client_asks_for_it(app: FastAPI, request_: bytes, closes: bool) -> None:
    (status, headers, _), connection = answered(app, request_)
    assert status == 200
    assert connection.wire.is_closed == closes == ((b"connection", b"close") in headers)


def test_a_body_that_is_too_large_is_refused_before_it_has_come(app: FastAPI, metrics: Metrics) -> None:
    head = b"POST /encode HTTP/1.1\r\ncontent-type: image/png\r\ncontent-length: 99999999\r\n\r\n"
    (status, headers, body), connection = answered(app, head, bytes(100_000))
    assert (status, connection.wire.is_closed) == (413, True)
    assert b'"body_too_large"' in body
    assert (b"connection", b"close") in headers
    assert counted(metrics, "/encode", 413) == 1


def test_the_rest_of_a_refused_body_is_lost_and_the_next_request_is_answered(app: FastAPI) -> None:
    async def main() -> None:
        connection = Connection(app)
        connection.data_received((DECODE % b"content-encoding: gzip\r\n")[:-5])
        assert (await connection.answer())[0] == 415
        connection.data_received(LATENT[-5:])
        connection.data_received(DECODE % b"")
        assert (await connection.answer())[0] == 200
        connection.leave()

    asyncio.run(main())


def test_a_server_that_stops_answers_what_it_was_asked(app: FastAPI) -> None:
    async def main() -> None:
        connection, idle = Connection(app), Connection(app)
        connection.data_received(DECODE % b"")
        for one in (connection, idle):
            one.shutdown()
        assert idle.wire.is_closed
        assert not connection.wire.is_closed
        status, headers, _ = await connection.answer()
        assert (status, connection.wire.is_closed) == (200, True)
        assert (b"connection", b"close") in headers

    asyncio.run(main())


def test_an_answer_whose_client_has_left_is_not_written(app: FastAPI, metrics: Metrics) -> None:
    async def main() -> None:
        state, outbox = ServerState(), Outbox()
        connection, other = (Connection(app, state, outbox) for _ in range(2))
        state.tasks.add(asyncio.current_task())  # so that the answer waits for others
        connection.data_received(DECODE % b"")
        while len(state.tasks) > 1:
            await asyncio.sleep(0)
        connection.leave()
        other.data_received(DECODE % b"")
        assert (await other.answer())[0] == 200
        assert not connection.wire.writes
        other.leave()

    asyncio.run(main())
    assert counted(metrics, "/decode", 200) == 2
    assert counted(metrics, "/decode", 499) is None


def test_a_client_that_sends_no_more_gets_what_is_ready(app: FastAPI) -> None:
    async def main() -> None:
        state = ServerState()
        state.tasks.add(asyncio.current_task())  # so that the answer waits for others
        connection = Connection(app, state)
        connection.data_received(DECODE % b"")
        while len(state.tasks) > 1:
            await asyncio.sleep(0)
        assert not connection.wire.writes
        connection.eof_received()
        connection.wire.close()
        assert connection.parsed()[0] == 200
        connection.leave()

    asyncio.run(main())


@pytest.mark.parametrize("turns", range(6))
def test_a_client_may_leave_at_any_time(app: FastAPI, metrics: Metrics, turns: int) -> None:
    async def main() -> None:
        connection, other = Connection(app), Connection(app)
        other.data_received(DECODE % b"")
        connection.data_received(DECODE % b"")
        for _ in range(turns):
            await asyncio.sleep(0)
        connection.leave()
        assert (await other.answer())[0] == 200
        for _ in range(20):
            await asyncio.sleep(0)
        assert not connection.tasks
        other.leave()

    asyncio.run(main())
    assert (counted(metrics, "/decode", 200) or 0) + (counted(metrics, "/decode", 499) or 0) == 2
    assert metrics.registry.get_sample_value("vae_http_requests_in_progress") == 0


def test_a_client_may_leave_with_requests_behind_the_one_that_is_answered(
    app: FastAPI, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    decoder = app.state.engine.default.batchers["decoder"]

    async def main() -> None:
        connection = Connection(app)
        connection.data_received(b"GET /livez HTTP/1.1\r\n\r\n" + DECODE % b"" + SAMPLE % 1)
        decoder._is_working = True  # as if a long batch were running
        while not decoder.queued_rows:
            await asyncio.sleep(0)
        before = len(connection.wire.writes)
        connection.leave()
        while connection.tasks:
            await asyncio.sleep(0)
        assert len(connection.wire.writes) == before
        assert decoder._next_batch() == ([], 0)
        decoder._is_working = False

    asyncio.run(main())
    assert counted(metrics, "/decode", 499) == 1
    assert not caplog.records


def test_a_request_that_is_cancelled_does_not_leave_its_client_waiting(app: FastAPI) -> None:
    async def main() -> None:
        connection = Connection(app)
        app.state.engine.default.batchers["decoder"]._is_working = True  # as if a long batch were running
        connection.data_received(DECODE % b"")
        await asyncio.sleep(0)
        (task,) = connection.tasks
        task.cancel()
        await connection.wire.closed()
        assert not connection.tasks
        app.state.engine.default.batchers["decoder"]._is_working = False
        connection.leave()

    asyncio.run(main())


def test_what_the_server_puts_into_every_answer_is_there(app: FastAPI) -> None:
    async def main() -> None:
        state = ServerState()
        state.default_headers = [(b"date", b"today")]
        connection = Connection(app, state)
        connection.data_received(DECODE % b"")
        assert (b"date", b"today") in (await connection.answer())[1]
        connection.leave()

    asyncio.run(main())


def test_what_is_not_http_is_refused(app: FastAPI) -> None:
    async def main() -> None:
        connection = Connection(app)
        connection.data_received(b"BREW /decode HTTP/1.1\r\n\r\n")
        assert connection.parsed()[0] == 400
        assert connection.wire.is_closed
        connection.leave()

    asyncio.run(main())


def test_a_server_answers_requests_of_both_ways_in_order(tiny_models: Path) -> None:
    with serving("--models-dir", str(tiny_models), "--default-model", "tiny-vae") as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            livez = b"GET /livez HTTP/1.1\r\n\r\n"
            connection.sendall(SAMPLE % 1 + livez + SAMPLE % 2 + SAMPLE % 1 + livez)
            received = b""
            while received.count(b'{"live":true}') < 2:
                received += connection.recv(1 << 16)
    _, *answers = received.split(b"HTTP/1.1 200 OK\r\n")
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
    assert bodies[0] == bodies[3] != bodies[2]
    assert bodies[1] == bodies[4] == b'{"live":true}'
    assert all(answer.startswith(b"date: ") for answer in answers)
