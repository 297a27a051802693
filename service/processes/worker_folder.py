"""The folder in which several worker processes share their counters.

``prometheus_client`` decides when it is imported whether its values live in files of such a folder,
so this runs before, and imports nothing of it.
"""

import logging
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

log = logging.getLogger("noisevote")

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""That ``prometheus_client`` reads; whoever sets it also looks after the folder."""

PREFIX = "noisevote-metrics-"

EACH_ITS_OWN = "no folder can be written for counters; /metrics tells of one worker process alone"


@contextmanager
def shared_counters() -> Iterator[None]:
    """Give the processes that are started meanwhile a folder, and remove it at the end.

    Where none can be written they serve without.
    """
    with ExitStack() as until_the_end:
        if VARIABLE not in os.environ:
            try:
                folder = until_the_end.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX))
            except OSError as error:
                log.warning("%s: %s", EACH_ITS_OWN, error)
            else:
                os.environ[VARIABLE] = folder
                until_the_end.callback(os.environ.pop, VARIABLE)
        yield


def share_counters_if_worker() -> None:
    """Join the other workers of a server that knows nothing of the folder, like uvicorn alone.

    They have the same parent process, after which the folder is called; what a dead parent's left
    behind is removed.
    """
    parent = multiprocessing.parent_process()
    if parent is None or VARIABLE in os.environ:
        return
    try:
        join_folder_of(parent.pid)
    except OSError as error:
        log.warning("%s: %s", EACH_ITS_OWN, error)


def join_folder_of(parent: int | None) -> None:
    """Share the counters with the other children of a process.

    Raises:
        OSError: no folder can be written.
    """
    place = Path(tempfile.gettempdir())
    for old in place.glob(f"{PREFIX}of-*"):
        if not is_alive(int(old.name.rsplit("-", 1)[1])):
            shutil.rmtree(old, ignore_errors=True)
    folder = place / f"{PREFIX}of-{parent}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid == os.getuid():  # not another user's trap
        os.environ[VARIABLE] = str(folder)


def is_alive(pid: int) -> bool:
    """Return whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
