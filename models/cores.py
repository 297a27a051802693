"""How many cores this process may use: the affinity mask and the container's quota."""

import os
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def allowed_cores(quota_file: Path = CGROUP_QUOTA) -> int:
    """Return the number of cores, at least 1.

    ``os.cpu_count`` names the machine's cores, not the ones that this process gets; taking it in a
    container starts many more threads than can run.

    Args:
        quota_file: cgroup v2 ``cpu.max``: quota and period in microseconds, or ``max``.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text().split()
        cores = min(cores, int(quota) // int(period))
    except (OSError, ValueError):  # no cgroup v2, or no quota
        pass
    return max(1, cores)
