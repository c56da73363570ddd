"""What a bench starts, it ends."""

import os
import shutil
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.serving import processes

pytestmark = pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs Linux's setpriv and taskset")
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_failure_leaves_no_process_behind(tmp_path: Path) -> None:
    command = ["bash", "-c", "sleep 600 & echo up; sleep 600"]
    tree: set[psutil.Process] = set()

    def fail() -> None:
        with processes.running(command, cores=CORES, log=tmp_path / "log", piped=True) as process:
            assert process.root.stdout.readline() == "up\n"
            tree.update(process.tree())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(tree) > 1
    assert not [each for each in tree if is_alive(each)]


def test_the_orphan_of_a_root_that_died_is_ended_too(tmp_path: Path) -> None:
    command = ["bash", "-c", "sleep 600 & echo $!"]
    with processes.running(command, cores=CORES, log=tmp_path / "log", piped=True) as process:
        orphan = psutil.Process(int(process.root.stdout.readline()))
        process.root.wait()
        assert orphan in process.tree()
    assert not is_alive(orphan)


def test_the_peak_of_memory_is_remembered(tmp_path: Path) -> None:
    code = "print(len(b'x' * (100 << 20)), flush=True); input()"
    with processes.running([sys.executable, "-c", code], cores=CORES, log=tmp_path / "log", piped=True) as process:
        assert process.root.stdout.readline() == f"{100 << 20}\n"
        assert process.resident_bytes() < 100 << 20 < process.peak_bytes()


def test_the_last_words_of_a_process_are_kept(tmp_path: Path) -> None:
    with processes.running(["bash", "-c", "echo no such model >&2"], cores=CORES, log=tmp_path / "log") as process:
        process.root.wait()
        assert process.last_words() == "no such model"
