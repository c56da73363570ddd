"""MicroBatcher: every caller gets its own rows, in order, whoever else is there."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from service.batcher import MicroBatcher
from service.errors import DeadlineExceeded, InferenceFailed, QueueFull

pytestmark = pytest.mark.anyio
NEVER = float("inf")


class Graph:
    """Doubles x and notes the batches; can be held closed, so that what arrives meanwhile queues up."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.opened = threading.Event()
        self.opened.set()
        self.entered = threading.Event()
        self.fails_on: float | None = None

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, Any]:
        self.entered.set()
        assert self.opened.wait(10)
        x = inputs["x"]
        self.batches.append(x.ravel().tolist())
        if self.fails_on in x:
            raise InferenceFailed("broken")
        known: dict[str, Callable[[], Any]] = {"double": lambda: 2 * x, "negative": lambda: -x}
        return {name: known[name]() for name in outputs}


def rows(*values: float) -> dict[str, Any]:
    return {"x": np.array(values, np.float32)[:, np.newaxis]}


@pytest.fixture
def graph() -> Graph:
    return Graph()


def make(graph: Graph, **options: Any) -> MicroBatcher:
    return MicroBatcher(graph.run, **{"max_batch_rows": 4, "max_queue_rows": 20, **options})


async def hold(graph: Graph, batcher: MicroBatcher) -> "asyncio.Task[Any]":
    """A first request that occupies the graph until `graph.opened` is set."""
    graph.opened.clear()
    first = asyncio.create_task(batcher.submit(rows(0), ["double"], NEVER))
    await asyncio.to_thread(graph.entered.wait, 10)
    return first


async def submitted(batcher: MicroBatcher, *requests: Any) -> "list[asyncio.Task[Any]]":
    tasks = [asyncio.create_task(request) for request in requests]
    await asyncio.sleep(0)  # each runs up to its place in the queue
    return tasks


async def test_what_waits_goes_together(graph: Graph) -> None:
    batcher = make(graph)
    first = await hold(graph, batcher)
    tasks = await submitted(batcher, *(batcher.submit(rows(i), ["double"], NEVER) for i in (1, 2, 3)))
    graph.opened.set()
    answers = await asyncio.gather(first, *tasks)
    assert [answer["double"].tolist() for answer in answers] == [[[0]], [[2]], [[4]], [[6]]]
    assert graph.batches == [[0], [1, 2, 3]]


async def test_a_large_request_is_split_and_joined(graph: Graph) -> None:
    batcher = make(graph)
    answer = await batcher.submit(rows(*range(10)), ["double"], NEVER)
    assert answer["double"].ravel().tolist() == [2 * i for i in range(10)]
    assert graph.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_each_caller_gets_the_outputs_it_asked_for(graph: Graph) -> None:
    batcher = make(graph)
    first = await hold(graph, batcher)
    tasks = await submitted(
        batcher, batcher.submit(rows(1), ["double"], NEVER), batcher.submit(rows(2), ["negative"], NEVER)
    )
    graph.opened.set()
    _, double, negative = await asyncio.gather(first, *tasks)
    assert {name: value.tolist() for name, value in double.items()} == {"double": [[2]]}
    assert {name: value.tolist() for name, value in negative.items()} == {"negative": [[-2]]}


async def test_a_full_queue_is_refused_at_once(graph: Graph) -> None:
    batcher = make(graph, max_queue_rows=5)
    first = await hold(graph, batcher)
    waiting = await submitted(batcher, batcher.submit(rows(1, 2, 3, 4), ["double"], NEVER))
    with pytest.raises(QueueFull):
        await batcher.submit(rows(5, 6), ["double"], NEVER)
    waiting += await submitted(batcher, batcher.submit(rows(7), ["double"], NEVER))
    assert batcher.queued_rows == 5
    graph.opened.set()
    await asyncio.gather(first, *waiting)
    assert batcher.queued_rows == 0


async def test_a_request_whose_time_is_up_is_not_computed(graph: Graph) -> None:
    now = 0.0
    batcher = make(graph, clock=lambda: now)
    first = await hold(graph, batcher)
    late, timely = await submitted(
        batcher, batcher.submit(rows(1), ["double"], deadline=5.0), batcher.submit(rows(2), ["double"], deadline=9.0)
    )
    now = 6.0
    graph.opened.set()
    with pytest.raises(DeadlineExceeded):
        await late
    await asyncio.gather(first, timely)
    assert graph.batches == [[0], [2]]


async def test_what_a_cancelled_caller_left_is_not_computed(graph: Graph) -> None:
    batcher = make(graph)
    first = await hold(graph, batcher)
    gone, stays = await submitted(
        batcher, batcher.submit(rows(1), ["double"], NEVER), batcher.submit(rows(2), ["double"], NEVER)
    )
    gone.cancel()
    await asyncio.sleep(0)
    graph.opened.set()
    assert (await stays)["double"].tolist() == [[4]]
    await first
    assert gone.cancelled()
    assert graph.batches == [[0], [2]]
    assert batcher.queued_rows == 0


async def test_a_failed_batch_fails_its_members_alone(graph: Graph) -> None:
    batcher = make(graph, max_batch_rows=2)
    graph.fails_on = 2
    first = await hold(graph, batcher)
    tasks = await submitted(batcher, *(batcher.submit(rows(i), ["double"], NEVER) for i in (1, 2, 3, 4)))
    graph.opened.set()
    found = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [type(answer) for answer in found] == [dict, InferenceFailed, InferenceFailed, dict, dict]


async def test_after_a_failed_part_the_rest_of_a_request_is_not_computed(graph: Graph) -> None:
    batcher = make(graph)
    graph.fails_on = 1
    with pytest.raises(InferenceFailed):
        await batcher.submit(rows(*range(12)), ["double"], NEVER)
    assert (await batcher.submit(rows(50), ["double"], NEVER))["double"].tolist() == [[100]]
    assert graph.batches == [[0, 1, 2, 3], [50]]


async def test_an_unexpected_failure_reaches_its_callers_and_the_next_batch_runs(graph: Graph) -> None:
    batcher = make(graph)
    with pytest.raises(KeyError):
        await batcher.submit(rows(1), ["no such output"], NEVER)
    assert (await batcher.submit(rows(2), ["double"], NEVER))["double"].tolist() == [[4]]


async def test_many_random_callers_each_get_their_own_rows(graph: Graph) -> None:
    rng = np.random.default_rng(0)
    observed: list[int] = []
    batcher = make(graph, max_batch_rows=16, max_queue_rows=100_000, observe=observed.append)

    async def one(number: int) -> None:
        values = rng.random(rng.integers(1, 40)).astype(np.float32)
        for _ in range(rng.integers(0, 3)):
            await asyncio.sleep(0)
        answer = await batcher.submit({"x": values[:, np.newaxis]}, ["double", "negative"], NEVER)
        assert (answer["double"].ravel() == 2 * values).all()
        assert (answer["negative"].ravel() == -values).all()

    await asyncio.gather(*(one(number) for number in range(2000)))
    assert sum(observed) == sum(map(len, graph.batches))
    assert max(observed) == 16
    batcher.close()
