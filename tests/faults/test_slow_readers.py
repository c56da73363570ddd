"""A client that asks and does not read: it waits for itself, and costs no more than what it is about to be sent."""

import io
from typing import Any

import numpy as np
import pytest

from tests.faults.conftest import Served
from tests.support.sockets import Answer, Connection, ask
from tests.support.verbs import GET_SAMPLE, LIVEZ, Ask, npy_samples

REQUESTS = 400
SERIES = 7  # different requests in turn, so that an answer in another's place is seen
WARM_UP = 4 * SERIES  # answers until the heap has its size
WARM_UP_SMALL = 1000  # the same for small ones, whose garbage is collected every few hundred requests
PORTION = 64 << 10  # bytes of small requests at once
PROBES = 50  # that others are answered before a request counts as one that waits for its client
MAX_FLOOD_GROWTH = 16 << 20  # segments of 256 kB among small objects leave holes in the heap: 4 to 9 MB, once
MAX_GROWTH = 8 << 20  # two answers of 3.1 MB, and a little


def asked(number: int) -> bytes:
    return npy_samples(1000 + number % SERIES, seed=number % SERIES)


def images(answer: Answer) -> Any:
    assert answer.status == 200
    return np.load(io.BytesIO(answer.body))


@pytest.mark.parametrize("at_once", [False, True], ids=["one after the other", "in one go"])
def test_a_client_that_does_not_read_takes_no_memory_and_gets_all_once_it_does(served: Served, at_once: bool) -> None:
    expected = [images(ask(served.address, asked(number))) for number in range(WARM_UP)][:SERIES]
    before = served.resident_bytes
    with Connection(served.address) as greedy, Connection(served.address) as other:
        if at_once:
            greedy.send(b"".join(map(asked, range(REQUESTS))))
        is_held_up = at_once
        for number in range(REQUESTS):
            if not at_once:
                greedy.send(asked(number))
            is_held_up = is_held_up or not any(served.in_progress() == 0 for _ in range(PROBES))
            assert other.ask(GET_SAMPLE.bytes()).status == 200
            assert served.resident_bytes - before <= MAX_GROWTH, f"after {number + 1} requests"
        for number in range(REQUESTS):
            assert np.abs(images(greedy.answer()) - expected[number % SERIES]).max() < 1e-5
        assert greedy.ask(GET_SAMPLE.bytes()).status == 200


@pytest.mark.parametrize("one", [LIVEZ, GET_SAMPLE], ids=["livez", "sample"])
def test_small_requests_without_end_take_no_memory_and_hold_up_nobody(served: Served, one: Ask) -> None:
    flood = one.bytes() * 100_000
    with Connection(served.address) as greedy, Connection(served.address) as other:
        for client in [greedy, *[other] * WARM_UP_SMALL]:
            assert client.ask(one.bytes()).status == 200
        before, sent = served.resident_bytes, 0
        for _ in range(REQUESTS):
            sent += greedy.send_what_fits(flood[sent : sent + PORTION])
            assert other.ask(one.bytes()).status == 200
            assert served.resident_bytes - before <= MAX_FLOOD_GROWTH, f"after {sent} bytes"
        greedy.reset()
    assert sent > PORTION
