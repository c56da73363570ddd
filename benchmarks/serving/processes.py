"""Processes of targets: started on cores of their own, watched, and ended by their ids, whatever happens."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_END_S = 10  # to stop when asked
_POLL_S = 0.1


@dataclass(frozen=True)
class Process:
    """A target's root process, which leads a session. log: everything it said."""

    root: psutil.Popen
    log: Path

    def tree(self) -> set[psutil.Process]:
        """The root, its descendants, and those of its session, which also finds the orphans of a root that died."""
        found = {process for process in psutil.process_iter() if _session(process.pid) == self.root.pid}
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {self.root, *self.root.children(recursive=True)}
        return found

    def resident_bytes(self) -> int:
        """Pages that processes share are counted in each."""
        return int(sum(_ask(process, lambda process: process.memory_info().rss) for process in self.tree()))

    def peak_bytes(self) -> int:
        """The most that each process ever held."""
        return int(sum(_ask(process, lambda process: _high_water_bytes(process.pid)) for process in self.tree()))

    def cpu_s(self) -> float:
        return sum(_ask(process, lambda process: sum(process.cpu_times()[:2])) for process in self.tree())

    def settle(self, most_s: float = 3.0) -> None:
        """Waits until what clients left behind is worked off, so that the next target has the core to itself."""
        end = time.monotonic() + most_s
        while time.monotonic() < end:
            before = self.cpu_s()
            time.sleep(_POLL_S)
            if self.cpu_s() - before < _POLL_S / 2:
                return

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    cores: Sequence[int],
    log: Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    piped: bool = False,
) -> Iterator[Process]:
    """Starts the command in a session of its own, so that Ctrl-C comes here alone; ends it and its descendants.

    Should this process be killed, the system asks the command to stop.
    """
    pinned = ["setpriv", "--pdeathsig", "TERM", "taskset", "--cpu-list", ",".join(map(str, cores)), *command]
    pipe = subprocess.PIPE if piped else None
    with log.open("wb") as file:
        root = psutil.Popen(
            pinned,
            cwd=cwd,
            env={**clean_environment(), **(environment or {})},
            stdin=pipe or subprocess.DEVNULL,
            stdout=pipe or file,
            stderr=file,
            text=True,
            start_new_session=True,
        )
    process = Process(root, log)
    try:
        yield process
    finally:
        _end(process)


def clean_environment() -> dict[str, str]:
    """This process's, without what would change the service's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("VAE_")}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _end(process: Process) -> None:
    """Asks the root, which should end its own children; then asks what is left; then kills what is still left."""
    left = process.tree()
    for group, ask in (
        ([process.root], psutil.Process.terminate),
        (left, psutil.Process.terminate),
        (left, psutil.Process.kill),
    ):
        for each in group:
            with contextlib.suppress(psutil.NoSuchProcess):
                ask(each)
        psutil.wait_procs(group, timeout=_END_S)
    process.root.wait()
    for pipe in (process.root.stdin, process.root.stdout):
        if pipe:
            pipe.close()


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _ask(process: psutil.Process, question: Callable[[psutil.Process], float]) -> float:
    """The answer, 0 for a process that has just ended."""
    try:
        return question(process)
    except psutil.NoSuchProcess:
        return 0


def _high_water_bytes(pid: int) -> int:
    """VmHWM of /proc, which is in kB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError as error:
        raise psutil.NoSuchProcess(pid) from error
    return 1024 * next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
