"""Files of measurements: a long CSV with a reading a row, or an ``.npz`` with whole arrays.

CSV, UTF-8, ``.`` decimals::

    #unit: lsb
    #array_unit: 3.906
    layer,column,vector,repeat,ideal,measured[,x_norm][,wx2][,time_s][,temperature_c][,chip]

Lines ``#key: value`` say something of all readings (:class:`.Directives`); ``# text`` is a comment.

npz: ``ideal`` ``[vectors, columns]``, ``measured`` ``[repeats, vectors, columns]`` or ``[sessions,
repeats, vectors, columns]``; optional ``x_norm`` ``[vectors]`` or ``[vectors, columns]``, ``wx2``
``[vectors, columns]``, ``time_s`` and ``temperature_c`` ``[sessions]``, ``chip`` and ``layer``
``[columns]``, and the keys of the CSV's ``#`` lines as numbers or text.
"""

import csv
import hashlib
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.profile import MAX_AGE_S
from noisevote.models.errors import DataError
from noisevote.models.files import regular_content
from noisevote.training.devices.measurements import (
    Directives,
    Floats,
    Measurements,
    Readings,
    arranged,
)

MAX_BYTES = 256 * 1024 * 1024
"""Of a file, and of the arrays in it."""

MAX_READINGS = 8_000_000
LARGEST = 1e12
"""Of any number."""

REQUIRED = ("layer", "column", "vector", "repeat", "ideal", "measured")
OPTIONAL = ("x_norm", "wx2", "time_s", "temperature_c", "chip")
WHOLE = ("column", "vector", "repeat")
NAMES = ("layer", "chip")
NAME_LENGTH = 64

RANGES: dict[str, tuple[float, float]] = {
    "column": (0, 2**31),
    "vector": (0, 2**31),
    "repeat": (0, 2**31),
    "x_norm": (0, LARGEST),
    "wx2": (0, LARGEST),
    "time_s": (0, MAX_AGE_S),
    "temperature_c": (-273.15, 1000),
}
"""Of columns; of all others the largest number either way."""

ABOVE_0 = ("ideal_scale", "array_unit", "reads_gap_s", "t0_s")
DIRECTIVES = ("unit", *ABOVE_0)
ARRAYS = ("ideal", "measured")
ARRAY_KEYS = (*ARRAYS, "x_norm", "wx2", "time_s", "temperature_c", "chip", "layer", *DIRECTIVES)


def read_measurements(path: Path) -> Measurements:
    """Read a file of measurements.

    Raises:
        DataError: it cannot be read, is too large, or holds something else; the message names the
            line and column, or the array, and what is allowed.
    """
    try:
        content = regular_content(path, MAX_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if path.suffix.lower() == ".npz":
        return from_npz(content, sha256, str(path))
    if path.suffix.lower() == ".csv":
        return from_csv(content, sha256, str(path))
    raise DataError(f"{path} is neither a .csv nor a .npz")


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
    columns: dict[str, list[Any]] = {name: [] for name in names}
    lines: list[int] = []
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


def take_directive(content: str, given: dict[str, Any], place: str) -> None:
    """Take a line ``#key: value``; ``# text`` is a comment.

    Raises:
        DataError: the key is unknown or stands there twice, or its value is not allowed.
    """
    found = re.fullmatch(r"#( ?)([A-Za-z_][A-Za-z0-9_]*):(.*)", content.rstrip())
    if found is None or (found[1] and found[2] not in DIRECTIVES):
        return
    key, value = found[2], found[3].strip()
    if key not in DIRECTIVES:
        raise DataError(
            f"{place}: #{key} is unknown; known are {listed(DIRECTIVES)}; a comment has a space "
            "after the #"
        )
    if key in given:
        raise DataError(f"{place}: #{key} stands there twice")
    try:
        given[key] = directive(key, value)
    except ValueError as error:
        raise DataError(f"{place}: #{key}: got {value[:40]!r}; {error}") from None


def directive(key: str, value: str) -> float | str:
    """Return the value of a key.

    Raises:
        ValueError: it is not allowed; says what is.
    """
    if key not in ABOVE_0:
        if len(value) > NAME_LENGTH:
            raise ValueError(f"allowed are {NAME_LENGTH} letters")
        return value
    number = float_of(value)
    if not 0 < number <= LARGEST:
        raise ValueError(f"allowed is above 0, at most {LARGEST:g}")
    return number


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


def reader_of(name: str) -> Callable[[str], Any]:
    """Return what reads the cells of a column; it raises ValueError that says what is allowed."""
    if name in NAMES:
        return name_of
    low, high = RANGES.get(name, (-LARGEST, LARGEST))
    read, kind = (whole_of, "a whole number") if name in WHOLE else (float_of, "a number")

    def value(cell: str) -> float:
        number = read(cell)
        if not low <= number <= high:
            raise ValueError(f"allowed is {kind} from {low:g} to {high:g}")
        return number

    return value


def name_of(cell: str) -> str:
    """Return a name."""
    name = cell.strip()
    if not 0 < len(name) <= NAME_LENGTH:
        raise ValueError(f"allowed are 1 to {NAME_LENGTH} letters")
    return name


def whole_of(cell: str) -> int:
    """Return a whole number."""
    if not re.fullmatch(r"\s*\d{1,10}\s*", cell, re.ASCII):
        raise ValueError("allowed is a whole number from 0 on")
    return int(cell)


def float_of(cell: str) -> float:
    """Return a finite number."""
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in cell:
        raise ValueError("allowed is a finite number with a decimal point")
    return number


def readings_of(columns: Mapping[str, list[Any]], place: Callable[[int], str]) -> Readings:
    """Return the columns of a file as readings."""
    chip = columns.get("chip") or [""] * len(columns["column"])
    return Readings(
        np.array(columns["layer"]),
        np.array(chip),
        *(np.array(columns[name], np.int64) for name in WHOLE),
        *(np.array(columns[name], np.float64) for name in ARRAYS),
        place,
        *(
            np.array(columns[name], np.float64) if name in columns else None
            for name in OPTIONAL
            if name not in NAMES
        ),
    )


def from_npz(content: bytes, sha256: str, shown: str) -> Measurements:
    """Read whole arrays.

    Raises:
        DataError: as :func:`read_measurements`.
    """
    arrays = arrays_of(content, shown)
    unknown = [name for name in arrays if name not in ARRAY_KEYS]
    missing = [name for name in ARRAYS if name not in arrays]
    if unknown or missing:
        wrong = (
            f"has the unknown {listed(tuple(unknown))}" if unknown else f"lacks {listed(missing)}"
        )
        raise DataError(f"{shown} {wrong}; allowed are {listed(ARRAY_KEYS)}")
    given: dict[str, Any] = {}
    for key in DIRECTIVES:
        if key in arrays:
            take_directive(f"#{key}: {arrays[key]}", given, shown)
    measured = numbers_of(arrays, "measured", shown)
    if measured.ndim == 3:
        measured = measured[None]
    ideal = numbers_of(arrays, "ideal", shown)
    if measured.ndim != 4 or ideal.shape != measured.shape[2:] or not measured.size:
        raise DataError(
            f"{shown}: ideal has the shape {list(ideal.shape)}, measured "
            f"{list(measured.shape)}; needed are [vectors, columns] and [repeats, vectors, columns] "
            "or [sessions, repeats, vectors, columns]"
        )
    return arranged(flattened(arrays, ideal, measured, shown), Directives(**given), sha256, shown)


def arrays_of(content: bytes, shown: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file, bounded before they are unpacked.

    Raises:
        DataError: it is no such file, or larger than allowed.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as packed:
            size = sum(each.file_size for each in packed.infolist())
        if size > MAX_BYTES:
            raise DataError(f"{shown} holds {size:,} bytes; allowed are {MAX_BYTES:,}")
        loaded = np.load(BytesIO(content), allow_pickle=False)
        return dict(loaded.items())
    except (
        ValueError,
        EOFError,
        NotImplementedError,
        OSError,
        zlib.error,
        zipfile.BadZipFile,
        MemoryError,
        SyntaxError,
    ) as error:
        raise DataError(f"{shown} is no .npz of arrays: {error}") from error


def numbers_of(arrays: Mapping[str, NDArray[Any]], name: str, shown: str) -> Floats:
    """Return an array of finite numbers within its range.

    Raises:
        DataError: it is none; the message names the first wrong place.
    """
    if arrays[name].dtype.kind not in "iuf":
        raise DataError(f"{shown}: {name} is of type {arrays[name].dtype}; needed are numbers")
    values = arrays[name].astype(np.float64)
    low, high = RANGES.get(name, (-LARGEST, LARGEST))
    wrong = ~((values >= low) & (values <= high))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"{shown}: {name}{list(place)} is {values[place]:g}; allowed is a number from {low:g} to "
            f"{high:g}"
        )
    return values


def flattened(
    arrays: Mapping[str, NDArray[Any]], ideal: Floats, measured: Floats, shown: str
) -> Readings:
    """Return whole arrays as readings.

    Raises:
        DataError: an array has another shape, or no numbers.
    """
    sessions, _, vectors, columns = measured.shape
    places = {
        "x_norm": (2, 3), "wx2": (2, 3), "time_s": (0,), "temperature_c": (0,),
    }  # fmt: skip
    values: dict[str, Any] = {}
    for name, axes in places.items():
        if name not in arrays:
            values[name] = None
            continue
        array = numbers_of(arrays, name, shown)
        if name == "x_norm" and array.shape == (vectors,):
            array = np.repeat(array[:, None], columns, 1)
        needed = tuple(measured.shape[axis] for axis in axes)
        if array.shape != needed:
            raise DataError(
                f"{shown}: {name} has the shape {list(array.shape)}; needed is {list(needed)}"
            )
        array = array if len(axes) == 2 else array.reshape(-1, 1, 1, 1)
        values[name] = np.broadcast_to(array, measured.shape).reshape(-1)
    index = np.indices(measured.shape).reshape(4, -1)
    names = {name: column_names(arrays, name, columns, shown)[index[3]] for name in NAMES}
    # Sessions of like age and temperature would share repeats: they are counted on.
    repeat = index[0] * measured.shape[1] + index[1] if sessions > 1 else index[1]
    return Readings(
        names["layer"],
        names["chip"],
        index[3],
        index[2],
        repeat,
        np.broadcast_to(ideal, measured.shape).reshape(-1),
        measured.reshape(-1),
        lambda place: f"measured{[int(i) for i in index[:, place]]}",
        **values,
    )


def column_names(
    arrays: Mapping[str, NDArray[Any]], name: str, columns: int, shown: str
) -> NDArray[np.str_]:
    """Return the chip, or layer, of each column.

    Raises:
        DataError: they are not one a column.
    """
    if name not in arrays:
        return np.full(columns, "")
    array = arrays[name]
    if array.shape != (columns,) or array.dtype.kind not in "iuU":
        raise DataError(
            f"{shown}: {name} has the shape {list(array.shape)} and type {array.dtype}; needed are "
            f"[{columns}] names or whole numbers, one a column"
        )
    return array.astype(str)


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Return names as a list to read."""
    return ", ".join(names)
