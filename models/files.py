"""Files: those of strangers are read without waiting, ours are written as a whole or not at all."""

import errno
import glob
import os
import secrets
import shutil
import stat
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

PARTIAL = ".partial"
"""Ending of a file that is being written beside its place."""

LEFT_BEHIND_S = 3600.0
"""Since the last byte was written to such a file, from when on its writer is taken for dead."""

NO_FILE = "it is no file, but a folder, a pipe or a device"


def regular_content(path: Path, most_bytes: int) -> bytes:
    """Return the content of a file, however it came to its place; links are followed.

    Args:
        path: path of the file.
        most_bytes: most bytes that are read.

    Raises:
        OSError: it cannot be read, is larger, or is no file but a folder, a pipe or a device, on
            which a reader could wait for ever.
    """
    # Without O_NONBLOCK to open a pipe is to wait for somebody who writes into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, NO_FILE)
        if status.st_size > most_bytes:
            raise OSError(
                errno.EFBIG, f"it has {status.st_size:,} bytes, allowed are {most_bytes:,}"
            )
        return file.read(status.st_size)


def place_of(path: Path) -> Path:
    """Return where a file lies or will lie; links are followed.

    Raises:
        OSError: something that is no file lies there. To rename a file to the place of a device
            would take it away: that of ``/dev/null``, for all processes.
    """
    place = Path(os.path.realpath(path))
    if place.is_symlink():
        raise OSError(errno.ELOOP, "it is a link that leads to itself")
    if place.exists() and not place.is_file():
        raise OSError(errno.EINVAL, NO_FILE)
    return place


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written beside its place; it gets there when the block ends well.

    A full disk, an error or a kill leaves what was there before. Of several writers at the same
    time the last wins, as a whole.

    Raises:
        OSError: it cannot be written, as :func:`place_of`.
    """
    path = place_of(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there as a whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with whole_file(path) as file:
        file.write(content)


class Hold:
    """A file that this process alone may write, among those that ask; it goes with the process.

    A lock beside the file, taken away when the hold ends: the file itself is replaced as a whole.

    Args:
        path: path of the file; its folder is there.
        waits: until another process has ended its hold.

    Raises:
        BlockingIOError: another process holds it.
        OSError: its folder cannot be written.
    """

    def __init__(self, path: Path, waits: bool = False) -> None:
        lock = path.with_name(f".{path.name}.lock")
        file = locked(lock, waits)
        while not is_at(file, lock):  # its last holder has just taken it away
            os.close(file)
            file = locked(lock, waits)
        self.close = weakref.finalize(self, release, file, lock)
        remove_left_behind(path)


def remove_left_behind(path: Path) -> None:
    """Remove what writers of a file have begun that were killed long ago."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL}"):
        with suppress(OSError):
            if time.time() - partial.stat().st_mtime > LEFT_BEHIND_S:
                partial.unlink()


def locked(lock: Path, waits: bool) -> int:
    """Open and lock a file; where the system has no such locks, only open it."""
    file = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
    return file


def is_at(file: int, path: Path) -> bool:
    """Return whether an open file is the one that lies at a path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def release(file: int, lock: Path) -> None:
    """Take a lock away."""
    with suppress(OSError):
        lock.unlink(missing_ok=True)
    os.close(file)


HOLDS: "weakref.WeakValueDictionary[Path, Hold]" = weakref.WeakValueDictionary()


def hold(path: Path, waits: bool = False) -> Hold:
    """Return the hold of this process on a file; the folder of the file is made if absent.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it cannot be written, as :func:`place_of`, or its folder cannot.
    """
    place = place_of(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    held = HOLDS.get(place)
    if held is None or not held.close.alive:
        held = HOLDS[place] = Hold(place, waits)
    return held
