"""Measurements as a long CSV, a reading a row."""

import csv
from array import array
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from io import StringIO
from typing import Any

import numpy as np

from noisevote.models.errors import DataError
from noisevote.training.calibration.arranging import arranged
from noisevote.training.calibration.measurement_format import (
    MAX_READINGS,
    NAMES,
    OPTIONAL,
    REQUIRED,
    WHOLE,
    listed,
    reader_of,
    take_directive,
)
from noisevote.training.calibration.measurements import Directives, Measurements, Readings


def from_csv(content: bytes, sha256: str, shown: str) -> Measurements:
    """Read a reading a row.

    Raises:
        DataError: as :func:`read_measurements`.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{shown}: line {line} is no UTF-8 text") from error
    given: dict[str, Any] = {}
    rows = data_rows(text, given, shown)
    _, head = next(rows, (0, []))
    names = [name.strip() for name in head]
    check_head(names, shown)
    columns = {name: holder_of(name) for name in names}
    lines = array("q")
    readers = [(name, reader_of(name), columns[name].append) for name in names]
    for line, row in rows:
        if len(row) != len(names):
            raise DataError(
                f"{shown}: line {line} has {len(row)} values; the head has {len(names)}"
            )
        for (name, read, add), cell in zip(readers, row, strict=True):
            try:
                add(read(cell))
            except ValueError as error:
                raise DataError(
                    f"{shown}: line {line}, column {name}: got {cell.strip()[:40]!r}; {error}"
                ) from None
        lines.append(line)
        if len(lines) > MAX_READINGS:
            raise DataError(f"{shown} has more than {MAX_READINGS:,} readings")
    if not lines:
        raise DataError(f"{shown} has no readings")
    return arranged(
        readings_of(columns, lambda place: f"line {lines[place]}"),
        Directives(**given),
        sha256,
        shown,
    )


def holder_of(name: str) -> MutableSequence[Any]:
    """Return what takes the values of a column, in little memory."""
    return [] if name in NAMES else array("q" if name in WHOLE else "d")


def data_rows(text: str, given: dict[str, Any], shown: str) -> Iterator[tuple[int, list[str]]]:
    """Yield rows and their lines, the head first; what comment lines say goes into ``given``.

    Raises:
        DataError: a comment line is no known one, or a row is no CSV.
    """
    for line, content in enumerate(StringIO(text), 1):
        if content.startswith("#"):
            take_directive(content, given, f"{shown}: line {line}")
        elif content.strip():
            try:
                (row,) = csv.reader([content], strict=True)
            except csv.Error as error:
                raise DataError(f"{shown}: line {line} is no CSV: {error}") from error
            yield line, row


def check_head(names: list[str], shown: str) -> None:
    """Refuse a head with missing, unknown or double columns.

    Raises:
        DataError: it has.
    """
    allowed = f"needed are {listed(REQUIRED)}, allowed {listed(OPTIONAL)}"
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in REQUIRED + OPTIONAL]
    double = sorted({name for name in names if names.count(name) > 1})
    for wrong, which in ((missing, "lacks"), (unknown, "has the unknown"), (double, "has twice")):
        if wrong:
            found = listed(tuple(name[:40] for name in wrong))
            raise DataError(f"{shown}: the head {which} {found}; {allowed}")


def readings_of(columns: Mapping[str, Sequence[Any]], place: Callable[[int], str]) -> Readings:
    """Return the columns of a file as readings."""
    arrays: dict[str, Any] = {
        name: np.array(values, np.int64 if name in WHOLE else np.float64)
        for name, values in columns.items()
        if name not in NAMES
    }
    for name in NAMES:
        arrays[name] = np.array(columns.get(name) or [""] * len(columns["column"]))
    return Readings(place=place, **arrays)
