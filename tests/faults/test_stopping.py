"""A server that is asked to stop: it takes nobody new, ends what it began, and does not call itself ready."""

import contextlib
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.support.server import started
from tests.support.sockets import Connection
from tests.support.verbs import READYZ, npy_samples
from tests.support.waiting import until

ROWS = 20_000  # 63 MB: more than the system takes for a client that does not read

workers = pytest.mark.parametrize("workers", ["1", "2"], ids=["one worker", "two workers"])


@contextlib.contextmanager
def slow_request(address: str) -> Iterator[Callable[[], None]]:
    """One whose answer has begun and is not read; gives what reads it to its end."""
    with Connection(address, receive_buffer=64 << 10) as connection:
        connection.send(npy_samples(ROWS))
        size = int(connection.head().headers["content-length"])

        def finish() -> None:
            assert connection.skip(size) == size

        yield finish


def is_refused(address: str) -> bool:
    try:
        Connection(address).close()
    except ConnectionRefusedError:
        return True
    return False


@workers
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_new_clients_are_refused_at_once_and_open_requests_end(
    tiny: tuple[str, ...], workers: str, number: signal.Signals
) -> None:
    with started(*tiny, "--workers", workers) as (address, process), slow_request(address) as finish:
        process.send_signal(number)
        until(lambda: is_refused(address), 30, "new clients are refused")
        assert process.poll() is None
        finish()
        assert process.wait(60) == 0


BEGUN = {
    "idle": (b"", READYZ.bytes()),
    "half asked": (READYZ.bytes()[:-10], READYZ.bytes()[-10:]),
    "behind an answer": (npy_samples(ROWS), READYZ.bytes()),
    "asked behind an answer": (npy_samples(ROWS) + READYZ.bytes(), b""),
}


@workers
@pytest.mark.parametrize(("before", "after"), BEGUN.values(), ids=BEGUN)
def test_a_server_that_stops_does_not_say_that_it_is_ready(
    tiny: tuple[str, ...], workers: str, before: bytes, after: bytes
) -> None:
    """On a connection that was open before: it answers 503, or closes what it owes nothing."""
    with (
        started(*tiny, "--workers", workers) as (address, process),
        slow_request(address) as finish,
        Connection(address, receive_buffer=64 << 10) as probe,
    ):
        assert probe.ask(READYZ.bytes()).status == 200
        probe.send(before)
        if before.startswith(b"GET /sample"):
            size = int(probe.head().headers["content-length"])
        process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(address), 30, "new clients are refused")
        if before.startswith(b"GET /sample"):
            assert probe.skip(size) == size
        with contextlib.suppress(EOFError, ConnectionResetError):
            answer = probe.ask(after)
            assert (answer.status, answer.json["code"]) == (503, "not_ready")
            assert answer.headers["content-type"] == "application/problem+json"
            assert probe.is_ended()
        finish()
        assert process.wait(60) == 0
