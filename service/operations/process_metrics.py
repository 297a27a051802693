"""What the worker processes are: how many, since when, how busy, how large; and their sum."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from noisevote.service.processes.worker_folder import VARIABLE, is_alive

PROCESSES = Path("/proc")


class ProcessMetrics:
    """The metrics of the process itself.

    Args:
        registry: of what worker processes share.
        live: of what is looked at when the metrics are asked for.
    """

    def __init__(self, registry: CollectorRegistry, live: CollectorRegistry) -> None:
        started = Gauge(
            "noisevote_start_time_seconds",
            "When the oldest worker process started, in seconds since 1970.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        started.set(time.time())
        self._workers = Gauge(
            "noisevote_workers",
            "Worker processes that serve.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._slots = Gauge(
            "noisevote_slots",
            "Forward passes that can be computed side by side.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        live.register(MemoryCollector())

    def serves(self, slots: int) -> None:
        """Tell that this process serves, with so many slots."""
        self._workers.set(1)
        self._slots.set(slots)


class MemoryCollector(Collector):
    """Looks at the memory of all worker processes; tells nothing where there is no ``/proc``."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the one gauge."""
        gauge = GaugeMetricFamily(
            "noisevote_memory_bytes", "Resident memory of the worker processes, added up."
        )
        held = [bytes_of(pid) for pid in workers()]
        if any(held):
            gauge.add_metric([], sum(held))
        return [gauge]


def workers() -> set[int]:
    """Return the numbers of the processes whose counters are shared with this one, and its own."""
    folder = os.environ.get(VARIABLE)
    files = [] if folder is None else Path(folder).glob("gauge_live*_*.db")
    shared = {int(file.stem.rsplit("_", 1)[1]) for file in files}
    return {pid for pid in shared if is_alive(pid)} | {os.getpid()}


def bytes_of(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it is not known."""
    try:
        pages = (PROCESSES / str(pid) / "statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def shared_registry() -> CollectorRegistry | None:
    """Return what all worker processes counted; None if there is only this one.

    Counters of processes that have ended still count; what they held does not.
    """
    if VARIABLE not in os.environ:
        return None
    folder = os.environ[VARIABLE]
    for file in Path(folder).glob("gauge_live*_*.db"):
        pid = int(file.stem.rsplit("_", 1)[1])
        if not is_alive(pid):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return registry
