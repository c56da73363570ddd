"""A worker that dies, dies again, or hangs: another takes its place, and the rest go on meanwhile."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from itertools import pairwise

import httpx
import psutil
import pytest

from tests.support.server import started
from tests.support.verbs import GET_SAMPLE
from tests.support.waiting import until

DEATHS = 4

Two = tuple[str, "subprocess.Popen[str]"]


@pytest.fixture
def two(tiny: tuple[str, ...]) -> Iterator[Two]:
    """Address and parent of two workers, which stop as asked whatever happened to them."""
    with started(*tiny, "--workers", "2") as (address, parent):
        yield address, parent
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(60) == 0


def workers(parent: "subprocess.Popen[str]") -> set[psutil.Process]:
    return set(psutil.Process(parent.pid).children())


def successor(parent: "subprocess.Popen[str]", known: set[psutil.Process], seconds: float) -> psutil.Process:
    """The worker that is not known yet, once it is there."""
    found: set[psutil.Process] = set()

    def is_there() -> bool:
        assert parent.poll() is None, "the service has ended"
        found.update(workers(parent) - known)
        return bool(found)

    until(is_there, seconds, "another worker takes the place")
    (process,) = found
    return process


def answers(address: str, times: int) -> bool:
    """Each on a connection of its own, so that any worker may take it."""
    return all(httpx.get(address + GET_SAMPLE.target, timeout=60).status_code == 200 for _ in range(times))


def test_a_worker_that_was_killed_is_replaced_while_the_other_answers(two: Two) -> None:
    address, parent = two
    before = workers(parent)
    victim = min(before, key=lambda process: process.pid)
    victim.kill()
    assert answers(address, 20)
    other = successor(parent, before, 30)
    assert workers(parent) == before - {victim} | {other}
    assert answers(address, 20)


def test_a_worker_that_dies_again_and_again_is_replaced_after_longer_and_longer_pauses(two: Two) -> None:
    address, parent = two
    known = workers(parent)
    survivor, victim = sorted(known, key=lambda process: process.pid)
    began = []  # by the system's clock of process starts, so a slow look does not count
    for _ in range(DEATHS):
        victim.kill()
        victim = successor(parent, known, 60)
        began.append(victim.create_time())
        known.add(victim)
        assert answers(address, 3)
    pauses = [after - before for before, after in pairwise(began)]
    assert pauses[-1] > 1.5 * pauses[0], pauses
    assert survivor.is_running()


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(two: Two) -> None:
    address, parent = two
    before = workers(parent)
    victim = min(before, key=lambda process: process.pid)
    victim.suspend()
    try:
        successor(parent, before, 60)
        until(lambda: not victim.is_running(), 60, "the worker that hangs is ended")
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()  # it would outlive its parent
    assert answers(address, 20)
