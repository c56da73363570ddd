"""Cores: the least of affinity and every quota around the process."""

import os
from pathlib import Path

import pytest

from service.server import cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


def test_without_quotas_affinity_counts(tmp_path: Path) -> None:
    assert cores.available(tmp_path) == 8
    assert cores.available(write(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"})) == 8


@pytest.mark.parametrize(
    ("quota", "whole"), [("50000 100000", 1), ("190000 100000", 1), ("200000 100000", 2), ("1600000 100000", 8)]
)
def test_a_quota_counts_in_whole_cores(tmp_path: Path, quota: str, whole: int) -> None:
    assert cores.available(write(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": quota})) == whole


def test_the_least_quota_of_all_groups_around_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pods/one/box",
        "sys/fs/cgroup/pods/one/box/cpu.max": "max 100000",
        "sys/fs/cgroup/pods/one/cpu.max": "300000 100000",
        "sys/fs/cgroup/pods/cpu.max": "400000 100000",
    }
    assert cores.available(write(tmp_path, files)) == 3


def test_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "5:memory:/box\n4:cpu,cpuacct:/box",
        "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }
    assert cores.available(write(tmp_path, files)) == 2
