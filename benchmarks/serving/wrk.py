"""The load generator: one turn of wrk on a core of its own. https://github.com/wg/wrk"""

import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_SCRIPT = Path(__file__).with_suffix(".lua")
_GRACE_S = 30  # for wrk to come back after its time
_LEAD_S = 0.5  # of the load behind which a turn measures, before and after it


@dataclass(frozen=True)
class Load:
    """Connections that are kept alive, each of which asks again once it is answered. requests: files, sent in turn."""

    address: str
    requests: Sequence[Path]
    connections: int


@dataclass(frozen=True)
class Turn:
    """What one target did in one turn. errors: answers other than 2xx and 3xx, and broken connections.

    Where nothing was answered, both delays are the turn's length, their lower bound. others_per_s and
    others_refused_per_s: requests of the load behind which it measured.
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int = 0
    others_per_s: float = 0.0
    others_refused_per_s: float = 0.0


def version() -> str | None:
    """wrk's version; None where it is not installed."""
    if shutil.which("wrk") is None:
        return None
    said = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"wrk (\S+)", said)
    return found[1] if found else "unknown"


def turn(load: Load, *, seconds: int, core: int, behind: Load | None = None) -> Turn:
    """behind: what other clients ask for from before the turn until after it."""
    if behind is None:
        with _running(load, seconds, core) as wrk:
            return parse(wrk.communicate(timeout=seconds + _GRACE_S)[0])
    longer = seconds + round(2 * _LEAD_S)
    with _running(behind, longer, core) as others:
        time.sleep(_LEAD_S)
        measured = turn(load, seconds=seconds, core=core)
        beside = parse(others.communicate(timeout=longer + _GRACE_S)[0])
    return replace(measured, others_per_s=beside.requests_per_s, others_refused_per_s=beside.errors / longer)


@contextlib.contextmanager
def _running(load: Load, seconds: int, core: int) -> Iterator[subprocess.Popen[str]]:
    command = ["taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(load.connections)]
    command += ["--duration", f"{seconds}s", "--timeout", "30s", "--latency"]
    command += ["--script", str(_SCRIPT), load.address, "--", *map(str, load.requests)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as wrk:
        try:
            yield wrk
        finally:
            wrk.kill()


def parse(said: str) -> Turn:
    """From the line that the script prints last. Raises ValueError where there is none."""
    line = re.search(r"^turn (.*)$", said, re.M)
    if line is None:
        raise ValueError(f"wrk measured nothing: {said.strip()[-500:]}")
    values = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line[1])}
    good = values["requests"] - values["refused"]
    p50_us, p99_us = (values[name] if values["requests"] else values["duration_us"] for name in ("p50_us", "p99_us"))
    return Turn(
        requests_per_s=good / (values["duration_us"] / 1e6),
        p50_ms=p50_us / 1e3,
        p99_ms=p99_us / 1e3,
        errors=values["refused"] + values["broken"],
    )
