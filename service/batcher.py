"""MicroBatcher: rows of many callers in, one batch at a time through a graph, each caller's rows out.

Nothing waits on a clock: what arrives while turns of the event loop bring more of it, or while a batch runs, goes
together. Short batches run on the event loop itself, long ones in a thread. A request larger than a batch is split
and joined. What a cancelled caller left, and what has passed its deadline, is skipped; a batch that fails, fails its
members alone.
A deterministic request's rows go without company, in batches of one fixed size: the same shapes, so the same bits.
Crankshaw et al. 2017, "Clipper", section 4.3, without its delay.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from service.errors import DeadlineExceeded, QueueFull
from service.gathering import Gathering

AnyArray = npt.NDArray[Any]
Rows = Mapping[str, AnyArray]
Run = Callable[[Rows, Sequence[str]], dict[str, AnyArray]]

FIXED_ROWS = 8  # of every batch of a deterministic request; to change it changes such answers' last bits


class MicroBatcher:
    """One queue and one thread before one graph. All methods are for the event loop's thread."""

    def __init__(
        self,
        run: Run,
        *,
        max_batch_rows: int,
        max_queue_rows: int,
        max_inline_rows: int = 0,
        observe: Callable[[int], None] = lambda rows: None,
        allocate: Callable[[tuple[int, ...], npt.DTypeLike], AnyArray] = np.empty,
        is_alone: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """run: inputs and wanted outputs by name → outputs, rows in order. observe: told the rows of every batch.

        max_inline_rows: a batch of at most so many rows runs on the event loop.
        is_alone: whether there is but one request in the process.
        allocate: shape and type → an array, for what several batches give one request.
        """
        self._run = run
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._max_inline_rows = max_inline_rows
        self._observe = observe
        self._allocate = allocate
        self._clock = clock
        self._queue: deque[_Request] = deque()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="graph")
        self._is_working = False
        self._gathering = Gathering(self._work, lambda: len(self._queue), is_alone)
        self.queued_rows = 0

    def submit(
        self, inputs: Rows, outputs: Sequence[str], deadline: float, deterministic: bool = False
    ) -> "asyncio.Future[dict[str, AnyArray]]":
        """The named outputs for these rows. deadline: on this batcher's clock, in seconds.

        deterministic: the answer's bits do not depend on what else there is to do.
        Raises QueueFull at once if the queue has no room; the future, DeadlineExceeded if its turn comes too late, or
        InferenceFailed.
        """
        loop = asyncio.get_running_loop()
        fixed_rows = FIXED_ROWS if deterministic else 0
        request = _Request(inputs, outputs, deadline, loop.create_future(), fixed_rows, self._allocate)
        if self.queued_rows + request.rows > self._max_queue_rows:
            raise QueueFull(f"The queue of {self._max_queue_rows} rows has no room for {request.rows} more now.")
        self._queue.append(request)
        self.queued_rows += request.rows
        if not self._is_working:
            self._is_working = True
            self._gathering.begin()
        return request.answer

    def close(self) -> None:
        """Ends the thread once the batch in hand is done."""
        self._executor.shutdown(wait=True)

    def _work(self) -> None:
        """The next batch, here or in the thread; the loop has a turn after each that runs here."""
        batch, rows = self._next_batch()
        if not rows:
            self._is_working = False
        elif rows <= self._max_inline_rows:
            _share(batch, self._outcome(batch, rows))
            if self._queue:
                asyncio.get_running_loop().call_soon(self._work)
            else:
                self._is_working = False
        else:
            try:
                self._executor.submit(self._run_in_thread, asyncio.get_running_loop(), batch, rows)
            except RuntimeError as error:  # the thread has been ended
                _share(batch, error)
                self._is_working = False

    def _run_in_thread(self, loop: asyncio.AbstractEventLoop, batch: "list[_Part]", rows: int) -> None:
        outcome = self._outcome(batch, rows)
        loop.call_soon_threadsafe(self._resume, batch, outcome)

    def _resume(self, batch: "list[_Part]", outcome: "_Outcome") -> None:
        _share(batch, outcome)
        self._work()

    def _next_batch(self) -> "tuple[list[_Part], int]":
        """Rows from the head of the queue, at most a batch of them; a request may give only some of its rows.

        Also how many rows will run, padding included.
        """
        batch: list[_Part] = []
        room = self._max_batch_rows
        now = self._clock()
        while self._queue and room:
            request = self._queue[0]
            if request.answer.done():  # its caller left, or an earlier part of it failed
                self._drop(request)
            elif now > request.deadline:
                self._drop(request)
                request.answer.set_exception(DeadlineExceeded("The request waited longer than its time allows."))
            elif request.fixed_rows and batch:
                break
            else:
                part = request.take(request.fixed_rows or room)
                batch.append(part)
                room -= part.rows
                self.queued_rows -= part.rows
                if request.untaken == 0:
                    self._queue.popleft()
                if request.fixed_rows:
                    return batch, request.fixed_rows
        return batch, self._max_batch_rows - room

    def _drop(self, request: "_Request") -> None:
        self._queue.popleft()
        self.queued_rows -= request.untaken

    def _outcome(self, batch: "list[_Part]", rows: int) -> "_Outcome":
        """The batch's outputs, or why there are none."""
        try:
            self._observe(rows)
            wanted = dict.fromkeys(name for part in batch for name in part.request.outputs)
            parts = [part.inputs() for part in batch]
            if len(parts) == 1:
                return self._run(parts[0], list(wanted))
            return self._run({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, list(wanted))
        except Exception as error:  # also a bug's: its callers must not wait for ever
            return error


class _Request:
    """One caller's rows, how many of them are on their way, and the answer as it comes together."""

    __slots__ = (
        "_allocate",
        "_answered",
        "_joined",
        "answer",
        "deadline",
        "fixed_rows",
        "inputs",
        "outputs",
        "rows",
        "untaken",
    )

    def __init__(
        self,
        inputs: Rows,
        outputs: Sequence[str],
        deadline: float,
        answer: asyncio.Future[dict[str, AnyArray]],
        fixed_rows: int,
        allocate: Callable[[tuple[int, ...], npt.DTypeLike], AnyArray],
    ) -> None:
        """fixed_rows: of each batch, which holds rows of this request alone; 0 for any company."""
        self.inputs = inputs
        self.outputs = outputs
        self.deadline = deadline
        self.answer = answer
        self.fixed_rows = fixed_rows
        self._allocate = allocate
        self.rows = len(next(iter(inputs.values())))
        self.untaken = self.rows
        self._answered = 0
        self._joined: dict[str, AnyArray] = {}

    def take(self, room: int) -> "_Part":
        start = self.rows - self.untaken
        stop = min(self.rows, start + room)
        self.untaken = self.rows - stop
        return _Part(self, start, stop)

    def join(self, start: int, stop: int, outputs: Rows) -> None:
        """Rows start…stop of the answer; the last ones to come set it."""
        if not self._joined:
            shapes = {name: (self.rows, *outputs[name].shape[1:]) for name in self.outputs}
            self._joined = {name: self._allocate(shape, outputs[name].dtype) for name, shape in shapes.items()}
        for name, values in self._joined.items():
            values[start:stop] = outputs[name]
        self._answered += stop - start
        if self._answered == self.rows:
            self.answer.set_result(self._joined)


class _Part:
    """Rows start…stop of one request, as they travel in one batch."""

    __slots__ = ("request", "rows", "start", "stop")

    def __init__(self, request: _Request, start: int, stop: int) -> None:
        self.request = request
        self.start = start
        self.stop = stop
        self.rows = stop - start

    def inputs(self) -> Rows:
        """Filled up with zeros where the request has a fixed batch."""
        padding = max(0, self.request.fixed_rows - self.rows)
        if self.rows == self.request.rows and not padding:
            return self.request.inputs
        inputs = {name: rows[self.start : self.stop] for name, rows in self.request.inputs.items()}
        if not padding:
            return inputs
        return {
            name: np.concatenate([rows, np.zeros((padding, *rows.shape[1:]), rows.dtype)])
            for name, rows in inputs.items()
        }


_Outcome = dict[str, AnyArray] | Exception


def _share(batch: list[_Part], outcome: _Outcome) -> None:
    """Hands every member its rows of the batch's outputs, or what went wrong."""
    first = 0
    for part in batch:
        request = part.request
        last = first + part.rows
        if request.answer.done():  # its caller left
            pass
        elif isinstance(outcome, Exception):
            request.answer.set_exception(outcome)
        elif part.rows == request.rows:
            request.answer.set_result({name: outcome[name][first:last] for name in request.outputs})
        else:
            request.join(part.start, part.stop, {name: outcome[name][first:last] for name in request.outputs})
        first = last
