"""The folder of the jobs: its database, one folder for each job, and locks."""

import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from noisevote.models.errors import MissingExtraError, StorageError
from noisevote.models.robustness.ball import Samples

if sys.platform != "win32":
    import fcntl

JOB_ID = re.compile(r"[0-9a-f]{16}")
SAMPLES_FILE = "samples.npz"
PRIVATE = 0o700


def new_job_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_hex(8)


def exists(path: Path) -> bool:
    """Return whether something lies at a path; not if that cannot be seen."""
    try:
        return path.exists()
    except OSError:
        return False


@contextmanager
def storing() -> Iterator[None]:
    """Turn errors of the file system into ours, without the server's paths.

    Raises:
        StorageError: the folder cannot be read or written, or is full.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        said = f"the folder of the jobs cannot be used: {reason}; the setting jobs_dir names it"
        raise StorageError(said) from error


class JobFolder:
    """Where everything lies.

    Args:
        path: path of the folder; it is made when the first job is taken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "jobs.sqlite"

    @property
    def is_there(self) -> bool:
        """Whether a job was ever taken here.

        Raises:
            StorageError: that cannot be seen.
        """
        with storing():
            return self.database.is_file()

    @property
    def is_writable(self) -> bool:
        """Whether it could be made, or written if it is there; nothing is tried."""
        nearest = next(path for path in (self.path, *self.path.absolute().parents) if exists(path))
        return os.access(nearest, os.W_OK | os.X_OK)

    def worker_lock(self) -> "FileLock":
        """Return the lock that the worker holds as long as it lives."""
        return FileLock(self.path / "worker.lock")

    def server_lock(self) -> "FileLock":
        """Return the lock that all processes that serve from this folder share."""
        return FileLock(self.path / "servers.lock")

    def make(self) -> None:
        """Make the folder, readable by its owner alone.

        Raises:
            StorageError: that cannot be done.
            MissingExtraError: this system has no file locks.
        """
        if sys.platform == "win32":
            raise MissingExtraError("assessments need the file locks of a POSIX system")
        with storing():
            self.path.mkdir(parents=True, exist_ok=True, mode=PRIVATE)

    def of(self, job_id: str) -> Path:
        """Return the folder of a job."""
        return self.path / job_id

    def keep_samples(self, job_id: str, samples: Samples, needed_bytes: int) -> None:
        """Make the folder of a job and keep its samples there.

        Args:
            job_id: id of the new job.
            samples: samples under attack.
            needed_bytes: bytes that its results may take up.

        Raises:
            StorageError: it cannot be written, or there is no room for the results.
        """
        with storing():
            free = shutil.disk_usage(self.path).free
            if free < needed_bytes:
                raise StorageError(
                    f"the results may need {needed_bytes / 2**20:.0f} MiB; the folder of the jobs "
                    f"has {free / 2**20:.0f} MiB left"
                )
            self.of(job_id).mkdir(mode=PRIVATE)
            with (self.of(job_id) / SAMPLES_FILE).open("wb") as file:
                np.savez_compressed(
                    file, inputs=samples.inputs, labels=samples.labels, indices=samples.indices
                )
                os.fsync(file.fileno())

    def samples(self, job_id: str) -> Samples:
        """Return the samples of a job."""
        with np.load(self.of(job_id) / SAMPLES_FILE, allow_pickle=False) as file:
            return Samples(file["inputs"], file["labels"], file["indices"])

    def read(self, job_id: str, name: str) -> bytes | None:
        """Return the content of a job's file, or None if it is not there.

        Raises:
            StorageError: it cannot be read.
        """
        with storing():
            path = self.of(job_id) / name
            return path.read_bytes() if path.is_file() else None

    def remove(self, job_id: str) -> None:
        """Remove the folder of a job, as far as that can be done."""
        shutil.rmtree(self.of(job_id), ignore_errors=True)

    def remove_all_but(self, known: set[str]) -> None:
        """Remove the folders of jobs that were not taken in the end, or not wholly removed."""
        for path in self.path.iterdir():
            if JOB_ID.fullmatch(path.name) and path.name not in known:
                self.remove(path.name)


class FileLock:
    """A lock that processes hold and that their death releases; for one thread at a time.

    Args:
        path: path of the file that is locked; made if absent.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self, shared: bool = False, waits: bool = True) -> bool:
        """Take the lock, or change it from one kind to the other; return whether that was possible.

        Args:
            shared: beside others who share it; else alone.
            waits: until it is possible.

        Raises:
            StorageError: the file cannot be opened.
        """
        with storing():
            if self._file is None:
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            try:
                fcntl.flock(self._file, kind if waits else kind | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                return False
            return True

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
