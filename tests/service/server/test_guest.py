"""What the service leans on in uvicorn's protocol: one call behind the last byte of an answer, and none before."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.server.guest import Guest
from tests.support.wire import Wire

pytestmark = pytest.mark.anyio

Send = Callable[[dict[str, object]], Awaitable[None]]
App = Callable[[object, object, Send], Awaitable[None]]

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


async def whole(scope: object, receive: object, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"last"})


async def in_pieces(scope: object, receive: object, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"first", b"last"):
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def failing(scope: object, receive: object, send: Send) -> None:
    raise ZeroDivisionError


async def failing_later(scope: object, receive: object, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    raise ZeroDivisionError


def config(app: App) -> uvicorn.Config:
    return uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None, access_log=False, ws="none")


ANSWERS: dict[str, tuple[App, bytes, bytes, bool]] = {
    "keep-alive": (whole, GET, b"last", False),
    "close": (whole, GET.replace(b"Host", b"Connection: close\r\nHost"), b"last", True),
    "HTTP/1.0": (whole, GET.replace(b"1.1", b"1.0"), b"last", True),
    "HEAD": (whole, GET.replace(b"GET", b"HEAD"), b"\r\n\r\n", False),
    "chunked": (in_pieces, GET, b"\r\n0\r\n\r\n", False),
    "failing": (failing, GET, b"Internal Server Error", True),
}


@pytest.mark.parametrize(("app", "sent", "end", "closes"), ANSWERS.values(), ids=ANSWERS)
async def test_what_is_leaned_on(app: App, sent: bytes, end: bytes, closes: bool) -> None:
    """uvicorn calls `on_response_complete` once, behind the last byte, and writes nothing afterwards."""
    calls: list[bytes] = []

    class Protocol(HttpToolsProtocol):
        def on_response_complete(self) -> None:
            calls.append(wire.sent)
            assert wire.is_closing() == closes

    state = ServerState()
    protocol = Protocol(config(app), state, {})
    wire = Wire(protocol)
    protocol.connection_made(wire)
    protocol.data_received(sent)
    while state.tasks:
        await asyncio.sleep(0)
    assert calls == [wire.sent]
    assert wire.sent.startswith(b"HTTP/1.1 ")
    assert wire.sent.endswith(end)


async def test_an_answer_that_is_cut_off_closes_the_transport_instead(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "uvicorn.error")
    ended: list[None] = []
    state = ServerState()
    guest = Guest(config(failing_later), state, {}, asyncio.get_running_loop(), lambda: ended.append(None))
    wire = Wire(guest)
    guest.connection_made(wire)
    guest.data_received(GET)
    await wire.closed()
    assert ended == []


@pytest.mark.parametrize("app", [whole, in_pieces, failing])
async def test_a_guest_is_gone_once_its_answer_is_written(app: App) -> None:
    ended: list[bytes] = []
    state = ServerState()
    guest = Guest(config(app), state, {}, asyncio.get_running_loop(), lambda: ended.append(wire.sent))
    wire = Wire(guest)
    guest.connection_made(wire)
    assert len(state.connections) == 1  # so a server that stops waits for it
    guest.data_received(GET)
    while state.tasks:
        await asyncio.sleep(0)
    assert ended == [wire.sent]
    assert not state.connections
