"""MicroBatcher: rows of many callers in, one batch at a time through a graph, each caller's rows out.

Nothing waits on a clock: while one batch runs, what arrives queues up and goes together as soon as the runtime is free.
A request larger than a batch is split and joined. What a cancelled caller left, and what has passed its deadline, is
skipped; a batch that fails, fails its members alone. Crankshaw et al. 2017, "Clipper", section 4.3, without its delay.
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

AnyArray = npt.NDArray[Any]
Rows = Mapping[str, AnyArray]
Run = Callable[[Rows, Sequence[str]], dict[str, AnyArray]]


class MicroBatcher:
    """One queue and one thread before one graph. All methods but `run` itself are for the event loop's thread."""

    def __init__(
        self,
        run: Run,
        *,
        max_batch_rows: int,
        max_queue_rows: int,
        observe: Callable[[int], None] = lambda rows: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """run: inputs and wanted outputs by name → outputs, rows in order. observe: told the rows of every batch."""
        self._run = run
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._observe = observe
        self._clock = clock
        self._queue: deque[_Request] = deque()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="graph")
        self._worker: asyncio.Task[None] | None = None
        self.queued_rows = 0

    async def submit(self, inputs: Rows, outputs: Sequence[str], deadline: float) -> dict[str, AnyArray]:
        """The named outputs for these rows. deadline: on this batcher's clock, in seconds.

        Raises QueueFull at once if the queue has no room, DeadlineExceeded if its turn comes too late, InferenceFailed.
        """
        request = _Request(inputs, outputs, deadline)
        if self.queued_rows + request.rows > self._max_queue_rows:
            raise QueueFull(f"The queue of {self._max_queue_rows} rows has no room for {request.rows} more now.")
        self._queue.append(request)
        self.queued_rows += request.rows
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await request.answer

    def close(self) -> None:
        """Ends the thread once the batch in hand is done."""
        self._executor.shutdown(wait=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next_batch():
                try:
                    outputs = await loop.run_in_executor(self._executor, self._run_batch, batch)
                except Exception as error:  # also a bug's: its callers must not wait for ever
                    for part in batch:
                        part.request.fail(error)
                else:
                    _share(batch, outputs)
        finally:
            self._worker = None

    def _next_batch(self) -> list["_Part"]:
        """Rows from the head of the queue, at most a batch of them; a request may give only some of its rows."""
        batch: list[_Part] = []
        room = self._max_batch_rows
        while self._queue and room:
            request = self._queue[0]
            if request.answer.done():  # its caller left, or an earlier part of it failed
                self._drop(request)
            elif self._clock() > request.deadline:
                self._drop(request)
                request.fail(DeadlineExceeded("The request waited longer than its time allows."))
            else:
                part = request.take(room)
                batch.append(part)
                room -= part.rows
                self.queued_rows -= part.rows
                if request.untaken == 0:
                    self._queue.popleft()
        return batch

    def _drop(self, request: "_Request") -> None:
        self._queue.popleft()
        self.queued_rows -= request.untaken

    def _run_batch(self, batch: list["_Part"]) -> dict[str, AnyArray]:
        """Runs off the event loop."""
        self._observe(sum(part.rows for part in batch))
        wanted = list(dict.fromkeys(name for part in batch for name in part.request.outputs))
        if len(batch) == 1:
            return self._run(batch[0].inputs(), wanted)
        parts = [part.inputs() for part in batch]
        return self._run({name: np.concatenate([rows[name] for rows in parts]) for name in parts[0]}, wanted)


class _Request:
    """One caller's rows, how many of them are on their way, and the answer as it comes together."""

    def __init__(self, inputs: Rows, outputs: Sequence[str], deadline: float) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.deadline = deadline
        self.rows = len(next(iter(inputs.values())))
        self.untaken = self.rows
        self.answer: asyncio.Future[dict[str, AnyArray]] = asyncio.get_running_loop().create_future()
        self._answered = 0
        self._outputs: dict[str, AnyArray] = {}

    def take(self, room: int) -> "_Part":
        start = self.rows - self.untaken
        stop = min(self.rows, start + room)
        self.untaken = self.rows - stop
        return _Part(self, start, stop)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def fill(self, start: int, stop: int, outputs: Rows) -> None:
        """Rows start…stop of the answer; the last ones to come set it."""
        if self.answer.done():
            return
        if stop - start == self.rows:
            self.answer.set_result({name: outputs[name] for name in self.outputs})
            return
        for name in self.outputs:
            whole = self._outputs.setdefault(name, np.empty((self.rows, *outputs[name].shape[1:]), outputs[name].dtype))
            whole[start:stop] = outputs[name]
        self._answered += stop - start
        if self._answered == self.rows:
            self.answer.set_result(self._outputs)


class _Part:
    """Rows start…stop of one request, as they travel in one batch."""

    def __init__(self, request: _Request, start: int, stop: int) -> None:
        self.request = request
        self.start = start
        self.stop = stop
        self.rows = stop - start

    def inputs(self) -> dict[str, AnyArray]:
        return {name: rows[self.start : self.stop] for name, rows in self.request.inputs.items()}


def _share(batch: list[_Part], outputs: Rows) -> None:
    """Hands every member its rows of the batch's outputs."""
    first = 0
    for part in batch:
        rows = {name: values[first : first + part.rows] for name, values in outputs.items()}
        part.request.fill(part.start, part.stop, rows)
        first += part.rows
