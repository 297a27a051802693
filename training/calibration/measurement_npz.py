"""Measurements as whole arrays in an ``.npz``."""

import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.errors import DataError
from noisevote.training.calibration.arranging import arranged
from noisevote.training.calibration.measurement_format import (
    ARRAY_KEYS,
    ARRAYS,
    DIRECTIVES,
    LARGEST,
    MAX_BYTES,
    MAX_READINGS,
    NAMES,
    RANGES,
    listed,
    take_directive,
)
from noisevote.training.calibration.measurements import Directives, Floats, Measurements, Readings


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
    if measured.size > MAX_READINGS:
        raise DataError(f"{shown} has {measured.size:,} readings; allowed are {MAX_READINGS:,}")
    if measured.ndim != 4 or ideal.shape != measured.shape[2:] or not measured.size:
        raise DataError(
            f"{shown}: ideal has the shape {list(ideal.shape)}, measured "
            f"{list(measured.shape)}; needed are [vectors, columns] and [repeats, vectors, "
            "columns] or [sessions, repeats, vectors, columns]"
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
            f"{shown}: {name}{list(place)} is {values[place]:g}; allowed is a number from {low:g} "
            f"to {high:g}"
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
