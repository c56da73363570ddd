"""Several processes that serve on one socket: started, watched, replaced when they die or hang, stopped together.

Each is a worker.py with sessions of its own. One that ends before the first was ever ready ends all: the next would do
no better. Later ones are started again, after a pause that doubles with each that does not last.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.errors import StartError

_STOP_S = 30.0  # a worker gives open requests 20 s
_SILENT_S = 15.0  # a worker that is well says so every second
_LASTING_S = 60.0  # a worker that lived so long is replaced at once
_PAUSES_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_logger = logging.getLogger("service")


def run(count: int, listener: socket.socket, settings: str, ready: Callable[[str], None]) -> int:
    """Keeps so many workers until asked to stop; gives the exit status. Raises StartError.

    settings: as one line of JSON. ready: called with the models' names once all workers can answer.
    """
    with tempfile.TemporaryDirectory(prefix="vae-metrics-") as metrics_dir:
        try:
            asyncio.run(_supervise(count, _Start(listener, settings, Path(metrics_dir)), ready))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
    return 0


@dataclass(frozen=True)
class _Start:
    """What every worker is started with."""

    listener: socket.socket
    settings: str
    metrics_dir: Path


async def _supervise(count: int, start: _Start, ready: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    waiting = count

    def one_is_ready(models: str) -> None:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            ready(models)

    started: list[Process] = []
    try:
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(_keep(start, started, one_is_ready)) for _ in range(count)]
            await stop.wait()
            for keeper in keepers:
                keeper.cancel()
    finally:  # not in the keepers, which a second failure would cancel while they wait for a worker's end
        start.listener.close()  # a client that comes now is refused, not left waiting
        for process in started:
            _signal(process, signal.SIGTERM)
        await asyncio.gather(*map(_end, started))


async def _keep(start: _Start, started: list[Process], ready: Callable[[str], None]) -> None:
    """One worker after the other. started: holds those not ended yet. ready: called with the first one's models.

    Raises StartError if the first cannot start.
    """
    is_first, pauses = True, 0
    while True:
        process = await _spawn(start)
        began = time.monotonic()
        started.append(process)
        try:
            models = await _models(process, start.settings)
            if is_first:
                ready(models)
            is_first = False
            await _until_silent(process)
        except StartError as error:
            if is_first:
                raise
            _logger.error("worker %d cannot start: %s", process.pid, error.detail)
        status = await _end(process)
        started.remove(process)
        _forget(start.metrics_dir, process.pid)
        if time.monotonic() - began > _LASTING_S:
            pauses = 0
        pause_s = _PAUSES_S[min(pauses, len(_PAUSES_S) - 1)]
        pauses += 1
        _logger.error("worker %d ended with status %d; another takes its place in %g s", process.pid, status, pause_s)
        await asyncio.sleep(pause_s)


async def _spawn(start: _Start) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.server.worker", str(start.listener.fileno()), str(start.metrics_dir)),
        stdin=PIPE,
        stdout=PIPE,
        pass_fds=[start.listener.fileno()],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(start.metrics_dir)},  # read as its library loads
        process_group=0,  # a Ctrl-C is for the parent, which then stops all
    )


async def _models(process: Process, settings: str) -> str:
    """The names that a worker reports once it is ready. Raises StartError."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(settings.encode() + b"\n")
    report = json.loads(await process.stdout.readline() or "{}")
    if "ready" in report:
        return str(report["ready"])
    raise StartError(report.get("failed") or f"a worker ended with status {await process.wait()} before it was ready.")


async def _until_silent(process: Process) -> None:
    """Returns once the worker has ended. Kills one that has not said for too long that it is well."""
    assert process.stdout
    line = b"{}"
    try:
        while line:
            async with asyncio.timeout(_SILENT_S):  # wait_for loses a cancellation that comes together with a line
                line = await process.stdout.readline()
    except TimeoutError:
        _logger.error("worker %d hangs", process.pid)
        _signal(process, signal.SIGKILL)


async def _end(process: Process) -> int:
    """The status of a worker that ends. Kills one that takes too long.

    Also closes its pipes: one left open outlives the event loop, which is reported as a traceback.
    """
    try:
        async with asyncio.timeout(_STOP_S):
            await process.communicate(b"")
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        await process.communicate(b"")
    return await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    """Only where needed: a signal to one that has just died takes its status from asyncio, which then reports 255."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _forget(metrics_dir: Path, pid: int) -> None:
    from service import metrics  # only here, so that the parent stays small

    metrics.forget(metrics_dir, pid)
