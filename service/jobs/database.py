"""The database of the jobs: SQLite, where every process sees the same.

A connection is opened for each operation, so that any thread may ask.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import ValidationError

from noisevote.models.errors import StorageError, UnknownJobError
from noisevote.service.jobs.job import Job, is_open_to
from noisevote.service.wire.attack import FinishedStep, JobState

VERSION = 2
BUSY_S = 10.0
"""Seconds for which one process waits until another has finished writing."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    content TEXT NOT NULL,
    created REAL NOT NULL,
    queued REAL NOT NULL,
    started REAL,
    finished REAL,
    step TEXT,
    steps INTEGER NOT NULL,
    progress REAL NOT NULL DEFAULT 0,
    progress_from REAL NOT NULL DEFAULT 0,
    paced REAL,
    queries INTEGER NOT NULL DEFAULT 0,
    votes INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    results TEXT NOT NULL DEFAULT '{}',
    wants_cancel INTEGER NOT NULL DEFAULT 0,
    idempotency_key TEXT UNIQUE,
    digest TEXT NOT NULL,
    owner TEXT
);
CREATE TABLE IF NOT EXISTS steps (
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    seconds REAL,
    PRIMARY KEY (job, name)
);
"""

SINCE_1 = "ALTER TABLE jobs ADD COLUMN owner TEXT;"
"""What version 1 lacks; whose its jobs are is not known."""


class JobDatabase:
    """All jobs of a folder, to be read.

    Args:
        path: path of the database; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def make(self) -> None:
        """Make the database if it is absent.

        Raises:
            StorageError: that cannot be done, or the one that is there is of another version.
        """
        with self.connected("rwc") as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, 1, VERSION):
                raise StorageError(
                    f"the jobs are kept in version {version}; this service knows {VERSION}"
                )
            if version < VERSION:
                change = SCHEMA if version == 0 else SINCE_1
                connection.executescript(
                    f"BEGIN IMMEDIATE;{change}PRAGMA user_version = {VERSION};COMMIT;"
                )

    def jobs(self) -> list[Job]:
        """Return all jobs without their steps, the newest first."""
        with self.connected() as connection:
            rows = connection.execute("SELECT * FROM jobs ORDER BY number DESC").fetchall()
        return [job_from(row) for row in rows]

    def find(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            UnknownJobError: there is none of that id.
        """
        with self.connected() as connection:
            row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row is None:
                raise UnknownJobError("there is no job of that id; GET /attack lists them")
            steps = connection.execute(
                "SELECT name, seconds FROM steps WHERE job = ? ORDER BY rowid", (job_id,)
            ).fetchall()
        return job_from(row, tuple(FinishedStep(**dict(step)) for step in steps))

    def counts(self) -> dict[JobState, int]:
        """Return how many jobs are in each state that there is."""
        with self.connected() as connection:
            rows = connection.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        return {JobState(state): count for state, count in rows}

    @contextmanager
    def connected(self, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        """Open a connection for one operation; statements outside a transaction are one each."""
        address = f"{self._path.absolute().as_uri()}?mode={mode}"
        try:
            with closing(
                sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None)
            ) as connection:
                connection.row_factory = sqlite3.Row
                connection.create_function("is_open_to", 2, is_open_to)
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection
        except sqlite3.Error as error:
            raise StorageError(f"the jobs cannot be read or written: {error}") from error


def job_from(row: sqlite3.Row, steps: tuple[FinishedStep, ...] = ()) -> Job:
    """Return a row as a job.

    Raises:
        StorageError: it is damaged.
    """
    try:
        return Job.model_validate(dict(row) | {"finished_steps": steps})
    except ValidationError as error:
        raise StorageError(f"what is kept of job {row['id']} is damaged") from error
