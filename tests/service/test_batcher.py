"""MicroBatcher: every caller gets its own rows, in order, whoever else is there."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from service.batcher import FIXED_ROWS, MicroBatcher
from service.errors import DeadlineExceeded, InferenceFailed, QueueFull

pytestmark = pytest.mark.anyio
NEVER = float("inf")


class Graph:
    """Doubles x and notes the batches; can be held closed, so that what arrives meanwhile queues up."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.threads: list[int] = []
        self.opened = threading.Event()
        self.opened.set()
        self.entered = threading.Event()
        self.fails_on: float | None = None

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, Any]:
        self.entered.set()
        assert self.opened.wait(10)
        x = inputs["x"]
        self.batches.append(x.ravel().tolist())
        self.threads.append(threading.get_ident())
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


async def hold(graph: Graph, batcher: MicroBatcher) -> "asyncio.Future[Any]":
    """A first request that occupies the graph until `graph.opened` is set."""
    graph.opened.clear()
    first = asyncio.ensure_future(batcher.submit(rows(0), ["double"], NEVER))
    await asyncio.to_thread(graph.entered.wait, 10)
    return first


async def submitted(batcher: MicroBatcher, *requests: Any) -> "list[asyncio.Future[Any]]":
    tasks = [asyncio.ensure_future(request) for request in requests]
    await asyncio.sleep(0)  # each runs up to its place in the queue
    return tasks


async def test_what_is_alone_runs_at_once(graph: Graph) -> None:
    batcher = make(graph, max_inline_rows=4, is_alone=lambda: True)
    assert batcher.submit(rows(1, 2), ["double"], NEVER).result()["double"].tolist() == [[2], [4]]
    assert (await batcher.submit(rows(*range(9)), ["double"], NEVER))["double"].tolist() == [[2 * i] for i in range(9)]
    assert graph.batches == [[1, 2], [0, 1, 2, 3], [4, 5, 6, 7], [8]]


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


async def test_short_batches_run_on_the_event_loop_and_long_ones_in_a_thread(graph: Graph) -> None:
    batcher = make(graph, max_inline_rows=2)
    for size in (1, 2, 3, 4):
        await batcher.submit(rows(*range(size)), ["double"], NEVER)
    here = threading.get_ident()
    assert [thread == here for thread in graph.threads] == [True, True, False, False]


async def test_what_one_turn_of_the_loop_brings_goes_together_on_the_loop_too(graph: Graph) -> None:
    batcher = make(graph, max_inline_rows=4)
    answers = await asyncio.gather(*(batcher.submit(rows(i), ["double"], NEVER) for i in (1, 2, 3)))
    assert [answer["double"].tolist() for answer in answers] == [[[2]], [[4]], [[6]]]
    assert graph.batches == [[1, 2, 3]]


async def test_the_loop_has_a_turn_between_two_batches_that_run_on_it(graph: Graph) -> None:
    batcher = make(graph, max_inline_rows=4)
    turns: list[int] = []

    def turn() -> None:
        turns.append(len(graph.batches))
        if len(graph.batches) < 3:
            asyncio.get_running_loop().call_soon(turn)

    turn()
    await batcher.submit(rows(*range(12)), ["double"], NEVER)
    assert {0, 1, 2} <= set(turns)


async def test_a_request_that_comes_after_the_end_fails(graph: Graph) -> None:
    batcher = make(graph)
    batcher.close()
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(batcher.submit(rows(1), ["double"], NEVER), 10)


@pytest.mark.parametrize("max_inline_rows", [0, 5, 16])
async def test_many_random_callers_each_get_their_own_rows(graph: Graph, max_inline_rows: int) -> None:
    rng = np.random.default_rng(max_inline_rows)
    observed: list[int] = []
    batcher = make(
        graph, max_batch_rows=16, max_queue_rows=100_000, max_inline_rows=max_inline_rows, observe=observed.append
    )

    async def one() -> None:
        values = rng.random(rng.integers(1, 40)).astype(np.float32)
        wanted = (["double"], ["negative"], ["double", "negative"])[rng.integers(3)]
        is_late, is_deterministic = rng.random(2) < 0.1
        for _ in range(rng.integers(0, 3)):
            await asyncio.sleep(0)
        request = asyncio.ensure_future(
            batcher.submit(
                {"x": values[:, np.newaxis]}, wanted, float("-inf") if is_late else NEVER, bool(is_deterministic)
            )
        )
        if rng.random() < 0.1:
            for _ in range(rng.integers(0, 30)):
                await asyncio.sleep(0)
            request.cancel()
        try:
            answer = await request
        except asyncio.CancelledError:
            return
        except DeadlineExceeded:
            assert is_late
            return
        assert not is_late
        assert answer.keys() == set(wanted)
        for name, factor in (("double", 2), ("negative", -1)):
            assert name not in answer or (answer[name].ravel() == factor * values).all()

    await asyncio.gather(*(one() for _ in range(1000)))
    batcher.close()
    assert batcher.queued_rows == 0
    assert observed == [len(batch) for batch in graph.batches]
    assert max(observed) == 16
    threads = {size for size, thread in zip(observed, graph.threads, strict=True) if thread != threading.get_ident()}
    assert all(size > max_inline_rows for size in threads)


async def test_a_deterministic_request_goes_alone_in_batches_of_one_size(graph: Graph) -> None:
    batcher = make(graph, max_batch_rows=16)
    first = await hold(graph, batcher)
    tasks = await submitted(
        batcher,
        batcher.submit(rows(1), ["double"], NEVER),
        batcher.submit(rows(*range(2, 12)), ["double"], NEVER, deterministic=True),
        batcher.submit(rows(12), ["double"], NEVER),
        batcher.submit(rows(13), ["double"], NEVER, deterministic=True),
    )
    graph.opened.set()
    _, *answers = await asyncio.gather(first, *tasks)
    assert [answer["double"].ravel().tolist() for answer in answers] == [[2], [*range(4, 24, 2)], [24], [26]]
    zeros = [0] * FIXED_ROWS
    assert graph.batches == [
        [0],
        [1],
        [*range(2, 2 + FIXED_ROWS)],
        [10, 11, *zeros[2:]],
        [12],
        [13, *zeros[1:]],
    ]
    assert batcher.queued_rows == 0
