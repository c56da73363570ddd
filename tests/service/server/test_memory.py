"""The heap: what was freed goes back to the system."""

import platform
import subprocess
import sys

import pytest

MEASURE = """
from pathlib import Path
from service.server import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

memory.use_one_arena()
blocks = [b"x" * (64 << 10) for _ in range(2000)]
taken = resident()
del blocks[:-1]  # the last one keeps the heap's end where it is
assert taken - resident() < 20 << 20
memory.trim()
assert taken - resident() > 100 << 20
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other heaps are not asked")
def test_what_was_freed_below_something_kept_is_given_back() -> None:
    subprocess.run([sys.executable, "-c", MEASURE], check=True)
