"""Door: every job gets its own result, by its deadline, whoever else is there."""

import asyncio
import gc
import logging
import math
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from service.engine.door import Door
from service.engine.job import Job
from service.errors import DeadlineExceeded, InferenceFailed, QueueFull

pytestmark = pytest.mark.anyio

CHEAP_S, COSTLY_S, LONG_S = 1e-4, 5e-3, 0.1  # estimates: for the event loop, for the lanes of short and of long work
SOON_S, NEVER_S = 0.02, math.inf  # time-outs
SMALL_JOBS = 5  # of 1 ms each
PATIENCE_S = 10  # until a test that waits for ever fails; nothing is measured by it


class Work:
    """Doubles items and notes the groups; can be held, so that what arrives meanwhile waits."""

    def __init__(self) -> None:
        self.groups: list[list[Any]] = []
        self.threads: list[threading.Thread] = []
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.opened.set()

    def answer(self, items: Sequence[Any]) -> Sequence[Any]:
        self.groups.append(list(items))
        self.threads.append(threading.current_thread())
        self.entered.set()
        assert self.opened.wait(PATIENCE_S)
        return [2 * item for item in items]

    def job(
        self,
        item: Any,
        key: Hashable | None = "key",
        *,
        rows: int = 1,
        cost_s: float = CHEAP_S,
        timeout_s: float = NEVER_S,
    ) -> Job:
        return Job(self.answer, key, item, rows=rows, cost_s=cost_s, timeout_s=timeout_s)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.readings = 0

    def __call__(self) -> float:
        self.readings += 1
        return self.now


@pytest.fixture
def make() -> Iterator[Callable[..., Door]]:
    """Makes doors and closes them."""
    doors: list[Door] = []

    def make(**options: Any) -> Door:
        doors.append(Door(**{"max_group_rows": 8, "max_queue_rows": 100, **options}))
        return doors[-1]

    yield make
    for door in doors:
        door.close()


@pytest.fixture
def door(make: Callable[..., Door]) -> Door:
    return make()


@pytest.fixture
def work(make: Callable[..., Door]) -> Iterator[Work]:
    """Is open again before the doors close."""
    work = Work()
    yield work
    work.opened.set()


@pytest.fixture
def other(make: Callable[..., Door]) -> Iterator[Work]:
    work = Work()
    yield work
    work.opened.set()


def submit(door: Door, *jobs: Job) -> "list[asyncio.Future[Any]]":
    """What each will be answered, also if it is an exception."""
    answers = [asyncio.get_running_loop().create_future() for _ in jobs]
    for job, answer in zip(jobs, answers, strict=True):
        door.submit(job, answer.set_result)
    return answers


async def results(*answers: "asyncio.Future[Any]") -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*answers), PATIENCE_S)


async def types(*answers: "asyncio.Future[Any]") -> list[type]:
    return [type(result) for result in await results(*answers)]


async def turns(count: int = 10) -> None:
    """Lets the event loop do what it has to do."""
    for _ in range(count):
        await asyncio.sleep(0)


async def hold(door: Door, work: Work, item: Any = 0, key: Hashable = "key", **options: Any) -> "asyncio.Future[Any]":
    """A job that occupies its lane until `work.opened` is set."""
    work.opened.clear()
    work.entered.clear()
    (answer,) = submit(door, work.job(item, key, **{"cost_s": COSTLY_S, **options}))
    assert await asyncio.to_thread(work.entered.wait, PATIENCE_S)
    return answer


async def hold_small(door: Door, work: Work) -> "list[asyncio.Future[Any]]":
    """Small jobs, together too much for the event loop, which occupy their lane until `work.opened` is set."""
    work.opened.clear()
    work.entered.clear()
    answers = submit(door, *(work.job(0, cost_s=1e-3) for _ in range(SMALL_JOBS)))
    assert await asyncio.to_thread(work.entered.wait, PATIENCE_S)
    return answers


# Groups


async def test_jobs_that_arrive_together_go_together(door: Door, work: Work) -> None:
    assert await results(*submit(door, *(work.job(i) for i in (1, 2, 3)))) == [2, 4, 6]
    assert work.groups == [[1, 2, 3]]


async def test_jobs_that_the_next_turns_of_the_loop_bring_go_along(door: Door, work: Work) -> None:
    loop, answers = asyncio.get_running_loop(), []

    def arrive(item: int) -> None:
        if item < 3:
            loop.call_soon(arrive, item + 1)
        answers.extend(submit(door, work.job(item)))

    arrive(1)
    await turns()
    assert await results(*answers) == [2, 4, 6]
    assert work.groups == [[1, 2, 3]]


async def test_jobs_that_never_cease_to_arrive_do_not_hold_up_the_first(door: Door, work: Work) -> None:
    loop, arrived = asyncio.get_running_loop(), 0

    def arrive() -> None:
        nonlocal arrived
        if not work.groups and arrived < 50:
            loop.call_soon(arrive)
        arrived += 1
        submit(door, work.job(arrived))

    arrive()
    await turns(60)
    assert arrived < 8
    assert work.groups[0][0] == 1


async def test_jobs_of_different_keys_go_apart(door: Door, work: Work) -> None:
    jobs = [work.job(1, "a"), work.job(2, "b"), work.job(3, "a")]
    assert await results(*submit(door, *jobs)) == [2, 4, 6]
    assert work.groups == [[1, 3], [2]]


async def test_a_job_without_a_key_goes_alone(door: Door, work: Work) -> None:
    assert await results(*submit(door, work.job(1, None), work.job(2, None))) == [2, 4]
    assert work.groups == [[1], [2]]


async def test_a_group_of_several_has_at_most_its_rows(make: Callable[..., Door], work: Work) -> None:
    door = make(max_group_rows=4)
    await results(*submit(door, *(work.job(item, rows=rows) for item, rows in ((1, 2), (2, 2), (3, 1), (4, 9)))))
    assert work.groups == [[1, 2], [3], [4]]


async def test_a_group_of_several_takes_at_most_25_ms(door: Door, work: Work) -> None:
    costs = [10e-3, 14e-3, 2e-3, 80e-3, 1e-3]
    await results(*submit(door, *(work.job(i, cost_s=cost_s) for i, cost_s in enumerate(costs))))
    assert sorted(work.groups) == [[0, 1], [2], [3], [4]]


# Where a group runs


@pytest.mark.parametrize(("cost_s", "is_inline"), [(0.0, True), (3.9e-3, True), (4.1e-3, False), (30e-3, False)])
async def test_a_cheap_group_runs_on_the_event_loop_and_a_costly_one_in_a_thread(
    door: Door, work: Work, cost_s: float, is_inline: bool
) -> None:
    assert await results(*submit(door, work.job(1, cost_s=cost_s))) == [2]
    assert (work.threads[0] is threading.current_thread()) is is_inline


async def test_what_counts_is_the_cost_of_the_whole_group(door: Door, work: Work) -> None:
    await results(*submit(door, *(work.job(i, cost_s=1e-3) for i in range(5))))
    assert work.groups == [[0, 1, 2, 3, 4]]
    assert work.threads[0] is not threading.current_thread()


async def test_the_loop_has_a_turn_between_two_groups_that_run_on_it(door: Door, work: Work) -> None:
    loop, seen = asyncio.get_running_loop(), set()

    def turn() -> None:
        seen.add(len(work.groups))
        if len(work.groups) < 3:
            loop.call_soon(turn)

    turn()
    await results(*submit(door, *(work.job(i, key=i) for i in range(3))))
    assert {0, 1, 2} <= seen


async def test_short_work_does_not_wait_for_long_work(door: Door, work: Work, other: Work) -> None:
    long = await hold(door, work, 5, cost_s=LONG_S)
    assert await results(*submit(door, other.job(1, cost_s=COSTLY_S), other.job(2, "other"))) == [2, 4]
    assert not long.done()
    work.opened.set()
    assert await results(long) == [10]


async def test_long_work_does_not_wait_for_short_work(door: Door, work: Work, other: Work) -> None:
    short = await hold(door, work, 5)
    assert await results(*submit(door, other.job(1, cost_s=LONG_S))) == [2]
    assert not short.done()
    work.opened.set()
    assert await results(short) == [10]


async def test_costly_work_that_waits_for_its_lane_goes_together(door: Door, work: Work) -> None:
    first = await hold(door, work)
    answers = []
    for item in (1, 2, 3):
        answers += submit(door, work.job(item, cost_s=COSTLY_S))
        await turns()
    assert len(work.groups) == 1
    work.opened.set()
    assert await results(first, *answers) == [0, 2, 4, 6]
    assert work.groups == [[0], [1, 2, 3]]


async def test_a_cheap_job_waits_for_its_like_under_way_and_goes_with_what_arrives_meanwhile(
    door: Door, work: Work
) -> None:
    first = await hold_small(door, work)
    answers = []
    for item in (1, 2, 3):
        answers += submit(door, work.job(item))
        await turns()
    assert len(work.groups) == 1
    work.opened.set()
    assert await results(*first, *answers) == [*[0] * SMALL_JOBS, 2, 4, 6]
    assert work.groups == [[0] * SMALL_JOBS, [1, 2, 3]]


async def test_a_small_job_waits_for_no_larger_one_of_its_key(door: Door, work: Work, other: Work) -> None:
    large = await hold(door, work)
    assert await results(*submit(door, other.job(1))) == [2]
    assert not large.done()
    work.opened.set()
    assert await results(large) == [0]


async def test_a_cheap_job_of_another_key_does_not_wait(door: Door, work: Work, other: Work) -> None:
    first = await hold(door, work)
    assert await results(*submit(door, other.job(1, "other"))) == [2]
    assert other.threads == [threading.current_thread()]
    assert not first.done()


async def test_in_a_lane_the_keys_take_turns(make: Callable[..., Door], work: Work) -> None:
    door = make(max_group_rows=1)
    first = await hold(door, work)
    answers = submit(door, *(work.job(item, item[0], cost_s=COSTLY_S) for item in ("a1", "a2", "a3", "b1")))
    await turns()
    work.opened.set()
    await results(first, *answers)
    assert work.groups == [[0], ["a1"], ["b1"], ["a2"], ["a3"]]


# Room


async def test_a_full_queue_is_refused_at_once_and_has_room_after_answers(
    make: Callable[..., Door], work: Work
) -> None:
    door = make(max_queue_rows=5)
    first = await hold(door, work)
    second = submit(door, work.job(1, rows=3))
    with pytest.raises(QueueFull):
        submit(door, work.job(2, rows=2))
    third = submit(door, work.job(3, rows=1))
    with pytest.raises(QueueFull):
        submit(door, work.job(4, rows=1))
    work.opened.set()
    assert await results(first, *second, *third) == [0, 2, 6]
    assert await results(*submit(door, work.job(5, rows=5))) == [10]


async def test_an_empty_queue_has_room_for_any_job(make: Callable[..., Door], work: Work) -> None:
    door = make(max_queue_rows=5)
    assert await results(*submit(door, work.job(1, rows=6))) == [2]


async def test_rows_and_cost_are_counted_from_submission_to_answer(door: Door, work: Work) -> None:
    first = await hold(door, work, rows=3, cost_s=0.01)
    rest = submit(door, work.job(1, rows=2, cost_s=0.1), work.job(2, rows=4, cost_s=0.003))
    assert (door.queued_rows, door.queued_s) == (9, pytest.approx(0.113))
    await turns()
    assert (door.queued_rows, door.queued_s) == (9, pytest.approx(0.113))
    work.opened.set()
    await results(first, *rest)
    assert (door.queued_rows, door.queued_s) == (0, 0.0)


# Withdrawal


async def test_a_job_that_is_withdrawn_at_once_is_not_computed(door: Door, work: Work) -> None:
    gone, stays = work.job(1), work.job(2)
    unwanted, wanted = submit(door, gone, stays)
    door.withdraw(gone)
    assert door.queued_rows == 1
    assert await results(wanted) == [4]
    assert not unwanted.done()
    assert work.groups == [[2]]
    assert (door.queued_rows, door.queued_s) == (0, 0.0)


async def test_when_every_job_is_withdrawn_the_door_still_takes_the_next(door: Door, work: Work) -> None:
    gone = work.job(1)
    (unwanted,) = submit(door, gone)
    door.withdraw(gone)
    await turns()
    assert await results(*submit(door, work.job(2))) == [4]
    assert not unwanted.done()
    assert work.groups == [[2]]


async def test_a_job_that_is_withdrawn_while_it_waits_for_its_lane_is_not_computed(door: Door, work: Work) -> None:
    first = await hold(door, work)
    gone = work.job(1, cost_s=COSTLY_S)
    unwanted, wanted = submit(door, gone, work.job(2, cost_s=COSTLY_S))
    await turns()
    door.withdraw(gone)
    work.opened.set()
    assert await results(first, wanted) == [0, 4]
    assert not unwanted.done()
    assert work.groups == [[0], [2]]


async def test_a_job_that_is_withdrawn_under_way_gets_no_answer_and_makes_room(
    make: Callable[..., Door], work: Work
) -> None:
    door = make(max_queue_rows=5)
    work.opened.clear()
    gone = work.job(1, rows=5, cost_s=COSTLY_S)
    (unwanted,) = submit(door, gone)
    assert await asyncio.to_thread(work.entered.wait, PATIENCE_S)
    door.withdraw(gone)
    answers = submit(door, work.job(2, rows=5))
    work.opened.set()
    assert await results(*answers) == [4]
    assert not unwanted.done()


async def test_to_withdraw_twice_or_after_the_answer_changes_nothing(door: Door, work: Work, other: Work) -> None:
    first = await hold(door, work)
    jobs = [other.job(i, "other") for i in (1, 2)]
    answered, unwanted = submit(door, *jobs)
    door.withdraw(jobs[1])
    door.withdraw(jobs[1])
    await results(answered)
    assert not unwanted.done()
    door.withdraw(jobs[0])
    assert (door.queued_rows, door.queued_s) == (1, pytest.approx(COSTLY_S))
    work.opened.set()
    await results(first)


# Deadlines


@pytest.mark.parametrize("cost_s", [CHEAP_S, COSTLY_S, LONG_S])
async def test_a_job_whose_time_is_up_before_its_turn_is_not_computed(
    make: Callable[..., Door], work: Work, cost_s: float
) -> None:
    clock = Clock()
    door = make(clock=clock)
    answers = submit(door, work.job(1, cost_s=cost_s, timeout_s=5), work.job(2, cost_s=cost_s, timeout_s=7))
    clock.now += 6
    late, timely = await results(*answers)
    assert isinstance(late, DeadlineExceeded)
    assert timely == 4
    assert work.groups == [[2]]


async def test_a_deadline_counts_from_submission(make: Callable[..., Door], work: Work) -> None:
    clock = Clock()
    door = make(clock=clock)
    job = work.job(1, timeout_s=5)
    clock.now += 1000
    assert await results(*submit(door, job)) == [2]


@pytest.mark.parametrize("cost_s", [COSTLY_S, LONG_S])
async def test_a_hung_group_fails_at_its_deadline_and_so_does_what_waits_behind_it(
    make: Callable[..., Door], work: Work, cost_s: float
) -> None:
    clock = Clock()
    door = make(clock=clock)
    running = await hold(door, work, cost_s=cost_s, timeout_s=SOON_S)
    waiting = submit(door, *(work.job(i, key=i, cost_s=cost_s, timeout_s=SOON_S) for i in (1, 2)))
    await turns()
    clock.now += 1
    assert await types(running, *waiting) == [DeadlineExceeded] * 3
    assert not work.opened.is_set()
    assert (door.queued_rows, door.queued_s) == (0, 0.0)
    behind = submit(door, work.job(3, cost_s=cost_s))
    work.opened.set()
    assert await results(*behind, *submit(door, work.job(4, "other"))) == [6, 8]
    assert sorted(work.groups) == [[0], [3], [4]]


async def test_a_cheap_job_behind_its_hung_like_fails_at_its_deadline(make: Callable[..., Door], work: Work) -> None:
    clock = Clock()
    door = make(clock=clock)
    running = await hold_small(door, work)
    cheap = submit(door, work.job(1, timeout_s=SOON_S))
    await turns()
    clock.now += 1
    assert await types(*cheap) == [DeadlineExceeded]
    behind = submit(door, work.job(2))
    work.opened.set()
    assert await results(*running, *behind) == [*[0] * SMALL_JOBS, 4]
    assert work.groups == [[0] * SMALL_JOBS, [2]]


async def test_each_deadline_is_kept_whatever_came_before(make: Callable[..., Door], work: Work) -> None:
    clock = Clock()
    door = make(clock=clock)
    running = await hold(door, work, timeout_s=3600)
    first, second, third = submit(door, *(work.job(0, cost_s=COSTLY_S, timeout_s=wait * SOON_S) for wait in (3, 1, 2)))
    await turns()
    clock.now += 1.5 * SOON_S
    assert await types(second) == [DeadlineExceeded]
    assert not third.done()
    clock.now += SOON_S
    assert await types(third) == [DeadlineExceeded]
    assert not first.done()
    clock.now += SOON_S
    assert await types(first) == [DeadlineExceeded]
    assert not running.done()


async def test_a_job_that_is_withdrawn_as_a_late_one_is_answered_has_no_deadline_any_more(
    make: Callable[..., Door], work: Work
) -> None:
    clock = Clock()
    door = make(clock=clock)
    first = await hold(door, work)
    gone = work.job(1, cost_s=COSTLY_S, timeout_s=SOON_S)
    late = asyncio.get_running_loop().create_future()

    def leave(result: Any) -> None:
        door.withdraw(gone)
        late.set_result(result)

    door.submit(work.job(2, cost_s=COSTLY_S, timeout_s=-1), leave)
    submit(door, gone)
    assert await types(late) == [DeadlineExceeded]
    stays = submit(door, work.job(3, cost_s=COSTLY_S, timeout_s=SOON_S))
    await turns()
    clock.now += 1
    assert await types(*stays) == [DeadlineExceeded]
    readings = clock.readings
    await turns(20)
    assert clock.readings == readings
    work.opened.set()
    await results(first)


# What is over


@pytest.mark.parametrize("cost_s", [CHEAP_S, COSTLY_S])
async def test_of_a_job_that_is_over_nothing_is_kept(door: Door, cost_s: float) -> None:
    class Item:
        pass

    def answer_each(items: Sequence[Any]) -> Sequence[Any]:
        return [1] * len(items)

    def submitted() -> "tuple[weakref.ref[Item], list[asyncio.Future[Any]], Job]":
        item = Item()
        jobs = [Job(answer_each, "key", item, rows=1, cost_s=cost_s, timeout_s=3600) for _ in range(3)]
        return weakref.ref(item), submit(door, *jobs), jobs[0]

    item, (_, *answers), gone = submitted()
    door.withdraw(gone)
    del gone
    assert await results(*answers) == [1, 1]
    await results(*submit(door, Job(answer_each, "key", None, rows=1, cost_s=cost_s, timeout_s=3600)))
    gc.collect()
    assert item() is None


async def test_what_a_withdrawn_job_asked_is_let_go_while_it_still_waits(door: Door, work: Work) -> None:
    """It may be a body of megabytes, whose client has left."""

    class Item:
        pass

    item = Item()
    known = weakref.ref(item)
    first = await hold(door, work)
    gone = work.job(item, cost_s=COSTLY_S)
    submit(door, gone)
    await turns()
    del item
    assert known() is not None
    door.withdraw(gone)
    gc.collect()
    assert known() is None
    work.opened.set()
    await results(first)


# Failures


@pytest.mark.parametrize("cost_s", [CHEAP_S, COSTLY_S, LONG_S])
@pytest.mark.parametrize("error", [InferenceFailed("broken"), KeyError("a bug")])
async def test_an_exception_fails_its_group_alone(door: Door, work: Work, cost_s: float, error: Exception) -> None:
    def fail(items: Sequence[Any]) -> Sequence[Any]:
        raise error

    jobs = [Job(fail, "fails", i, rows=1, cost_s=cost_s, timeout_s=NEVER_S) for i in range(2)]
    answers = submit(door, jobs[0], work.job(1, cost_s=cost_s), jobs[1])
    assert await results(*answers) == [error, 2, error]
    assert await results(*submit(door, work.job(2, cost_s=cost_s))) == [4]
    assert (door.queued_rows, door.queued_s) == (0, 0.0)


@pytest.mark.parametrize("found", [[], [1], [1, 2, 3], None])
async def test_a_wrong_number_of_results_fails_the_group(door: Door, work: Work, found: Any) -> None:
    jobs = [Job(lambda items: found, "fails", i, rows=1, cost_s=CHEAP_S, timeout_s=NEVER_S) for i in range(2)]
    *failed, answered = await results(*submit(door, *jobs, work.job(1)))
    assert all(isinstance(result, Exception) for result in failed)
    assert answered == 2


async def test_one_job_of_a_group_can_fail_alone(door: Door) -> None:
    error = InferenceFailed("this one")
    jobs = [Job(lambda items: [1, error, 3], "k", i, rows=1, cost_s=CHEAP_S, timeout_s=NEVER_S) for i in range(3)]
    assert await results(*submit(door, *jobs)) == [1, error, 3]


@pytest.mark.parametrize("cost_s", [CHEAP_S, COSTLY_S])
async def test_a_caller_that_fails_does_not_cost_the_others_their_results(
    door: Door, work: Work, cost_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(result: Any) -> None:
        raise ValueError("a caller's bug")

    answers = submit(door, work.job(1, cost_s=cost_s))
    door.submit(work.job(2, cost_s=cost_s), fail)
    answers += submit(door, work.job(3, cost_s=cost_s))
    assert await results(*answers) == [2, 6]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "a caller's bug" in caplog.text
    assert await results(*submit(door, work.job(4, cost_s=cost_s))) == [8]


async def test_a_caller_may_submit_and_withdraw_as_it_is_answered(door: Door, work: Work) -> None:
    gone, last = work.job(2), asyncio.get_running_loop().create_future()

    def go_on(result: Any) -> None:
        door.withdraw(gone)
        door.submit(work.job(3), last.set_result)

    door.submit(work.job(1), go_on)
    (unwanted,) = submit(door, gone)
    assert await results(last) == [6]
    assert not unwanted.done()
    assert work.groups == [[1, 2], [3]]
    assert door.queued_rows == 0


# ask


async def test_ask_gives_the_result(door: Door, work: Work) -> None:
    assert await door.ask(work.job(4)) == 8


async def test_ask_raises_the_exception(door: Door) -> None:
    error = InferenceFailed("broken")
    with pytest.raises(InferenceFailed) as raised:
        await door.ask(Job(lambda items: [error], None, 1, rows=1, cost_s=CHEAP_S, timeout_s=NEVER_S))
    assert raised.value is error


async def test_ask_waits_for_room(make: Callable[..., Door], work: Work) -> None:
    door = make(max_queue_rows=5)
    first = await hold(door, work, rows=4)
    asked = [asyncio.ensure_future(door.ask(work.job(i, rows=3))) for i in (1, 2)]
    await turns()
    assert door.queued_rows == 4
    work.opened.set()
    assert await results(first, *asked) == [0, 2, 4]
    assert door.queued_rows == 0


async def test_ask_withdraws_its_job_when_it_is_cancelled(door: Door, work: Work) -> None:
    first = await hold(door, work)
    asked = asyncio.ensure_future(door.ask(work.job(1, rows=3, cost_s=COSTLY_S)))
    await turns()
    assert door.queued_rows == 4
    asked.cancel()
    await turns()
    assert asked.cancelled()
    assert door.queued_rows == 1
    work.opened.set()
    assert await results(first, *submit(door, work.job(2))) == [0, 4]
    assert work.groups == [[0], [2]]


async def test_ask_that_is_cancelled_while_it_waits_for_room_leaves_the_room_to_others(
    make: Callable[..., Door], work: Work
) -> None:
    door = make(max_queue_rows=5)
    first = await hold(door, work, rows=4)
    gone, stays = (asyncio.ensure_future(door.ask(work.job(i, rows=5))) for i in (1, 2))
    await turns()
    gone.cancel()
    await turns()
    assert gone.cancelled()
    work.opened.set()
    assert await results(first, stays) == [0, 4]
    assert work.groups == [[0], [2]]


# Stuck, and the end


@pytest.mark.parametrize(("cost_s", "patience_s"), [(COSTLY_S, 60.0), (LONG_S, 60.0), (10.0, 200.0)])
async def test_a_group_that_runs_much_longer_than_it_can_take_is_stuck(
    make: Callable[..., Door], work: Work, cost_s: float, patience_s: float
) -> None:
    clock = Clock()
    door = make(clock=clock)
    clock.now += 1000
    assert not door.is_stuck()
    first = await hold(door, work, cost_s=cost_s)
    clock.now += patience_s - 1
    assert not door.is_stuck()
    clock.now += 2
    assert door.is_stuck()
    work.opened.set()
    await results(first)
    assert not door.is_stuck()


async def test_the_patience_with_a_group_begins_with_the_group(make: Callable[..., Door], work: Work) -> None:
    clock = Clock()
    door = make(clock=clock)
    first = await hold(door, work, key="first")
    (second,) = submit(door, work.job(1, "second", cost_s=COSTLY_S))
    await turns()
    clock.now += 59
    work.opened.set()
    await results(first)
    work.opened.clear()
    clock.now += 59
    assert not door.is_stuck()
    work.opened.set()
    await results(second)


async def test_a_closed_door_has_no_threads_left(door: Door, work: Work) -> None:
    await results(*submit(door, work.job(1, cost_s=COSTLY_S), work.job(2, "other", cost_s=LONG_S)))
    assert len(set(work.threads)) == 2
    assert all(thread.is_alive() for thread in work.threads)
    door.close()
    assert not any(thread.is_alive() for thread in work.threads)


async def test_a_door_that_closes_waits_for_what_runs(door: Door, work: Work) -> None:
    first = await hold(door, work)
    opening = threading.Thread(target=work.opened.set)
    opening.start()
    door.close()
    opening.join()
    assert not work.threads[0].is_alive()
    assert await results(first) == [0]


async def test_a_door_that_closes_does_not_wait_for_what_is_stuck(make: Callable[..., Door], work: Work) -> None:
    clock = Clock()
    door = make(clock=clock)
    first = await hold(door, work)
    clock.now += 61
    door.close()
    assert not work.opened.is_set()
    work.opened.set()
    assert await results(first) == [0]


async def test_costly_work_that_comes_after_the_end_fails(door: Door, work: Work) -> None:
    door.close()
    found = await types(*submit(door, *(work.job(i, key=i, cost_s=COSTLY_S) for i in range(3))))
    assert found == [RuntimeError] * 3
    assert door.queued_rows == 0


async def test_all_that_waits_for_a_lane_at_the_end_fails(door: Door, work: Work) -> None:
    first = await hold(door, work)
    waiting = submit(door, *(work.job(i, key=i, cost_s=COSTLY_S) for i in range(3)))
    await turns()
    work.opened.set()
    door.close()
    assert await results(first) == [0]
    assert await types(*waiting) == [RuntimeError] * 3


# All at once


@pytest.mark.parametrize("seed", range(3))
async def test_many_random_callers_each_get_their_own_result_once(make: Callable[..., Door], seed: int) -> None:
    rng = np.random.default_rng(seed)
    door = make(max_group_rows=16, max_queue_rows=100_000)
    groups: list[tuple[list[Job], bool]] = []
    answered: dict[Job, list[Any]] = {}
    withdrawn: set[Job] = set()

    def answer(factor: int, items: Sequence[Job]) -> Sequence[Any]:
        groups.append((list(items), threading.current_thread() is threading.main_thread()))
        return [(factor, id(item)) for item in items]

    async def one() -> None:
        kind = int(rng.integers(4))
        job = Job(
            lambda items: answer(kind, items),
            ("a", "b", "c", None)[kind],
            None,
            rows=int(rng.integers(1, 24)),
            cost_s=float(rng.choice([1e-5, 1e-3, 3e-3, 30e-3], p=[0.7, 0.1, 0.15, 0.05])),
            timeout_s=-1.0 if rng.random() < 0.1 else NEVER_S,
        )
        job.item = job
        await turns(int(rng.integers(30)))
        done = asyncio.Event()
        answered[job] = []

        def note(result: Any) -> None:
            answered[job].append(result)
            done.set()

        door.submit(job, note)
        if rng.random() < 0.1:
            await turns(int(rng.integers(10)))
            if not answered[job]:
                withdrawn.add(job)
            door.withdraw(job)
            await turns()
        else:
            await asyncio.wait_for(done.wait(), PATIENCE_S)
        if job in withdrawn:
            assert answered[job] == []
        elif job.timeout_s < 0:
            assert [type(result) for result in answered[job]] == [DeadlineExceeded]
        else:
            assert answered[job] == [(kind, id(job))]

    await asyncio.gather(*(one() for _ in range(1000)))
    assert (door.queued_rows, door.queued_s) == (0, 0.0)
    door.close()
    computed = [job for group, _ in groups for job in group]
    assert len(computed) == len(set(computed))
    assert {job for job in answered if job not in withdrawn and job.timeout_s > 0} <= set(computed)
    assert all(job.timeout_s > 0 for job in computed)
    assert max(len(group) for group, _ in groups) > 1
    for group, is_inline in groups:
        assert len({job.key for job in group}) == 1
        cost_s = sum(job.cost_s for job in group)
        assert len(group) == 1 or (sum(job.rows for job in group) <= 16 and cost_s <= 25e-3)
        assert not is_inline or cost_s <= 4e-3
