"""Where cells are measured: in processes of this machine, or on a Ray cluster.

Either way cells go out one by one and what they give comes back to the process that asked, which
alone writes.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from noisevote.models.errors import DataError, MissingExtraError, how_to_install
from noisevote.models.study.cells import Cell
from noisevote.models.study.store import Measured
from noisevote.training.measure.results import machine
from noisevote.training.study.measure import Measurer, Subject

Next = Callable[[], Cell | None]
"""Returns the next cell to be measured; None if there is none."""

Given = tuple[Measured, str]
"""What a cell gave, and the machine that measured it."""

measurers: list[Measurer] = []
"""That of this process, once it has begun."""


def here(subject: Subject, following: Next) -> Iterator[Given]:
    """Measure in this process, one cell after the other."""
    measurer = Measurer(subject)
    while (cell := following()) is not None:
        yield measurer.measured(cell), machine_text()


def in_processes(subject: Subject, following: Next, processes: int) -> Iterator[Given]:
    """Measure in processes of this machine side by side.

    Args:
        subject: of the study.
        following: gives cells.
        processes: at the same time.

    Raises:
        DataError: a process has ended in the middle of a cell.
    """
    if processes == 1:
        yield from here(subject, following)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, begin, (subject,))
    under_way: set[Future[Given]] = set()
    try:
        while True:
            free = range(processes - len(under_way))
            cells = [cell for _ in free if (cell := following()) is not None]
            under_way |= {pool.submit(measure, cell) for cell in cells}
            if not under_way:
                break
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for each in done:
                yield each.result()
    except BrokenProcessPool as error:
        raise DataError(
            "a process that measured has ended, perhaps for want of memory; the same command "
            "goes on, with fewer --processes"
        ) from error
    finally:
        if under_way:  # interrupted: what they measure is begun anew the next time
            for child in multiprocessing.active_children():
                child.terminate()
        pool.shutdown(cancel_futures=True)


def begin(subject: Subject) -> None:
    """Make this process ready to measure; it ends with the one that asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the asking process that is interrupted
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    measurers[:] = [Measurer(subject)]


def end_with(parent: Any) -> None:
    """End this process when the one that asked has ended, even if it was killed."""
    parent.join()
    os._exit(1)


def measure(cell: Cell) -> Given:
    """Measure a cell in a process that is ready."""
    return measurers[0].measured(cell), machine_text()


def on_ray(subject: Subject, following: Next, address: str | None = None) -> Iterator[Given]:
    """Measure on a Ray cluster, or on one that is started here if none runs.

    Args:
        subject: of the study; its checkpoint lies under the same path on all machines.
        following: gives cells.
        address: of the cluster; None: the one that the environment names, or a new one.

    Raises:
        MissingExtraError: the extra ``ray`` is not installed.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"--on ray needs ray; {how_to_install('ray')}") from error
    try:
        yield from through_ray(subject, following, address)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1:]
        raise DataError(f"Ray ended the study: {''.join(reason)[:300]}") from error
    except ConnectionError as error:
        raise DataError(f"no Ray cluster answers: {error}") from error


def through_ray(subject: Subject, following: Next, address: str | None) -> Iterator[Given]:
    """Measure on a Ray cluster; see :func:`on_ray`."""
    import ray

    ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    held = ray.put(subject)
    remote = ray.remote(num_cpus=1, max_retries=3)(measure_there)
    room = max(1, int(ray.cluster_resources().get("CPU", 1)))
    under_way: list[Any] = []
    try:
        while True:
            while len(under_way) < room and (cell := following()) is not None:
                under_way.append(remote.remote(held, cell))
            if not under_way:
                return
            done, under_way = ray.wait(under_way)
            yield from ray.get(done)
    finally:
        ray.shutdown()


def measure_there(subject: Subject, cell: Cell) -> Given:
    """Measure a cell in a process of a cluster, which is made ready by its first one."""
    if not measurers or measurers[0].subject.name != subject.name:
        measurers[:] = [Measurer(subject)]
    return measurers[0].measured(cell), machine_text()


def machine_text() -> str:
    """Return CPU and libraries of this process."""
    told = machine()
    return f"{told['machine']}; {told['libraries']}"
