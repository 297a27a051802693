"""The folder in which several worker processes share their counters.

``prometheus_client`` decides when it is imported whether its values live in files of such a folder,
so this runs before, and imports nothing of it.
"""

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""That ``prometheus_client`` reads; whoever sets it also looks after the folder."""

PREFIX = "noisevote-metrics-"


@contextmanager
def shared_counters() -> Iterator[None]:
    """Give the processes that are started meanwhile a folder, and remove it at the end."""
    if VARIABLE in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        os.environ[VARIABLE] = folder
        try:
            yield
        finally:
            del os.environ[VARIABLE]


def share_counters_if_worker() -> None:
    """Join the other workers of a server that knows nothing of the folder, like uvicorn alone.

    They have the same parent process, after which the folder is called; what a dead parent's left
    behind is removed.
    """
    parent = multiprocessing.parent_process()
    if parent is None or VARIABLE in os.environ:
        return
    place = Path(tempfile.gettempdir())
    for old in place.glob(f"{PREFIX}of-*"):
        if not is_alive(int(old.name.rsplit("-", 1)[1])):
            shutil.rmtree(old, ignore_errors=True)
    folder = place / f"{PREFIX}of-{parent.pid}"
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
