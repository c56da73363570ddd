"""Several processes that serve on one socket: started, replaced when they die, stopped together.

Each is a worker.py with sessions of its own. One that ends before it was ready ends all: the next would do no better.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.errors import StartError

_STOP_S = 30.0  # a worker gives open requests 20 s
_logger = logging.getLogger("service")


def run(count: int, listener: socket.socket, settings: str, ready: Callable[[str], None]) -> int:
    """Keeps so many workers until asked to stop; gives the exit status. Raises StartError.

    settings: as one line of JSON. ready: told the models' names once all workers can answer.
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
        await asyncio.gather(*map(_end, started))


async def _keep(start: _Start, started: list[Process], ready: Callable[[str], None]) -> None:
    """One worker after the other. started: holds those not ended yet. ready: told the models' names by the first.

    Raises StartError.
    """
    while True:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service.server.worker", str(start.listener.fileno()), str(start.metrics_dir)),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=[start.listener.fileno()],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(start.metrics_dir)},  # read as its library loads
            process_group=0,  # a Ctrl-C is for the parent, which then stops all
        )
        started.append(process)
        models = await _models(process, start.settings)
        ready(models)
        ready = _nothing
        status = await process.wait()
        await _end(process)
        started.remove(process)
        _logger.error("worker %d ended with status %d; another takes its place", process.pid, status)
        _forget(start.metrics_dir, process.pid)


async def _models(process: Process, settings: str) -> str:
    """The names that a worker tells once it is ready. Raises StartError."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(settings.encode() + b"\n")
    report = json.loads(await process.stdout.readline() or "{}")
    if "ready" in report:
        return str(report["ready"])
    raise StartError(report.get("failed") or f"a worker ended with status {await process.wait()} before it was ready.")


async def _end(process: Process) -> None:
    """Also closes its pipes: one left open outlives the event loop, which is told as a traceback."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.communicate(b""), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.communicate(b"")


def _forget(metrics_dir: Path, pid: int) -> None:
    from service import metrics  # only here, so that the parent stays small

    metrics.forget(metrics_dir, pid)


def _nothing(models: str) -> None:
    pass
