"""One connection: what HTTP/1.1 promises holds for verbs and for guests, whatever its client does.

The verbs here are the tests' own, so each test decides what an answer is, what it costs and when it is there.
"""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any, cast

import pytest
from fastapi import FastAPI
from uvicorn.server import ServerState

from service.api.reply import Reply, StreamReply
from service.api.request import Request
from service.api.routes import ROUTES, Route
from service.api.schemas import Query
from service.api.verbs.form import Form
from service.app import create_app
from service.engine.job import Job
from service.engine.registry import Registry
from service.metrics import Metrics
from service.settings import Settings
from tests.support.wire import Answer, Connection

pytestmark = pytest.mark.anyio

KB = 1 << 10
INLINE_S, LONG_S = 1e-6, 1.0  # costs of a job that runs on the event loop, and of one that has a thread
KEEP = (b"connection", b"keep-alive")
CLOSE = (b"connection", b"close")
TURNS = 30  # of the event loop, in which anything that is to happen without a thread has happened


class Verbs:
    """POST /echo answers with its body; /work does so in a thread once it may; GET /given answers as the test says."""

    def __init__(self) -> None:
        self.computed: list[bytes] = []
        self.may_work = threading.Event()
        self.works = threading.Event()
        self.reply: Callable[[], Reply] = lambda: text(b"given")
        self.table = (
            *ROUTES,
            Route("POST", "/echo", Query, _no_form, self._plan_echo, lambda _: {}),
            Route("POST", "/work", Query, _no_form, self._plan_work, lambda _: {}),
            Route("GET", "/given", Query, _no_form, self._plan_given, lambda _: {}),
        )

    def _plan_echo(self, form: Any, request: Request, backend: Any) -> Job:
        return Job(self._echo, "echo", bytes(request.body.content), rows=1, cost_s=INLINE_S, timeout_s=60)

    def _plan_work(self, form: Any, request: Request, backend: Any) -> Job:
        return Job(self._work, None, bytes(request.body.content), rows=1, cost_s=LONG_S, timeout_s=60)

    def _plan_given(self, form: Any, request: Request, backend: Any) -> Job:
        return Job(lambda items: [self.reply() for _ in items], None, None, rows=1, cost_s=INLINE_S, timeout_s=60)

    def _echo(self, bodies: Sequence[bytes]) -> Sequence[Reply]:
        self.computed += bodies
        return [text(body) for body in bodies]

    def _work(self, bodies: Sequence[bytes]) -> Sequence[Reply]:
        self.works.set()
        assert self.may_work.wait(20)
        return self._echo(bodies)


def _no_form(query: Any, accepted: str, backend: Any) -> Form:
    return cast(Form, None)


def text(body: bytes) -> Reply:
    return Reply(200, "text/plain", body)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def verbs() -> Iterator[Verbs]:
    verbs = Verbs()
    yield verbs
    verbs.may_work.set()


@pytest.fixture
def app(tiny_settings: Settings, tiny_registry: Registry, metrics: Metrics, verbs: Verbs) -> Iterator[FastAPI]:
    settings = tiny_settings.model_copy(update={"max_body_bytes": 256 * KB})
    app = create_app(settings, tiny_registry, metrics, verbs.table)
    yield app
    verbs.may_work.set()
    app.state.door.close()


def request(
    target: str, body: bytes | None = None, *headers: str, method: str = "", version: str = "1.1", host: bool = True
) -> bytes:
    """GET, or POST where there is a body."""
    lines = [f"{method or ('GET' if body is None else 'POST')} {target} HTTP/{version}", *headers]
    if host:
        lines.append("Host: test")
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def echo(body: bytes, *headers: str, version: str = "1.1") -> bytes:
    return request("/echo", body, *headers, version=version)


def chunked(*chunks: bytes, target: str = "/echo", end: bytes = b"0\r\n\r\n") -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


LIVEZ = request("/livez")
GIVEN = request("/given")
LIVE = b'{"live":true}'
GARBAGE = b"hello, is it me you are looking for?\r\n\r\n"
BOTH_WAYS = {"verb": (echo(b"same"), "POST", b"same"), "guest": (LIVEZ, "GET", LIVE)}
both_ways = pytest.mark.parametrize(("sent", "method", "body"), BOTH_WAYS.values(), ids=BOTH_WAYS)


async def turns(count: int = TURNS) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def code(answer: Answer) -> tuple[int, str]:
    """Status and code of a problem."""
    assert (b"content-type", b"application/problem+json") in answer[1]
    problem = json.loads(answer[2])
    assert problem["status"] == answer[0]
    assert problem["request_id"]
    return answer[0], problem["code"]


def counts(metrics: Metrics) -> dict[tuple[str, int], int]:
    """Answers by route and status; asserts that none is in progress."""
    metrics.refresh()
    assert metrics.registry.get_sample_value("vae_http_requests_in_progress") == 0
    return {
        (sample.labels["route"], int(sample.labels["status"])): int(sample.value)
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "vae_http_requests_total"
    }


class Clock:
    """An event loop whose time is the test's."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 0.0
        self._timers: list[tuple[float, asyncio.TimerHandle, Callable[[], object]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        return self._now

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(self._now + delay_s, callback, (), self._loop)
        self._timers.append((timer.when(), timer, callback))
        return timer

    def advance(self, seconds: float) -> None:
        """Time goes by, and the timers ring in their order."""
        end = self._now + seconds
        while due := [timer for timer in self._timers if timer[0] <= end]:
            first = min(due, key=lambda timer: timer[0])
            self._timers.remove(first)
            self._now = max(self._now, first[0])
            if not first[1].cancelled():
                first[2]()
        self._now = end

    def is_waited_for(self) -> bool:
        return any(not timer.cancelled() for _, timer, _ in self._timers)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return cast(asyncio.AbstractEventLoop, self)


# Answers


async def test_a_small_answer_is_one_write(app: FastAPI) -> None:
    connection = Connection(app)
    connection.data_received(echo(b"small"))
    await connection.wire.written(1)
    assert connection.wire.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (await connection.answer())[2] == b"small"


async def test_a_large_answer_is_written_as_it_is_behind_its_head(
    app: FastAPI, verbs: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = memoryview(bytes(65 * KB))
    verbs.reply = lambda: Reply(200, "text/plain", body)
    connection = Connection(app)
    written: list[object] = []
    monkeypatch.setattr(connection.wire, "write", written.append)
    connection.data_received(GIVEN)
    await turns()
    assert len(written) == 2
    assert written[1] is body


async def test_answers_to_several_clients_leave_one_right_after_the_other(app: FastAPI) -> None:
    state = ServerState()
    connections = [Connection(app, state) for _ in range(5)]
    for number, connection in enumerate(connections):
        connection.data_received(echo(b"%d" % number))
    while not any(connection.wire.writes for connection in connections):
        await asyncio.sleep(0)
    assert [(await connection.answer())[2] for connection in connections] == [b"0", b"1", b"2", b"3", b"4"]
    assert state.total_requests == 5


@both_ways
async def test_every_answer_carries_the_headers_of_the_server(
    app: FastAPI, sent: bytes, method: str, body: bytes
) -> None:
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    connection = Connection(app, state)
    connection.data_received(sent)
    assert (b"date", b"today") in (await connection.answer(method))[1]


@pytest.mark.parametrize("aborted", [RuntimeError("the handle is closed"), OSError("broken")])
async def test_an_answer_that_cannot_be_written_aborts_its_connection(
    app: FastAPI, metrics: Metrics, caplog: pytest.LogCaptureFixture, aborted: Exception
) -> None:
    state = ServerState()
    connection, other = Connection(app, state), Connection(app, state)
    connection.wire.failure = aborted
    connection.data_received(echo(b"lost"))
    other.data_received(echo(b"kept"))
    assert (await other.answer())[2] == b"kept"
    await connection.wire.closed()
    assert connection.wire.was_aborted
    assert "an answer could not be sent" in caplog.text
    assert counts(metrics) == {("/echo", 200): 1, ("/echo", 499): 1}
    assert state.connections == {other}


async def test_a_bug_is_a_500_and_the_connection_goes_on(
    app: FastAPI, verbs: Verbs, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Reply:
        raise ZeroDivisionError("a secret")

    verbs.reply = fail
    connection = Connection(app)
    connection.data_received(GIVEN + echo(b"next"))
    failed, following = await connection.answers("GET", "POST")
    assert code(failed) == (500, "internal_error")
    assert following[2] == b"next"
    assert b"secret" not in failed[2]
    assert "a secret" in caplog.text


# Requests one after another

ASKS = {
    "echo": (echo(b"one"), "POST", b"one"),
    "guest": (LIVEZ, "GET", LIVE),
    "another echo": (echo(b"GET / HTTP/1.1\r\n\r\n"), "POST", b"GET / HTTP/1.1\r\n\r\n"),  # a body is no request
    "given": (GIVEN, "GET", b"given"),
    "chunks": (chunked(b"t", b"wo"), "POST", b"two"),
    "guest with a body": (request("/livez", b"x" * 100), "POST", None),
    "empty": (echo(b""), "POST", b""),
    "guest in chunks": (chunked(b"x" * 100, target="/nothing"), "POST", None),
    "two guests": (LIVEZ, "GET", LIVE),
    "wrong query": (request("/given?nonsense=1"), "GET", None),
    "HEAD": (request("/livez", method="HEAD"), "HEAD", b""),
    "last": (echo(b"three"), "POST", b"three"),
}


def assert_answers(answers: Sequence[Answer]) -> None:
    for (name, (_, _, body)), answer in zip(ASKS.items(), answers, strict=True):
        if body is not None:
            assert answer[2] == body, name
    assert [answer[0] for answer in answers] == [200, 200, 200, 200, 200, 405, 200, 404, 200, 422, 200, 200]


async def test_a_connection_answers_one_request_after_another(app: FastAPI) -> None:
    state = ServerState()
    connection = Connection(app, state)
    answers = []
    for sent, method, _ in ASKS.values():
        connection.data_received(sent)
        answers.append(await connection.answer(method))
        assert state.connections == {connection}
    assert_answers(answers)
    assert state.total_requests == len(ASKS)
    assert not connection.wire.is_closing()


async def test_requests_in_one_segment_are_answered_in_order(app: FastAPI, verbs: Verbs) -> None:
    connection = Connection(app)
    connection.data_received(b"".join(sent for sent, _, _ in ASKS.values()))
    assert_answers(await connection.answers(*(method for _, method, _ in ASKS.values())))
    assert connection.wire.is_reading()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
async def test_requests_in_any_pieces_are_answered_in_order(app: FastAPI, size: int) -> None:
    connection = Connection(app)
    sent = b"".join(sent for sent, _, _ in ASKS.values())
    for start in range(0, len(sent), size):
        connection.data_received(sent[start : start + size])
    assert_answers(await connection.answers(*(method for _, method, _ in ASKS.values())))


async def test_the_next_request_is_not_begun_before_the_answer_is_written(app: FastAPI, verbs: Verbs) -> None:
    connection = Connection(app)
    connection.data_received(request("/work", b"first") + echo(b"second"))
    await asyncio.to_thread(verbs.works.wait)
    await turns()
    assert verbs.computed == []
    verbs.may_work.set()
    assert [answer[2] for answer in await connection.answers("POST", "POST")] == [b"first", b"second"]


# Hosts, versions, the end of a connection


@both_ways
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_only_http_1_0_may_do_without_a_host(
    app: FastAPI, version: str, sent: bytes, method: str, body: bytes
) -> None:
    connection = Connection(app)
    connection.data_received(sent.replace(b"Host: test\r\n", b"").replace(b"HTTP/1.1", f"HTTP/{version}".encode()))
    answer = await connection.answer(method)
    if version == "1.0":
        assert answer[2] == body
    else:
        assert code(answer) == (400, "malformed_request")
        assert CLOSE in answer[1]


@both_ways
async def test_a_request_names_no_two_hosts(app: FastAPI, sent: bytes, method: str, body: bytes) -> None:
    connection = Connection(app)
    connection.data_received(sent.replace(b"\r\n", b"\r\nHost: other\r\n", 1))
    assert code(await connection.answer(method)) == (400, "malformed_request")


@both_ways
@pytest.mark.parametrize(
    ("version", "header", "closes"),
    [
        (b"1.1", b"", False),
        (b"1.1", b"Connection: keep-alive\r\n", False),
        (b"1.1", b"Connection: close\r\n", True),
        (b"1.1", b"Connection: x, Close\r\n", True),
        (b"1.0", b"", True),
        (b"1.0", b"Connection: close\r\n", True),
    ],
)
async def test_a_connection_is_closed_where_its_client_asks_for_it(
    app: FastAPI, sent: bytes, method: str, body: bytes, version: bytes, header: bytes, closes: bool
) -> None:
    connection = Connection(app)
    connection.data_received(sent.replace(b"1.1\r\n", version + b"\r\n" + header, 1))
    answer = await connection.answer(method)
    assert answer[2] == body
    assert connection.wire.is_closing() == closes == (CLOSE in answer[1])
    assert KEEP not in answer[1]


@pytest.mark.parametrize("target", ["/echo", "/livez", "/nothing"])
async def test_http_1_0_learns_that_its_connection_is_kept(app: FastAPI, target: str) -> None:
    state = ServerState()
    connection = Connection(app, state)
    for number in (b"1", b"2"):
        connection.data_received(request(target, number, "Connection: keep-alive", version="1.0"))
        _, headers, _ = await connection.answer()
        assert headers.count(KEEP) == 1
        assert CLOSE not in headers
    assert KEEP not in state.default_headers
    assert not connection.wire.is_closing()


@both_ways
async def test_nothing_is_begun_behind_a_request_that_closes(
    app: FastAPI, verbs: Verbs, sent: bytes, method: str, body: bytes
) -> None:
    connection = Connection(app)
    connection.data_received(sent.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + echo(b"too late"))
    assert (await connection.answer(method))[2] == body
    await connection.wire.closed()
    await turns()
    assert b"too late" not in verbs.computed


async def test_nothing_is_begun_behind_a_refusal_that_closes(app: FastAPI, metrics: Metrics) -> None:
    """A refusal is there at once, so it has no turn of the event loop to itself."""
    connection = Connection(app)
    connection.data_received(request("/given?nonsense=1", None, "Connection: close") + echo(b"too late"))
    assert code(await connection.answer("GET"))[0] == 422
    await connection.wire.closed()
    assert counts(metrics) == {("/given", 422): 1}


# Bodies


@pytest.mark.parametrize("target", ["/echo", "/nothing"])
async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(app: FastAPI, target: str) -> None:
    connection = Connection(app)
    for _ in range(2):
        connection.data_received(request(target, b"body", "Expect: 100-continue")[:-4])
        assert connection.wire.writes.pop() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await turns()
        assert connection.wire.writes == []
        connection.data_received(b"body")
        assert (await connection.answer())[0] == {"/echo": 200, "/nothing": 404}[target]


async def test_http_1_0_is_not_asked_for_its_body(app: FastAPI) -> None:
    """RFC 9110, 10.1.1: its clients do not know interim answers."""
    connection = Connection(app)
    connection.data_received(echo(b"body", "Expect: 100-continue", version="1.0")[:-4])
    assert connection.wire.writes == []
    connection.data_received(b"body")
    assert (await connection.answer())[2] == b"body"


@pytest.mark.parametrize("target", ["/echo", "/nothing"])
@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        (("Content-Length: 9999999",), (413, "body_too_large")),
        (("Content-Length: 8", "Content-Encoding: gzip"), (415, "unsupported_encoding")),
    ],
)
async def test_a_body_that_will_not_be_read_is_not_asked_for(
    app: FastAPI, target: str, headers: tuple[str, ...], problem: tuple[int, str]
) -> None:
    connection = Connection(app)
    connection.data_received(request(target, None, *headers, "Expect: 100-continue", method="POST"))
    assert code(await connection.answer()) == problem
    assert connection.wire.has_ended


UPGRADES = {
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA"),
    "TLS": ("Upgrade: TLS/1.2", "Connection: Upgrade"),
    "websocket": ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA=="),
}


@pytest.mark.parametrize("offer", UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize("target", ["/echo", "/nothing"])
async def test_an_offered_upgrade_changes_nothing(
    app: FastAPI, offer: tuple[str, ...], segments: int, target: str
) -> None:
    connection = Connection(app)
    sent = request(target, b"body", *offer)
    if segments == 2:
        connection.data_received(sent[:-4])
        await turns()
        assert connection.wire.writes == []
        connection.data_received(sent[-4:])
    else:
        connection.data_received(sent)
    answer = await connection.answer()
    assert answer[0] == {"/echo": 200, "/nothing": 404}[target]
    connection.data_received(request("/livez", None, *offer) + echo(b"next"))
    assert [answer[2] for answer in await connection.answers("GET", "POST")] == [LIVE, b"next"]


TOO_LARGE = {
    "announced": request("/echo", None, "Content-Length: 300000", method="POST"),
    "in chunks": chunked(bytes(300_000))[:290_000],
    "announced to a guest": request("/nothing", None, "Content-Length: 300000", method="POST"),
    "in chunks to a guest": chunked(bytes(300_000), target="/nothing")[:290_000],
}


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_body_that_is_too_large_is_refused_before_it_has_come_and_the_rest_is_discarded(
    app: FastAPI, metrics: Metrics, verbs: Verbs, sent: bytes
) -> None:
    clock = Clock()
    connection = Connection(app, loop=clock.loop)
    connection.data_received(sent)
    answer = await connection.answer()
    assert code(answer) == (413, "body_too_large")
    assert CLOSE in answer[1]
    assert connection.wire.has_ended
    for _ in range(20):
        connection.data_received(bytes(5000))
        connection.data_received(echo(b"part of the body"))
        assert connection.wire.is_reading()  # so that the client can send all of it, and then read
    await turns()
    assert verbs.computed == []
    assert connection.wire.writes == []
    clock.advance(10)
    await connection.wire.closed()
    assert sum(counts(metrics).values()) == 1


async def test_a_refused_connection_lives_while_its_client_sends_but_for_a_bounded_time(app: FastAPI) -> None:
    clock = Clock()
    connection = Connection(app, loop=clock.loop)
    connection.data_received(echo(bytes(300_000))[:1000])
    assert code(await connection.answer()) == (413, "body_too_large")
    for _ in range(25):
        clock.advance(1)
        connection.data_received(bytes(10_000))
    assert not connection.wire.is_closing()
    clock.advance(1.5)
    assert not connection.wire.is_closing()
    clock.advance(0.5)
    assert connection.wire.is_closing()


async def test_a_refused_client_that_never_ends_is_cut_off(app: FastAPI) -> None:
    clock = Clock()
    connection = Connection(app, loop=clock.loop)
    connection.data_received(echo(bytes(300_000))[:1000])
    assert code(await connection.answer()) == (413, "body_too_large")
    for _ in range(29):
        clock.advance(1)
        connection.data_received(bytes(10_000))
    assert not connection.wire.is_closing()
    clock.advance(1)
    assert connection.wire.is_closing()


async def test_a_body_that_came_whole_but_is_too_large_is_refused(app: FastAPI) -> None:
    connection = Connection(app)
    connection.data_received(chunked(bytes(300_000)))
    assert code(await connection.answer()) == (413, "body_too_large")
    await connection.wire.closed()


@pytest.mark.parametrize("sent", [echo(b"zipped"), chunked(b"zip", b"ped")], ids=["announced", "in chunks"])
async def test_a_compressed_body_is_refused_and_dropped_and_its_connection_goes_on(app: FastAPI, sent: bytes) -> None:
    connection = Connection(app)
    sent = sent.replace(b"Host: test", b"Host: test\r\nContent-Encoding: gzip")
    for _ in range(2):
        connection.data_received(sent[:-3])
        await turns()
        assert connection.wire.writes == []
        connection.data_received(sent[-3:] + echo(b"plain"))
        refused, answer = await connection.answers("POST", "POST")
        assert code(refused) == (415, "unsupported_encoding")
        assert answer[2] == b"plain"


async def test_a_guest_that_reads_no_body_leaves_its_connection_open_for_the_next_request(app: FastAPI) -> None:
    """uvicorn's protocol pauses reading where a body is longer than it likes."""
    connection = Connection(app)
    connection.data_received(request("/livez", bytes(200 * KB)))
    assert (await connection.answer())[0] == 405
    assert connection.wire.is_reading()
    connection.data_received(LIVEZ)
    assert (await connection.answer("GET"))[2] == LIVE


# What is not HTTP

BAD_HEADS = {
    "words": (GARBAGE, (400, "malformed_request")),
    "unknown method": (request("/echo", b"x", method="BREW"), (400, "malformed_request")),
    "a header's limit": (echo(b"x", f"X: {'a' * 17 * KB}"), (431, "headers_too_large")),
    "the head's limit": (
        echo(b"x", *(f"X-{number}: {'a' * 7 * KB}" for number in range(10))),
        (431, "headers_too_large"),
    ),
    "endless": (b"GET /" + b"a" * 70 * KB, (431, "headers_too_large")),
    "transfer coding": (
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        (501, "unsupported_transfer_coding"),
    ),
    "two lengths": (echo(b"x", "Content-Length: 2"), (400, "malformed_request")),
    "length and chunks": (echo(b"x", "Transfer-Encoding: chunked"), (400, "malformed_request")),
}
bad_heads = pytest.mark.parametrize(("sent", "problem"), BAD_HEADS.values(), ids=BAD_HEADS)


@bad_heads
async def test_a_head_that_cannot_be_read_is_refused_and_its_connection_ends(
    app: FastAPI, metrics: Metrics, sent: bytes, problem: tuple[int, str]
) -> None:
    clock = Clock()
    state = ServerState()
    connection = Connection(app, state, loop=clock.loop)
    connection.data_received(sent)
    answer = await connection.answer()
    assert code(answer) == problem
    assert CLOSE in answer[1]
    assert connection.wire.has_ended
    connection.data_received(LIVEZ)
    await turns()
    assert connection.wire.writes == []
    clock.advance(10)
    await connection.wire.closed()
    assert not state.connections
    assert counts(metrics) == {("none", problem[0]): 1}


@bad_heads
@pytest.mark.parametrize("good", BOTH_WAYS.values(), ids=BOTH_WAYS)
async def test_a_good_request_is_answered_before_what_comes_behind_it_is_refused(
    app: FastAPI, good: tuple[bytes, str, bytes], sent: bytes, problem: tuple[int, str]
) -> None:
    asked, method, body = good
    connection = Connection(app)
    connection.data_received(asked + sent)
    answer, refused = await connection.answers(method, "POST")
    assert answer[2] == body
    assert code(refused) == problem
    connection.leave()


BAD_CHUNKS = {
    "no size": chunked(b"good", end=b"xyz\r\n"),
    "a size that does not fit": chunked(b"good", end=b"3\r\ntoo long\r\n"),
    "a line without end": chunked(b"good", end=b"0" * 5000),
}


@pytest.mark.parametrize("sent", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
@pytest.mark.parametrize("target", ["/echo", "/nothing"])
async def test_chunks_that_cannot_be_read_are_refused_once_and_their_connection_ends(
    app: FastAPI, metrics: Metrics, verbs: Verbs, sent: bytes, target: str
) -> None:
    connection = Connection(app)
    connection.data_received(sent.replace(b"/echo", target.encode()))
    answer = await connection.answer()
    assert code(answer) == (400, "malformed_request")
    assert CLOSE in answer[1]
    assert connection.wire.has_ended
    connection.leave()
    assert verbs.computed == []
    assert counts(metrics) == {("/echo" if target == "/echo" else "none", 400): 1}


TARGETS = {
    "absolute without a path": (b"GET http://test HTTP/1.1", 404),
    "absolute with a query alone": (b"GET http://test?a=b HTTP/1.1", 404),
    "absolute": (b"GET http://test/livez HTTP/1.1", 200),
    "fragment": (b"GET /livez#part HTTP/1.1", 200),
    "asterisk": (b"OPTIONS * HTTP/1.1", 404),
    "bad escape": (b"GET /%zz HTTP/1.1", 404),
    "escape": (b"GET /live%7A HTTP/1.1", 200),
    "not UTF-8": (b"GET /%ff HTTP/1.1", 404),
}


@pytest.mark.parametrize(("line", "status"), TARGETS.values(), ids=TARGETS)
async def test_any_form_of_target_is_answered_and_the_connection_goes_on(
    app: FastAPI, line: bytes, status: int
) -> None:
    connection = Connection(app)
    connection.data_received(line + b"\r\nHost: test\r\n\r\n" + echo(b"next"))
    first, second = await connection.answers("GET", "POST")
    assert (first[0], second[2]) == (status, b"next")
    assert dict(first[1])[b"content-type"] == (b"application/json" if status == 200 else b"application/problem+json")


# Clients that read slowly


@both_ways
async def test_no_request_is_begun_while_the_client_does_not_read(
    app: FastAPI, sent: bytes, method: str, body: bytes
) -> None:
    state = ServerState()
    connection = Connection(app, state)
    connection.pause_writing()
    connection.data_received(sent * 2)
    await turns()
    assert connection.wire.writes == []
    assert not state.tasks
    connection.resume_writing()
    assert [answer[2] for answer in await connection.answers(method, method)] == [body, body]


async def test_a_client_that_stops_reading_during_an_answer_waits_for_itself(app: FastAPI, verbs: Verbs) -> None:
    connection = Connection(app)
    connection.data_received(request("/work", b"first") + echo(b"second"))
    connection.pause_writing()
    verbs.may_work.set()
    assert (await connection.answer())[2] == b"first"
    await turns()
    assert verbs.computed == [b"first"]
    connection.resume_writing()
    assert (await connection.answer())[2] == b"second"


async def test_a_guest_waits_for_its_client_to_read(app: FastAPI) -> None:
    connection = Connection(app)
    connection.data_received(LIVEZ)
    connection.pause_writing()
    await turns()
    assert connection.wire.writes == []
    connection.resume_writing()
    assert (await connection.answer("GET"))[2] == LIVE


async def test_reading_is_paused_once_more_than_64_kb_wait_and_goes_on_once_they_are_read(
    app: FastAPI, verbs: Verbs
) -> None:
    one = echo(bytes(KB))
    connection = Connection(app)
    connection.pause_writing()
    count = 0
    while count * len(one) <= 64 * KB:
        assert connection.wire.is_reading()
        connection.data_received(one)
        count += 1
    assert not connection.wire.is_reading()
    connection.resume_writing()
    assert len(await connection.answers(*["POST"] * count)) == len(verbs.computed) == count
    assert connection.wire.is_reading()


async def test_reading_is_paused_while_a_long_request_is_answered(app: FastAPI, verbs: Verbs) -> None:
    connection = Connection(app)
    connection.data_received(request("/work", b"long"))
    assert connection.wire.is_reading()
    connection.data_received(echo(bytes(100 * KB)))
    assert not connection.wire.is_reading()
    verbs.may_work.set()
    assert [len(answer[2]) for answer in await connection.answers("POST", "POST")] == [4, 100 * KB]
    assert connection.wire.is_reading()


# Streams


class Stream:
    """An answer in pieces of one byte, which fails before piece number `fails_at`."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        self.made = 0
        self.is_closed = False
        self._count = count
        self._fails_at = fails_at

    def reply(self) -> Reply:
        return StreamReply(200, "text/plain", b"", (), self._pieces(), self._count)

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self._count):
                await asyncio.sleep(0)
                if number == self._fails_at:
                    raise ZeroDivisionError("a secret")
                self.made += 1
                yield b"x"
        finally:
            self.is_closed = True


async def test_a_stream_is_written_no_faster_than_its_client_reads(app: FastAPI, verbs: Verbs) -> None:
    stream = Stream(100)
    verbs.reply = stream.reply
    connection = Connection(app)
    connection.data_received(GIVEN + echo(b"next"))
    await connection.wire.written(10)
    for _ in range(3):
        connection.pause_writing()
        await turns(5)
        made = stream.made
        await turns()
        assert stream.made == made < 90
        connection.resume_writing()
        await turns(5)
        assert stream.made > made
    whole, following = await connection.answers("GET", "POST")
    assert (whole[2], following[2]) == (b"x" * 100, b"next")
    assert stream.is_closed


async def test_a_stream_that_fails_cuts_its_connection(
    app: FastAPI, verbs: Verbs, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Stream(10, fails_at=5)
    verbs.reply = stream.reply
    connection = Connection(app)
    connection.data_received(GIVEN + echo(b"behind"))
    await connection.wire.closed()
    assert connection.wire.sent.endswith(b"\r\n\r\nxxxxx")
    assert stream.is_closed
    assert "an answer was cut off" in caplog.text
    assert counts(metrics) == {("/given", 200): 1}


@pytest.mark.parametrize("is_paused", [False, True])
async def test_a_stream_ends_with_its_client(app: FastAPI, verbs: Verbs, metrics: Metrics, is_paused: bool) -> None:
    stream = Stream(1000)
    verbs.reply = stream.reply
    state = ServerState()
    connection = Connection(app, state)
    connection.data_received(GIVEN + echo(b"behind"))
    await connection.wire.written(10)
    if is_paused:
        connection.pause_writing()
    connection.leave()
    await turns()
    assert stream.made < 20
    assert stream.is_closed
    assert not state.tasks
    assert verbs.computed == []
    assert counts(metrics) == {("/given", 200): 1}


@pytest.mark.parametrize("writes", [0, 10])
async def test_a_stream_that_the_server_gives_up_cuts_its_connection(
    app: FastAPI, verbs: Verbs, metrics: Metrics, writes: int
) -> None:
    """As uvicorn does it with what takes too long when it stops; perhaps before the stream has begun."""
    verbs.reply = Stream(1000).reply
    state = ServerState()
    connection = Connection(app, state)
    connection.data_received(GIVEN)
    while not state.tasks:
        await asyncio.sleep(0)
    await connection.wire.written(writes)
    for task in state.tasks:
        task.cancel()
    await connection.wire.closed()
    assert (connection.wire.writes == []) == (writes == 0)
    assert not state.tasks
    assert counts(metrics) == {("/given", 200): 1}


# Clients that leave

LEAVING = {
    "echo": (echo(b"x"), "/echo"),
    "stream": (GIVEN, "/given"),
    "refused": (request("/given?nonsense=1"), "/given"),
    "guest": (LIVEZ, "/livez"),
    "thread": (request("/work", b"x"), "/work"),
    "within a body": (echo(bytes(KB))[:-500], "/echo"),
    "within chunks": (chunked(bytes(KB))[:-500], "/echo"),
}


@pytest.mark.parametrize("behind", [b"", request("/nothing") + request("/readyz")], ids=["alone", "with others behind"])
@pytest.mark.parametrize(("sent", "route"), LEAVING.values(), ids=LEAVING)
async def test_a_client_may_leave_at_any_turn_and_is_counted_once(
    app: FastAPI, verbs: Verbs, metrics: Metrics, sent: bytes, route: str, behind: bytes
) -> None:
    verbs.reply = Stream(5).reply
    state = ServerState()
    other = Connection(app, state)
    for turn in range(TURNS):
        verbs.may_work.clear()
        connection = Connection(app, state)
        connection.data_received(sent + behind)
        await turns(turn)
        connection.leave()
        written = len(connection.wire.writes)
        verbs.may_work.set()
        other.data_received(request("/sample"))
        assert (await other.answer("GET"))[0] == 200
        while state.tasks:
            await asyncio.sleep(0)
        await turns()
        assert len(connection.wire.writes) == written
        assert state.connections == {other}
        counted = counts(metrics)
        assert sum(number for (name, _), number in counted.items() if name == route) == turn + 1
    assert {status for name, status in counted if name == route} <= {200, 422, 499}


async def test_a_guest_that_waits_for_its_client_to_read_ends_with_it(app: FastAPI, metrics: Metrics) -> None:
    state = ServerState()
    connection = Connection(app, state)
    connection.data_received(LIVEZ)
    connection.pause_writing()
    await turns()
    assert state.tasks
    connection.leave()
    await turns()
    assert not state.tasks
    assert connection.wire.writes == []
    assert sum(counts(metrics).values()) == 1


async def test_a_job_whose_client_left_is_not_computed(app: FastAPI, verbs: Verbs, metrics: Metrics) -> None:
    first, second, third = Connection(app), Connection(app), Connection(app)
    for connection, body in ((first, b"first"), (second, b"second"), (third, b"third")):
        connection.data_received(request("/work", body))
        await turns()
    await asyncio.to_thread(verbs.works.wait)
    second.leave()
    verbs.may_work.set()
    assert [(await one.answer())[2] for one in (first, third)] == [b"first", b"third"]
    assert verbs.computed == [b"first", b"third"]
    assert counts(metrics) == {("/work", 200): 2, ("/work", 499): 1}


# Clients that send no more


async def test_a_client_that_sends_no_more_gets_all_its_answers(app: FastAPI, verbs: Verbs) -> None:
    """Whichever turn of the event loop brings its end."""
    verbs.reply = Stream(3).reply
    for turn in range(TURNS):
        connection = Connection(app)
        connection.data_received(echo(b"1") + GIVEN + request("/given?nonsense=1") + LIVEZ + echo(b"2"))
        await turns(turn)
        connection.send_no_more()
        answers = await connection.answers("POST", "GET", "GET", "GET", "POST")
        assert [answer[0] for answer in answers] == [200, 200, 422, 200, 200]
        assert [answers[i][2] for i in (0, 1, 3, 4)] == [b"1", b"xxx", LIVE, b"2"]
        await connection.wire.closed()


async def test_a_client_that_sends_no_more_and_reads_late_gets_its_answers(app: FastAPI) -> None:
    connection = Connection(app)
    connection.pause_writing()
    connection.data_received(echo(b"1") + LIVEZ)
    connection.send_no_more()
    await turns()
    assert not connection.wire.is_closing()
    connection.resume_writing()
    assert [answer[2] for answer in await connection.answers("POST", "GET")] == [b"1", LIVE]
    await connection.wire.closed()


@pytest.mark.parametrize("half", [LIVEZ[:-2], echo(b"body")[:-2]])
@both_ways
async def test_a_client_that_sends_no_more_within_the_next_request_gets_its_answer_and_an_end(
    app: FastAPI, sent: bytes, method: str, body: bytes, half: bytes
) -> None:
    connection = Connection(app)
    connection.data_received(sent + half)
    connection.send_no_more()
    assert (await connection.answer(method))[2] == body
    await connection.wire.closed()
    assert connection.wire.writes == []


@pytest.mark.parametrize("sent", [b"", LIVEZ[:-2], echo(b"body")[:-2], chunked(b"body")[:-2]])
async def test_a_client_that_sends_no_more_within_a_request_is_not_waited_for(
    app: FastAPI, metrics: Metrics, sent: bytes
) -> None:
    connection = Connection(app)
    connection.data_received(sent)
    connection.send_no_more()
    await connection.wire.closed()
    assert connection.wire.writes == []
    assert all(status == 499 for _, status in counts(metrics))


# A server that stops


def shut_down(state: ServerState) -> None:
    """As uvicorn does it."""
    for connection in list(state.connections):
        connection.shutdown()


@pytest.mark.parametrize("sent", [b"", LIVEZ[:-2]], ids=["idle", "half a head"])
async def test_a_server_that_stops_closes_connections_without_a_request(app: FastAPI, sent: bytes) -> None:
    state = ServerState()
    fresh, used = Connection(app, state), Connection(app, state)
    used.data_received(echo(b"before"))
    await used.answer()
    used.data_received(sent)
    shut_down(state)
    for connection in (fresh, used):
        await connection.wire.closed()
        assert connection.wire.writes == []


async def test_a_server_that_stops_does_not_wait_for_a_client_that_still_reads_its_answer(app: FastAPI) -> None:
    """The transport closes once all is read; the client may not close by itself."""
    connection = Connection(app)
    connection.data_received(echo(b"large"))
    await connection.answer()
    connection.pause_writing()
    connection.shutdown()
    assert connection.wire.is_closing()


BEGUN = {
    "verb": (request("/work", b"begun"), b"", "POST", b"begun"),
    "guest": (LIVEZ, b"", "GET", LIVE),
    "stream": (GIVEN, b"", "GET", b"xxxxx"),
    "half a body": (echo(b"half"), b"half", "POST", b"half"),
    "half a body for a guest": (request("/nothing", b"half"), b"half", "POST", None),
}


@pytest.mark.parametrize(("sent", "rest", "method", "body"), BEGUN.values(), ids=BEGUN)
async def test_a_server_that_stops_answers_what_has_begun_and_closes(
    app: FastAPI, verbs: Verbs, sent: bytes, rest: bytes, method: str, body: bytes | None
) -> None:
    verbs.reply = Stream(5).reply
    state = ServerState()
    connection = Connection(app, state)
    if rest:
        connection.data_received(sent.removesuffix(rest))
    else:
        connection.data_received(sent + echo(b"behind"))
    shut_down(state)
    assert not connection.wire.is_closing()
    verbs.may_work.set()
    connection.data_received(rest)
    _, headers, content = await connection.answer(method)
    assert content == body or body is None
    assert CLOSE in headers
    await connection.wire.closed()
    assert b"behind" not in verbs.computed
    assert not state.connections


# Idle clients


async def test_an_idle_connection_is_closed_after_a_while(app: FastAPI) -> None:
    clock = Clock()
    state = ServerState()
    fresh, used = (Connection(app, state, loop=clock.loop, timeout_keep_alive=10) for _ in range(2))
    clock.advance(6)
    used.data_received(echo(b"x"))
    await used.answer()
    clock.advance(6)
    await turns()
    assert fresh.wire.is_closing()
    assert not used.wire.is_closing()
    assert state.connections == {used}
    clock.advance(6)
    assert used.wire.is_closing()


@pytest.mark.parametrize("target", ["/work", "/slow"])
async def test_a_connection_is_not_idle_while_it_is_answered(app: FastAPI, verbs: Verbs, target: str) -> None:
    may_answer = asyncio.Event()

    async def slow() -> None:
        await may_answer.wait()

    app.add_api_route("/slow", slow, methods=["POST"])
    clock = Clock()
    connection = Connection(app, loop=clock.loop, timeout_keep_alive=10)
    connection.data_received(request(target, b"x"))
    await turns()
    clock.advance(105)
    assert not connection.wire.is_closing()
    verbs.may_work.set()
    may_answer.set()
    assert (await connection.answer())[0] == 200
    clock.advance(9)
    assert not connection.wire.is_closing()
    clock.advance(10)
    assert connection.wire.is_closing()


async def test_a_connection_that_is_over_leaves_no_timer(app: FastAPI) -> None:
    clock = Clock()
    connection = Connection(app, loop=clock.loop)
    connection.data_received(echo(b"x"))
    await connection.answer()
    assert clock.is_waited_for()
    connection.leave()
    assert not clock.is_waited_for()


async def test_a_request_that_stays_unfinished_is_given_up(app: FastAPI, metrics: Metrics) -> None:
    clock = Clock()
    connection = Connection(app, loop=clock.loop, timeout_keep_alive=10)
    for byte in echo(b"slow")[:-1]:
        clock.advance(9)
        connection.data_received(bytes([byte]))
        assert not connection.wire.is_closing()
    clock.advance(10)
    await connection.wire.closed()
    assert connection.wire.writes == []
    assert counts(metrics) == {("/echo", 499): 1}
