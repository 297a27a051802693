"""The database of a study: SQLite that several processes write, and that may be a stranger's."""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import ValidationError

from noisevote.models.errors import DataError

VERSION = 1
BUSY_S = 60.0
"""Seconds for which one process waits until another has finished writing."""

BUSY_READING_S = 0.2
"""The same for who only reads."""

MOST_VALUE_BYTES = 2**26
"""Of anything in the file, as it is read."""

STEPS, MOST_STEPS = 100_000, 2_000
"""Of SQLite's machine between two looks, and looks before a statement is ended."""

TABLES = (
    "CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), content TEXT "
    "NOT NULL)",
    "CREATE TABLE IF NOT EXISTS halves (half TEXT PRIMARY KEY, labels BLOB NOT NULL, numbers BLOB "
    "NOT NULL)",
    "CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, cell TEXT NOT NULL, content BLOB "
    "NOT NULL, problem TEXT, machine TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS commands (command TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS settings (stage TEXT PRIMARY KEY, content TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS conclusions (one INTEGER PRIMARY KEY CHECK (one = 1), content "
    "TEXT NOT NULL)",
)
NAMES = {statement.split()[5] for statement in TABLES}

KNOWN = {("table", name) for name in NAMES} | {
    ("index", f"sqlite_autoindex_{name}_1") for name in NAMES
}


class StudyDatabase:
    """The database at a path.

    Args:
        path: of its file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def recover(self) -> None:
        """Take back what a writer that was killed has left half done."""
        if self._path.is_file():
            with self.connected("rwc") as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    @contextmanager
    def believing(self) -> Iterator[None]:
        """Turn what a damaged file raises into ours.

        Raises:
            DataError: it is damaged.
        """
        try:
            yield
        except (TypeError, ValueError, ValidationError, zlib.error) as error:
            raise DataError(
                f"{self._path} is no store of a study, or damaged: {error!r:.200}; delete it, or "
                "name another folder"
            ) from error

    @contextmanager
    def connected(self, mode: str = "ro") -> Iterator[sqlite3.Connection]:
        """Open a connection for one operation; statements outside a transaction are one each.

        A file that is only read may be a stranger's: it holds our tables and nothing else, no
        value is longer than bounds, and no statement runs without end.
        """
        if mode == "ro" and not self._path.is_file():
            raise DataError(f"there is no study in {self._path.parent}")
        address = f"{self._path.absolute().as_uri()}?mode={mode}"
        wait_s = BUSY_S if mode == "rwc" else BUSY_READING_S
        try:
            with closing(
                sqlite3.connect(address, uri=True, timeout=wait_s, isolation_level=None)
            ) as connection:
                if mode == "ro":
                    self._guard(connection)
                yield connection
        except sqlite3.Error as error:
            raise DataError(f"{self._path} cannot be read or written: {error}") from error

    def _guard(self, connection: sqlite3.Connection) -> None:
        steps = iter(range(MOST_STEPS))
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_VALUE_BYTES)
        connection.set_progress_handler(lambda: next(steps, None) is None, STEPS)
        there = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
        strange = [name for kind, name in there if (kind, name) not in KNOWN]
        if strange:
            raise DataError(
                f"{self._path} is no store of a study: it holds {str(strange[0])[:40]!r}"
            )
