"""Where and with what something was measured."""

import datetime
import os
import platform
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import psutil

from benchmarks.serving import wrk

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
GENERATOR_CORE = CORES[-1]

_PACKAGES = ("onnxruntime", "uvicorn", "uvloop", "httptools", "fastapi", "starlette", "pydantic", "pillow", "numpy")


def description(others: Iterable[str] = ()) -> str:
    """On one line. others: further names with versions."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory_gib = psutil.virtual_memory().total / 2**30
    versions = [f"{name} {metadata.version(name)}" for name in _PACKAGES]
    parts = [
        str(datetime.datetime.now(datetime.UTC).date()),
        f"{model[1] if model else platform.machine()}, {len(CORES)} cores, {memory_gib:.0f} GiB",
        f"servers on core {SERVER_CORE}, wrk {wrk.version()} on core {GENERATOR_CORE}",
        f"Python {platform.python_version()}, {', '.join([*versions, *others])}",
    ]
    return " · ".join(parts)
