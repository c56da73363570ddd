"""The load generator: one turn of wrk on a core of its own. https://github.com/wg/wrk"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.requests import Request

_SCRIPT = Path(__file__).with_suffix(".lua")
_GRACE_S = 30  # for wrk to come back after its time


@dataclass(frozen=True)
class Turn:
    """What one target did in one turn. errors: answers other than 2xx and 3xx, and broken connections."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int = 0


def version() -> str | None:
    """wrk's version; None where it is not installed."""
    if shutil.which("wrk") is None:
        return None
    said = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"wrk (\S+)", said)
    return found[1] if found else "unknown"


def turn(address: str, request: Request, bodies: Sequence[Path], *, connections: int, seconds: int, core: int) -> Turn:
    """Asks again and again over keep-alive connections. bodies: files of the request's bodies, sent in turn."""
    command = ["taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", "30s", "--latency"]
    command += ["--script", str(_SCRIPT), address + request.path, "--"]
    command += [request.method, request.content_type, request.accept, *map(str, bodies)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + _GRACE_S)
    return parse(done.stdout + done.stderr)


def parse(said: str) -> Turn:
    """From the line that the script prints last. Raises ValueError where there is none."""
    line = re.search(r"^turn (.*)$", said, re.M)
    if line is None:
        raise ValueError(f"wrk measured nothing: {said.strip()[-500:]}")
    values = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line[1])}
    good = values["requests"] - values["refused"]
    return Turn(
        requests_per_s=good / (values["duration_us"] / 1e6),
        p50_ms=values["p50_us"] / 1e3,
        p99_ms=values["p99_us"] / 1e3,
        errors=values["refused"] + values["broken"],
    )
