"""The bytes of all bodies that a process holds have a limit; whoever would pass it waits and tries again."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fastapi import FastAPI

from service.api.backend import Backend
from service.api.held import HeldBytes
from service.api.reply import Reply
from service.api.request import FREE_BYTES, Body, Request
from service.api.routes import ROUTES, Route
from service.api.schemas import ModelQuery
from service.api.verbs.form import Form, form
from service.app import create_app
from service.engine.job import Job
from service.engine.registry import Registry
from service.errors import PayloadTooLarge, QueueFull
from service.settings import Settings
from tests.support.asgi import Exchange, turns
from tests.support.sockets import request
from tests.support.wire import Connection

MB = 1 << 20
LIMIT = 4 * MB
pytestmark = pytest.mark.anyio


# One body


async def test_a_body_counts_what_it_holds_beyond_the_first_64_kb() -> None:
    held = HeldBytes(LIMIT)
    body = Body({}, LIMIT, held)
    for size, counted in ((FREE_BYTES, 0), (1, 1), (1000, 1001)):
        body.add(bytes(size))
        assert held.now == counted
    body.release()
    assert (held.now, body.content) == (0, b"")
    body.release()
    assert held.now == 0


async def test_what_a_body_announces_is_not_counted_but_refused_where_there_is_no_room() -> None:
    held = HeldBytes(LIMIT)
    announced = {b"content-length": b"%d" % (3 * MB)}
    first, second = Body(announced, LIMIT, held), Body(announced, LIMIT, held)
    assert held.now == 0
    assert not first.refusal
    first.add(bytes(3 * MB))
    second.add(bytes(MB))
    assert not second.refusal
    assert isinstance(Body(announced, LIMIT, held).refusal, QueueFull)
    assert not Body({b"content-length": b"%d" % FREE_BYTES}, LIMIT, held).refusal
    second.add(bytes(2 * MB))
    assert isinstance(second.refusal, QueueFull)
    assert second.refusal.code == "memory_full"
    assert second.content == b""
    assert held.now == 3 * MB - FREE_BYTES


async def test_a_body_that_grows_too_large_holds_nothing() -> None:
    held = HeldBytes(LIMIT)
    body = Body({}, MB, held)
    body.add(bytes(MB))
    body.add(b"x")
    assert isinstance(body.refusal, PayloadTooLarge)
    assert held.now == 0


# By both ways in


class Verb:
    """POST /hold answers once it may."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.route = Route("POST", "/hold", ModelQuery, self._prepare, self._plan, lambda latent_dim: {})

    def _prepare(self, query: ModelQuery, accepted: str, backend: Backend) -> Form:
        return form(query, accepted, ("text/plain",), backend)

    def _plan(self, form: Form, request: Request, backend: Backend) -> Job:
        return Job(self._answer, None, None, rows=1, cost_s=5e-3, timeout_s=60.0)

    def _answer(self, items: Sequence[Any]) -> list[Reply]:
        assert self.may_answer.wait(20)
        return [Reply(200, "text/plain", b"done")]


@pytest.fixture
def verb() -> Iterator[Verb]:
    verb = Verb()
    yield verb
    verb.may_answer.set()


@pytest.fixture
def app(tiny_settings: Settings, tiny_registry: Registry, verb: Verb) -> Iterator[FastAPI]:
    settings = tiny_settings.model_copy(update={"max_held_bytes": LIMIT})
    app = create_app(settings, tiny_registry, table=(*ROUTES, verb.route))
    yield app
    verb.may_answer.set()
    app.state.door.close()


def held(app: FastAPI) -> int:
    now: int = app.state.routes.held.now
    return now


def chunked(size: int) -> bytes:
    head = b"POST /hold HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size))


def assert_has_no_room(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
    assert (status, json.loads(body)["code"]) == (503, "memory_full")
    assert (b"retry-after", b"1") in headers


@pytest.mark.parametrize("second", [request("/hold", bytes(2 * MB)), chunked(2 * MB)], ids=["announced", "in chunks"])
async def test_the_wire_refuses_a_body_while_others_fill_the_limit(app: FastAPI, verb: Verb, second: bytes) -> None:
    first, other = Connection(app), Connection(app)
    first.data_received(request("/hold", bytes(3 * MB)))
    assert held(app) == 3 * MB - FREE_BYTES
    for _ in range(2):  # on one connection, which goes on
        other.data_received(second)
        assert_has_no_room(*await other.answer())
        assert held(app) == 3 * MB - FREE_BYTES
    verb.may_answer.set()
    assert (await first.answer())[0] == 200
    assert held(app) == 0
    other.data_received(second)
    assert (await other.answer())[0] == 200
    assert held(app) == 0


@pytest.mark.parametrize("headers", [[(b"content-length", b"%d" % (2 * MB))], []], ids=["announced", "in chunks"])
async def test_asgi_refuses_a_body_while_others_fill_the_limit(
    app: FastAPI, verb: Verb, headers: list[tuple[bytes, bytes]]
) -> None:
    first = Exchange(app, "POST", "/hold", body=[bytes(3 * MB)])
    running = asyncio.ensure_future(first.run())
    await turns()
    assert held(app) == 3 * MB - FREE_BYTES
    second = Exchange(app, "POST", "/hold", headers=headers, body=[bytes(MB), bytes(MB)])
    await second.run()
    assert_has_no_room(second.status, second.headers, second.body)
    verb.may_answer.set()
    await running
    assert (first.status, held(app)) == (200, 0)


async def test_a_client_that_leaves_takes_its_bytes_along(app: FastAPI) -> None:
    half, whole = Connection(app), Connection(app)
    half.data_received(request("/hold", bytes(2 * MB))[:-MB])
    whole.data_received(request("/hold", bytes(MB)))
    assert held(app) > MB
    half.leave()
    whole.leave()
    assert held(app) == 0
    exchange = Exchange(app, "POST", "/hold", body=[bytes(2 * MB)], is_whole=False)
    exchange.leave()
    await exchange.run()
    assert held(app) == 0


async def test_a_body_that_no_verb_reads_is_counted_until_it_is_answered(app: FastAPI) -> None:
    connection = Connection(app)
    connection.data_received(request("/models", bytes(3 * MB)))
    assert held(app) == 3 * MB - FREE_BYTES
    assert (await connection.answer())[0] == 405
    assert held(app) == 0


async def test_an_idle_connection_keeps_no_body(app: FastAPI, verb: Verb) -> None:
    verb.may_answer.set()
    connection = Connection(app)
    connection.data_received(request("/hold", bytes(1000)))
    await connection.answer()
    assert connection._request.body.content == b""
