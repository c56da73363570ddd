"""A worker's memory: given back once nobody asks for a while."""

import asyncio
import platform
import subprocess
import sys

import pytest
import uvicorn

from service.server import memory
from service.server.serve import Server

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


def test_memory_is_given_back_in_the_first_quiet_second_after_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(uvicorn.Config("nothing"))
    trimmed = []
    monkeypatch.setattr(memory, "trim", lambda: trimmed.append(server.server_state.total_requests))
    ticks = iter(range(1000))

    async def second() -> None:
        for _ in range(10):
            await server.on_tick(next(ticks))

    async def main() -> None:
        for requests in (0, 0, 5, 9, 9, 9, 12, 12, 12):
            server.server_state.total_requests = requests
            await second()

    asyncio.run(main())
    assert trimmed == [9, 12]
