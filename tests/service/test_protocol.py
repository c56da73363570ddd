"""An answer leaves in one piece, and with the answers of other requests; whatever is written leaves, in its order."""

import asyncio
import socket

import pytest
import uvicorn
from uvicorn.server import ServerState

from service.protocol import HoldingTransport, Protocol
from tests.server import serving

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
ALONE, TOGETHER = ("this",), ("this", "another")


class Wire:
    """A transport that remembers what was sent, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed_after = -1

    def write(self, data: bytes | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed_after = len(self.writes)

    def get_extra_info(self, name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.closed_after >= 0


def sent(requests: tuple[str, ...], *writes: bytes | memoryview, turns: int = 0, close: bool = False) -> Wire:
    """What these writes become on the wire, with as many turns of the loop after each of them."""
    wire = Wire()

    async def main() -> None:
        transport = HoldingTransport(wire, asyncio.get_running_loop(), requests)  # type: ignore[arg-type]
        for data in writes:
            transport.write(data)
            for _ in range(turns):
                await asyncio.sleep(0)
        if close:
            transport.close()
        assert transport.is_closing() == close
        await asyncio.sleep(0)

    asyncio.run(main())
    return wire


@pytest.mark.parametrize("requests", [ALONE, TOGETHER])
@pytest.mark.parametrize("body", [b"ok", memoryview(b"ok")])
def test_a_head_and_its_body_are_one_write(requests: tuple[str, ...], body: bytes | memoryview) -> None:
    assert sent(requests, HEAD, body).writes == [HEAD + b"ok"]


def test_a_lone_answer_does_not_wait_for_the_loop() -> None:
    assert sent(ALONE, HEAD, b"ok", HEAD, b"no").writes == [HEAD + b"ok", HEAD + b"no"]
    assert sent(ALONE, b"more").writes == [b"more"]


def test_where_others_are_answered_too_all_leaves_after_the_turn() -> None:
    assert sent(TOGETHER, HEAD, b"ok", HEAD, b"no").writes == [HEAD + b"ok" + HEAD + b"no"]
    order = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        wires = [Wire(), Wire()]
        for name, wire in zip("ab", wires, strict=True):
            wire.write = lambda data, name=name: order.append(name)  # type: ignore[method-assign, misc]
            HoldingTransport(wire, loop, TOGETHER).write(b"ok")  # type: ignore[arg-type]
            order.append("worked")
        await asyncio.sleep(0)

    asyncio.run(main())
    assert order == ["worked", "worked", "a", "b"]


@pytest.mark.parametrize("requests", [ALONE, TOGETHER])
def test_a_large_body_is_not_copied(requests: tuple[str, ...]) -> None:
    body = bytes(1 << 20)
    assert sent(requests, HEAD, body, b"end").writes == [HEAD, body, b"end"]


@pytest.mark.parametrize("requests", [ALONE, TOGETHER])
def test_a_head_without_a_body_leaves_in_the_loops_next_turn(requests: tuple[str, ...]) -> None:
    assert sent(requests, HEAD).writes == [HEAD]
    assert sent(requests, HEAD, b"ok", turns=1).writes == [HEAD, b"ok"]


@pytest.mark.parametrize("requests", [ALONE, TOGETHER])
def test_what_looks_like_a_head_within_a_body_leaves_too(requests: tuple[str, ...]) -> None:
    writes = (b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"1", b"HTTP/1.1 x", b"2", b"HTTP/1.1 y")
    assert b"".join(sent(requests, *writes).writes) == b"".join(writes)


def test_closing_sends_what_is_held_first() -> None:
    wire = sent(TOGETHER, HEAD, b"ok", close=True)
    assert (wire.writes, wire.closed_after) == ([HEAD + b"ok"], 1)


def test_what_is_held_for_a_client_that_left_is_dropped() -> None:
    wire = Wire()

    async def main() -> None:
        HoldingTransport(wire, asyncio.get_running_loop(), TOGETHER).write(b"ok")  # type: ignore[arg-type]
        wire.close()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert wire.writes == []


def test_a_client_that_sends_no_more_gets_what_is_held() -> None:
    wire = Wire()
    config = uvicorn.Config(None, lifespan="off")  # type: ignore[arg-type]

    async def main() -> None:
        config.load()
        protocol = Protocol(config, ServerState(), {})
        protocol.tasks.update(TOGETHER)  # type: ignore[arg-type]
        protocol.connection_made(wire)  # type: ignore[arg-type]
        protocol.transport.write(b"ok")
        assert wire.writes == []
        protocol.eof_received()
        wire.close()

    asyncio.run(main())
    assert wire.writes == [b"ok"]


def test_a_server_answers_in_one_piece_and_pipelined_requests_in_order(tiny_models) -> None:
    with serving("--models-dir", str(tiny_models), "--default-model", "tiny-vae") as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            for path in ("/livez", "/nowhere"):
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
                assert int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) == len(body) > 0
            connection.sendall(b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.sendall(2 * b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while received.count(b"HTTP/1.1 ") < 3 or not received.endswith(b"}"):
                received += connection.recv(1 << 16)
