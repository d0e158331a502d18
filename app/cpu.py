"""How many processors this process may keep busy: the smallest of the machine's, the affinity's and the container's."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available(cgroup: Path = CGROUP) -> int:
    """Whole processors, at least one. A quota of 1.5 processors counts as 2."""
    quota = _quota(cgroup)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, math.ceil(quota)) if quota else cores)


def _quota(cgroup: Path) -> float | None:
    """The CPU quota in processors, or None if there is none (cgroup v2's cpu.max, else v1's cpu.cfs_*)."""
    for directory, files in ((cgroup, ["cpu.max"]), (cgroup / "cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"])):
        try:
            limit, period = " ".join((directory / name).read_text() for name in files).split()
        except (OSError, ValueError):
            continue
        if limit.lstrip("-").isdigit() and int(limit) > 0:
            return int(limit) / int(period)
    return None
