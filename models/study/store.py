"""The store of a study: SQLite, which several processes may write and nobody loses a row of.

A cell is written once, as a whole, by whoever has measured it first; since a cell gives the same
numbers wherever it is measured, a second one is dropped. Files of others are not believed: what is
read is checked against bounds, and nothing is unpickled.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from noisevote.models.errors import DataError
from noisevote.models.study.cells import Cell, Half
from noisevote.models.study.conclusions import Conclusions
from noisevote.models.study.database import TABLES, VERSION, StudyDatabase
from noisevote.models.study.head import MOST_SAMPLES, StudyHead
from noisevote.models.study.packing import LABEL, NUMBER, packed, unpacked

STORE_FILE = "study.sqlite"
MOST_FIGURES = 2**20
"""Bytes of the figures of a cell."""

Repeats = dict[str, int]
PointFigures = dict[str, dict[str, float]]
"""By noise point, by name of the figure."""

REPEATS: TypeAdapter[list[Repeats]] = TypeAdapter(list[Repeats])
TEXTS: TypeAdapter[list[str]] = TypeAdapter(list[str])
FIGURES: TypeAdapter[PointFigures] = TypeAdapter(PointFigures)
Samples = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Labels and numbers of some samples."""
NO_VOTES = np.empty((0, 0), np.int16)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A cell and what it gave.

    Attributes:
        cell: that was measured.
        fell_on: class of each vote ``[samples, votes]``; none of a cell that gives figures.
        figures: by noise point; none of a cell that gives votes.
        problem: why it could not be measured; None if it was.
    """

    cell: Cell
    fell_on: NDArray[np.int16]
    figures: PointFigures
    problem: str | None = None


class StudyStore:
    """The store in a folder.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / STORE_FILE
        self._database = StudyDatabase(self._path)

    @property
    def exists(self) -> bool:
        """Whether there is one: a file that holds a head."""
        if not self._path.is_file() or self._path.stat().st_size == 0:
            return False
        has_head = "SELECT count(*) FROM sqlite_master WHERE name = 'head'"
        with self._database.connected() as connection:
            (tables,) = connection.execute(has_head).fetchone()
            return bool(tables and connection.execute("SELECT 1 FROM head").fetchone())

    @property
    def changed_ns(self) -> int:
        """When it was last written; 0 if there is none."""
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0

    def recover(self) -> None:
        """Take back what a writer that was killed has left half done."""
        self._database.recover()

    def settle(self, head: StudyHead) -> StudyHead:
        """Make the store, or take up the one that is there; return the head that holds.

        Raises:
            DataError: the one that is there is of another study or version, or it cannot be
                written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be made: {error.strerror}; name another folder by --output"
            ) from error
        with self._database.connected("rwc") as connection:
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise DataError(f"{self._path} is of version {version}; this one writes {VERSION}")
            if version == 0:
                for statement in TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute(
                "INSERT OR IGNORE INTO head VALUES (1, ?)", (head.model_dump_json(),)
            )
            connection.execute("COMMIT")
        there = self.head
        there.check_same(head, self._path)
        return there

    def hold(self, halves: Mapping[Half, Samples]) -> None:
        """Keep labels and numbers of the samples of each half ``[samples]``.

        Raises:
            DataError: others are kept.
        """
        with self._database.connected("rwc") as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO halves VALUES (?, ?, ?)",
                [
                    (half, packed(of[0], LABEL), packed(of[1], NUMBER))
                    for half, of in halves.items()
                ],
            )
        for half, (labels, numbers) in halves.items():
            same = np.array_equal(self.labels(half), labels) and np.array_equal(
                self.numbers(half), numbers
            )
            if not same:
                raise DataError(
                    f"{self._path} is of other samples (of the half that is for {half}); name "
                    "another folder by --output, or delete it"
                )

    @cached_property
    def head(self) -> StudyHead:
        """What is studied.

        Raises:
            DataError: the store cannot be read.
        """
        with self._database.connected() as connection, self._database.believing():
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                raise DataError(f"{self._path} is of version {version}; this one reads {VERSION}")
            (content,) = connection.execute("SELECT content FROM head").fetchone()
            return StudyHead.model_validate_json(content)

    def labels(self, half: Half) -> NDArray[np.int64]:
        """Return the labels of the samples of a half ``[samples]``."""
        return self._of_half("labels", half, LABEL)

    def numbers(self, half: Half) -> NDArray[np.int64]:
        """Return the numbers of the samples of a half in their file ``[samples]``."""
        return self._of_half("numbers", half, NUMBER)

    def _of_half(self, column: str, half: Half, kind: np.dtype[Any]) -> NDArray[np.int64]:
        with self._database.connected() as connection, self._database.believing():
            (content,) = connection.execute(
                f"SELECT {column} FROM halves WHERE half = ?",
                (half,),
            ).fetchone()
            return unpacked(content, kind, (-1,), MOST_SAMPLES).astype(np.int64)

    def keys(self) -> set[str]:
        """Return the keys of all cells that are measured."""
        with self._database.connected() as connection:
            return {key for (key,) in connection.execute("SELECT key FROM cells")}

    def claim(self, cell: Cell) -> bool:
        """Say that a cell is begun, and return whether nobody had said so before."""
        with self._database.connected("rwc") as connection:
            found = connection.execute("INSERT OR IGNORE INTO claims VALUES (?)", (cell.key,))
            return found.rowcount == 1

    def settled(self, stage: str, settings: Sequence[Repeats]) -> list[Repeats]:
        """Return the repeats that a stage measures: those that were settled first, or these."""
        with self._database.connected("rwc") as connection:
            content = REPEATS.dump_json(list(settings))
            connection.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (stage, content))
            kept = "SELECT content FROM settings WHERE stage = ?"
            (held,) = connection.execute(kept, (stage,)).fetchone()
        with self._database.believing():
            return REPEATS.validate_json(held)

    def said(self, command: str) -> None:
        """Keep a command that went on with the study."""
        with self._database.connected("rwc") as connection:
            connection.execute("INSERT OR IGNORE INTO commands VALUES (?)", (command,))

    @property
    def commands(self) -> list[str]:
        """The commands that made the study."""
        return self._texts("SELECT command FROM commands ORDER BY rowid")

    @property
    def machines(self) -> list[str]:
        """The machines that measured cells."""
        return self._texts("SELECT DISTINCT machine FROM cells ORDER BY machine")

    def _texts(self, query: str) -> list[str]:
        with self._database.connected() as connection, self._database.believing():
            rows = connection.execute(query).fetchall()
            return TEXTS.validate_python([row for (row,) in rows], strict=True)

    def add(self, measured: Measured, machine: str) -> None:
        """Keep what a cell gave, unless it is there.

        Args:
            measured: cell and what it gave.
            machine: CPU and libraries that computed it.

        Raises:
            DataError: it cannot be written.
        """
        cell = measured.cell
        content = (
            packed(measured.fell_on, LABEL)
            if cell.gives == "votes"
            else FIGURES.dump_json(measured.figures)
        )
        with self._database.connected("rwc") as connection:
            connection.execute(
                "INSERT OR IGNORE INTO cells VALUES (?, ?, ?, ?, ?)",
                (cell.key, cell.model_dump_json(), content, measured.problem, machine),
            )

    def conclude(self, conclusions: Conclusions) -> None:
        """Keep what the study concludes, in the place of what it did before."""
        with suppress(DataError):  # what it concluded before may be damaged, or of an older form
            if self.conclusions == conclusions:
                return  # a file that is as it was need not be read again by those who serve it
        content = conclusions.model_dump_json()
        with self._database.connected("rwc") as connection:
            connection.execute("INSERT OR REPLACE INTO conclusions VALUES (1, ?)", (content,))

    @property
    def has_ended(self) -> bool:
        """Whether the study has come to its end."""
        with self._database.connected() as connection:
            return connection.execute("SELECT 1 FROM conclusions").fetchone() is not None

    @property
    def conclusions(self) -> Conclusions | None:
        """What the study concludes; None before its end."""
        with self._database.connected() as connection, self._database.believing():
            row = connection.execute("SELECT content FROM conclusions").fetchone()
            return None if row is None else Conclusions.model_validate_json(row[0])

    def measured(self) -> Iterator[Measured]:
        """Yield what is measured of all cells, by their keys.

        Raises:
            DataError: the store is damaged.
        """
        classes = self.head.classes
        with self._database.connected() as connection:
            keys = [key for (key,) in connection.execute("SELECT key FROM cells ORDER BY key")]
            for key in keys:
                content, told, problem = connection.execute(
                    "SELECT content, cell, problem FROM cells WHERE key = ?", (key,)
                ).fetchone()
                with self._database.believing():
                    cell = Cell.model_validate_json(told)
                    found = measured_from(cell, content, classes) if problem is None else None
                yield found or Measured(cell, NO_VOTES, {}, str(problem))


def measured_from(cell: Cell, content: bytes, classes: int) -> Measured:
    """Return a cell and what was kept of it.

    Args:
        cell: that was measured.
        content: as it is kept.
        classes: that the network tells apart.

    Raises:
        ValueError: it is not what the cell promises.
    """
    if cell.gives == "errors":
        if len(content) > MOST_FIGURES:
            raise ValueError("its figures are too many")
        return Measured(cell, NO_VOTES, FIGURES.validate_json(content))
    shape = cell.samples, cell.votes
    votes = unpacked(content, LABEL, shape, cell.samples * cell.votes)
    if votes.size and (votes.min() < 0 or votes.max() >= classes):
        raise ValueError(f"a vote falls on none of {classes} classes")
    return Measured(cell, votes.astype(np.int16), {})
