"""How many processor cores this process really has: its affinity, and its container's quota of processor time."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def available(root: Path = Path("/")) -> int:
    """Whole cores, at least 1.

    A quota's fraction is left out: one busy process too many uses the quota up early, and then all of them stand still
    for the rest of each period of 100 ms.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([allowed, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Cores that each control group around this process allows. root: where /proc and /sys lie.

    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files, and version 1's cpu.cfs_quota_us.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        for path in (PurePosixPath(group), *PurePosixPath(group).parents):
            below = path.relative_to("/")
            if not controllers:
                quota, _, period = _text(root / "sys/fs/cgroup" / below / "cpu.max").strip().partition(" ")
            elif "cpu" in controllers.split(","):
                directory = root / "sys/fs/cgroup/cpu" / below
                quota, period = (_text(directory / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
            else:
                continue
            if quota.isdigit() and period.isdigit():  # not "max", not -1
                yield int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
