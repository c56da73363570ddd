"""Door: jobs come in one by one, are gathered into groups, and each group is answered by one plain call.

The service's only queue, and the only file below the api that knows asyncio. Jobs that arrive while turns of the event
loop bring more of them, or while a lane is busy, go together; nothing waits on a clock. A cheap group runs on the event
loop. An expensive one runs in a thread: in the lane for short work or in the lane for long work, so that a small
request never waits for a large one to end. Every job has a result by its deadline, even if a graph hangs.
Crankshaw et al. 2017, "Clipper", section 4.3, without its delay.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from service.engine.job import Answer, Job, Waiting
from service.engine.lane import Lane
from service.errors import DeadlineExceeded, QueueFull

_MAX_TURNS = 4  # of the event loop in which a group may grow
_INLINE_S = 4e-3  # a group this cheap runs on the event loop: a thread would fight it for Python's lock
_SHORT_S = 25e-3  # the most work in a group of several jobs, and in the lane for short work

_logger = logging.getLogger("service")


class Door:
    """All methods are for the event loop's thread."""

    def __init__(
        self, *, max_group_rows: int, max_queue_rows: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """max_group_rows: in a group of several jobs. max_queue_rows: submitted and not answered. clock: in seconds."""
        self._max_group_rows = max_group_rows
        self._max_queue_rows = max_queue_rows
        self._clock = clock
        self._new: Waiting = {}
        self._arrived = 0  # jobs that were never in a group
        self._short, self._long = Lane("short"), Lane("long")
        self._watched: set[Job] = set()  # those in lanes; what runs on the event loop is over before it could be late
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf
        self._waiting: list[asyncio.Future[None]] = []  # for room, which is kept for them
        self._waiting_rows = 0
        self.queued_rows = 0
        self.queued_s = 0.0

    def submit(self, job: Job, done: Callable[[Any], None]) -> None:
        """done: called once, with the job's result or exception, unless the job is withdrawn first.

        Raises QueueFull if there is no room for the job's rows.
        """
        if not self._has_room(job.rows + self._waiting_rows):
            raise QueueFull(f"The queue of {self._max_queue_rows} rows has no room for {job.rows} more now.")
        self._add(job, done)

    def withdraw(self, job: Job) -> None:
        """Nobody waits for the job any more."""
        if not job.is_open:
            return
        job.is_open = False
        job.item = None  # which may be large; a group that runs has it
        self._watched.discard(job)
        self.queued_rows -= job.rows
        self.queued_s = self.queued_s - job.cost_s if self.queued_rows else 0.0
        waiting, self._waiting = self._waiting, []
        for room in waiting:
            _settle(room, None)

    async def ask(self, job: Job) -> Any:
        """The job's result. Waits for room where `submit` raises QueueFull; raises the job's exception."""
        loop = asyncio.get_running_loop()
        self._waiting_rows += job.rows
        try:
            while not self._has_room(job.rows):
                self._waiting.append(room := loop.create_future())
                await room
        finally:
            self._waiting_rows -= job.rows
        answer = loop.create_future()
        self._add(job, lambda result: _settle(answer, result))
        try:
            result = await answer
        finally:
            self.withdraw(job)
        if isinstance(result, Exception):
            raise result
        return result

    def is_stuck(self) -> bool:
        """Whether a group has run for much longer than it can take."""
        return any(lane.runs_for_s(self._clock()) > lane.patience_s for lane in (self._short, self._long))

    def close(self) -> None:
        """Ends the lanes' threads once their groups are done."""
        for lane in (self._short, self._long):
            lane.thread.shutdown(wait=not self.is_stuck())

    def _add(self, job: Job, done: Callable[[Any], None]) -> None:
        job.done = done
        job.deadline = self._clock() + job.timeout_s
        job.is_open = True
        self.queued_rows += job.rows
        self.queued_s += job.cost_s
        is_first = not self._new
        _put(self._new, job)
        self._arrived += 1
        if is_first:
            self._arrived = 1
            asyncio.get_running_loop().call_soon(self._gather, 1, _MAX_TURNS)

    def _has_room(self, rows: int) -> bool:
        return not self.queued_rows or self.queued_rows + rows <= self._max_queue_rows

    def _gather(self, seen: int, turns: int) -> None:
        """Waits for a turn of the event loop that brings no more. Reading what arrives is work to be done anyway."""
        if self._arrived > seen and turns > 1:
            asyncio.get_running_loop().call_soon(self._gather, self._arrived, turns - 1)
        else:
            self._act()

    def _act(self) -> None:
        """Answers the next group, or puts it into its lane. The event loop has a turn between two groups."""
        group = self._take(self._new)
        if self._new:
            asyncio.get_running_loop().call_soon(self._act)
        if group and (lane := self._lane(group)):
            for job in group:
                _put(lane.waiting, job)
            self._watch(group)
            self._run(lane)
        elif group:
            self._deliver(group, _results(*_asked(group)))

    def _take(self, waiting: Waiting) -> list[Job]:
        """The open jobs of the next key, as many as make a group; a job beyond its limits makes one alone."""
        group: list[Job] = []
        rows, cost_s, now = 0, 0.0, self._clock()
        while waiting and not group:
            key = next(iter(waiting))
            jobs = waiting.pop(key)
            while jobs:
                job = jobs[0]
                if job.is_open and job.deadline < now:
                    self._deliver([job], [_too_late()])
                elif job.is_open:
                    if group and (rows + job.rows > self._max_group_rows or cost_s + job.cost_s > _SHORT_S):
                        waiting[key] = jobs  # behind the other keys
                        break
                    group.append(job)
                    rows += job.rows
                    cost_s += job.cost_s
                jobs.popleft()
        return group

    def _lane(self, group: Sequence[Job]) -> Lane | None:
        """None for the event loop. A cheap group waits for its like where that is under way, and goes with more."""
        cost_s = sum(job.cost_s for job in group)
        if cost_s > _SHORT_S:
            return self._long
        is_under_way = bool(self._short.group) and self._short.group[0].key == group[0].key
        return self._short if cost_s > _INLINE_S or is_under_way else None

    def _run(self, lane: Lane) -> None:
        """The lane's next group in its thread, if the lane is idle and has one."""
        if lane.group:
            return
        while group := self._take(lane.waiting):
            try:
                running = asyncio.get_running_loop().run_in_executor(lane.thread, _results, *_asked(group))
            except RuntimeError as error:  # the door was closed
                self._deliver(group, [error] * len(group))
                continue
            lane.begin(group, self._clock())
            running.add_done_callback(lambda done: self._finish(lane, done))
            return

    def _finish(self, lane: Lane, done: "asyncio.Future[Sequence[Any]]") -> None:
        group, lane.group = lane.group, []
        try:
            self._deliver(group, done.result())
        finally:
            self._run(lane)

    def _deliver(self, group: Iterable[Job], results: Iterable[Any]) -> None:
        for job, result in zip(group, results, strict=True):
            if job.is_open:
                self.withdraw(job)
                try:
                    job.done(result)
                except Exception:  # a bug of one caller's; the others still get their results
                    _logger.exception("a result could not be delivered")

    def _watch(self, group: Sequence[Job]) -> None:
        self._watched.update(group)
        if min(job.deadline for job in group) < self._alarm_at:
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm_at = min(job.deadline for job in self._watched)
        delay_s = max(0.0, self._alarm_at - self._clock())
        self._alarm = asyncio.get_running_loop().call_later(delay_s, self._expire)

    def _expire(self) -> None:
        """Fails the jobs whose time is up, also those that run: what comes of them is dropped."""
        self._alarm, self._alarm_at = None, math.inf
        late = [job for job in self._watched if job.deadline <= self._clock()]
        self._watched.difference_update(late)
        self._deliver(late, [_too_late()] * len(late))
        if self._watched:
            self._set_alarm()


def _put(waiting: Waiting, job: Job) -> None:
    waiting.setdefault(job.key, deque()).append(job)


def _asked(group: Sequence[Job]) -> tuple[Answer, Sequence[Any]]:
    """What answers a group, and its items."""
    return group[0].answer, [job.item for job in group]


def _results(answer: Answer, items: Sequence[Any]) -> Sequence[Any]:
    """A result or an exception for each item. A bug fails its group, so that no caller is left waiting."""
    try:
        results = answer(items)
        if len(results) != len(items):
            raise RuntimeError(f"{len(results)} results for {len(items)} jobs")
    except Exception as error:
        return [error] * len(items)
    return results


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded("The request waited longer than its time allows.")


def _settle(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():  # else its caller has left
        future.set_result(result)
