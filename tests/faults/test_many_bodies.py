"""Large bodies of many clients at once: what a process holds of them has a limit, and whoever stays is answered."""

import contextlib
import signal

import psutil

from tests.support.server import started
from tests.support.sockets import Connection, ask, request
from tests.support.verbs import ENCODE, LIVEZ, PNG

MB = 1 << 20
LIMIT = 32 * MB
CLIENTS, EACH = 24, 8 * MB  # 192 MB in all
SPARE = 40 * MB  # what growing arrays take besides, and 64 KB a client that nobody counts


def unfinished(size: int) -> bytes:
    """A chunk of that size, and no end behind it."""
    return (
        request("/encode", headers=[PNG, "Transfer-Encoding: chunked"], method="POST") + b"%x\r\n" % size + bytes(size)
    )


def test_the_bodies_of_many_clients_take_no_more_memory_than_they_may(tiny: tuple[str, ...]) -> None:
    with started(*tiny, "--max-held-bytes", str(LIMIT)) as (address, server):
        process = psutil.Process(server.pid)
        ask(address, ENCODE.bytes())
        before = process.memory_info().rss
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Connection(address)) for _ in range(CLIENTS)]
            for client in clients:
                client.send(unfinished(EACH))
                assert ask(address, LIVEZ.bytes()).status == 200  # nobody is held up
            assert process.memory_info().rss - before < LIMIT + SPARE
            statuses = [client.ask(b"\r\n0\r\n\r\n").status for client in clients]
            assert statuses.count(503) >= CLIENTS - LIMIT // EACH - 1
            assert {*statuses} == {503, 415}  # zeros are no picture
            assert ask(address, ENCODE.bytes()).status == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
