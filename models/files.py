"""Files: those of strangers are read without waiting, ours are written as a whole or not at all."""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def regular_content(path: Path, most_bytes: int) -> bytes:
    """Return the content of a file, however it came to its place; links are followed.

    Args:
        path: of the file.
        most_bytes: that are read.

    Raises:
        OSError: it cannot be read, is larger, or is no file but a folder, a pipe or a device, on
            which a reader could wait for ever.
    """
    # Without O_NONBLOCK to open a pipe is to wait for somebody who writes into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file, but a folder, a pipe or a device")
        if status.st_size > most_bytes:
            raise OSError(
                errno.EFBIG, f"it has {status.st_size:,} bytes, allowed are {most_bytes:,}"
            )
        return file.read(status.st_size)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written beside its place; it gets there when the block ends well.

    A full disk, an error or a kill leaves what was there before. Of several writers at the same
    time the last wins, as a whole.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
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
