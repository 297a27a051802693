"""What files of measurements may hold: their keys, their ranges, and how values are read."""

import math
import re
from collections.abc import Callable
from typing import Any

from noisevote.models.devices.parts import MAX_AGE_S
from noisevote.models.errors import DataError

MAX_BYTES = 256 * 1024 * 1024
"""Of a file, and of the arrays in it."""

MAX_READINGS = 4_000_000
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

ABOVE_0 = ("ideal_scale", "array_unit", "reads_gap_s", "t0_s", "rows")
DIRECTIVES = ("unit", *ABOVE_0)
ARRAYS = ("ideal", "measured")
ARRAY_KEYS = (*ARRAYS, "x_norm", "wx2", "time_s", "temperature_c", "chip", "layer", *DIRECTIVES)


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


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Return names as a list to read."""
    return ", ".join(names)
