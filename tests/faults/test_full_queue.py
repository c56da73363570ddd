"""A stream beside more work than the queue holds: it waits for room, and is not cut."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import serving
from tests.support.sockets import Connection
from tests.support.verbs import npy_samples

ROWS = 200_000
PAUSE_S = 0.02  # of a client that was refused; it is asked to wait for a second
LIMITS = ("--max-queue-rows", "1024", "--max-request-rows", "1024", "--max-sample-count", "1000")


@pytest.mark.slow
def test_a_stream_beside_a_full_queue_arrives_whole(tiny: tuple[str, ...]) -> None:
    is_over = threading.Event()

    def ask_for_much(address: str) -> list[int]:
        statuses = []
        with Connection(address) as connection:
            while not is_over.is_set():
                statuses.append(connection.ask(npy_samples(1000)).status)
                if statuses[-1] == 503:
                    is_over.wait(PAUSE_S)
        return statuses

    with serving(*tiny, *LIMITS) as address, ThreadPoolExecutor(8) as pool, Connection(address) as stream:
        stream.send(npy_samples(ROWS))
        head = stream.head()  # it has begun: from now on it waits for room
        others = [pool.submit(ask_for_much, address) for _ in range(8)]
        try:
            size = int(head.headers["content-length"])
            assert (head.status, size // 3136) == (200, ROWS)
            assert stream.skip(size) == size
        finally:
            is_over.set()
    statuses = [status for other in others for status in other.result()]
    assert set(statuses) == {200, 503}  # so the queue was full
