"""Readings one by one become whole arrays: sessions are found, and every reading must be there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.errors import DataError
from noisevote.training.calibration.measurements import (
    FEWEST,
    SESSION_WIDTH,
    TEMPERATURE_WIDTH_K,
    WHY,
    Directives,
    Floats,
    Measurements,
    Places,
    Readings,
    clusters,
)


def ranks_within(groups: Places, numbers: NDArray[np.int64]) -> Places:
    """Return the place of each number among the different ones of its group, from 0 on."""
    pairs, codes = np.unique(np.stack([groups, numbers]), axis=1, return_inverse=True)
    found, group = np.unique(groups, return_inverse=True)
    return codes.reshape(-1).astype(np.intp) - np.searchsorted(pairs[0], found)[group]


def arranged(readings: Readings, directives: Directives, sha256: str, shown: str) -> Measurements:
    """Return readings as whole arrays in array units.

    Raises:
        DataError: a reading is missing or stands there twice, ideal results disagree, or there are
            too few; the message names the first such reading.
    """
    sessions, session = sessions_of(readings, directives)
    layers, layer = np.unique(readings.layer, return_inverse=True)
    names, column = np.unique(
        np.stack([readings.chip, readings.layer, readings.column.astype(str)]),
        axis=1,
        return_inverse=True,
    )
    column = in_order(names, column.reshape(-1))
    vector = ranks_within(layer.reshape(-1), readings.vector)
    repeat = ranks_within(session, readings.repeat)
    shape = (sessions, repeat.max() + 1, vector.max() + 1, column.max() + 1)
    check_numbers(dict(zip(("repeats", "vectors", "columns"), shape[1:], strict=True)), shown)
    check_layers(layer.reshape(-1), vector, layers, shown)
    flat = np.ravel_multi_index((session, repeat, vector, column), shape)
    check_grid(readings, flat, (session, repeat, vector, column), shape, shown)
    order = np.argsort(flat)
    cell = np.ravel_multi_index((vector, column), shape[2:])
    scale = directives.array_unit or 1.0
    of_column = np.zeros(shape[3], np.intp)
    of_column[column] = np.arange(len(column))
    return Measurements(
        one_each(readings, "ideal", cell, shape, shown) * directives.ideal_scale / scale,
        readings.measured[order].reshape(shape) / scale,
        shared(readings, "x_norm", cell, shape, shown),
        shared(readings, "wx2", cell, shape, shown),
        mean_by(session, readings.time_s),
        mean_by(session, readings.temperature_c),
        tuple(readings.chip[of_column].tolist()),
        tuple(readings.layer[of_column].tolist()),
        directives,
        sha256,
    )


def in_order(names: NDArray[np.str_], codes: Places) -> Places:
    """Return codes of columns in the order of chip, layer and number, which is no text."""
    order = np.lexsort((names[2].astype(np.int64), names[1], names[0]))
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[codes])


def sessions_of(readings: Readings, directives: Directives) -> tuple[int, Places]:
    """Return how many sessions there are, and which each reading belongs to."""
    codes = np.zeros((2, len(readings.measured)), np.intp)
    if readings.time_s is not None:
        codes[0] = of_distinct(np.log(readings.time_s + directives.t0_s), SESSION_WIDTH)
    if readings.temperature_c is not None:
        codes[1] = of_distinct(readings.temperature_c, TEMPERATURE_WIDTH_K)
    found, session = np.unique(codes, axis=1, return_inverse=True)
    return found.shape[1], session.reshape(-1).astype(np.intp)


def of_distinct(values: Floats, width: float) -> Places:
    """Return the groups of many values of which few differ."""
    distinct, inverse = np.unique(values, return_inverse=True)
    return clusters(distinct, width)[inverse.reshape(-1)]


def mean_by(session: Places, values: Floats | None) -> Floats | None:
    """Return the mean of each session's values."""
    if values is None:
        return None
    return np.asarray(np.bincount(session, values) / np.bincount(session))


def check_numbers(numbers: dict[str, Any], shown: str) -> None:
    """Refuse too few repeats, vectors or columns.

    Raises:
        DataError: there are too few.
    """
    for name, number in numbers.items():
        if number < FEWEST[name]:
            raise DataError(
                f"{shown} has {number} {name}; needed are {FEWEST[name]} or more: {WHY[name]}"
            )


def check_layers(layer: Places, vector: Places, names: NDArray[np.str_], shown: str) -> None:
    """Refuse layers with unequal numbers of vectors.

    Raises:
        DataError: they have.
    """
    numbers = [int(vector[layer == code].max()) + 1 for code in range(len(names))]
    if len(set(numbers)) > 1:
        each = ", ".join(f"{name!s}: {n}" for name, n in zip(names, numbers, strict=True))
        raise DataError(
            f"{shown}: layers have unequal numbers of vectors ({each}); calibrate each in a file "
            "of its own"
        )


def check_grid(
    readings: Readings,
    flat: Places,
    ranks: tuple[Places, ...],
    shape: tuple[int, ...],
    shown: str,
) -> None:
    """Refuse readings that stand there twice or not at all.

    Args:
        readings: all.
        flat: place of each in the whole array.
        ranks: the same by session, repeat, vector and column.
        shape: of the whole array.
        shown: name of the file.

    Raises:
        DataError: there is one.
    """
    counts = np.bincount(flat, minlength=int(np.prod(shape)))
    if counts.max() > 1:
        first, second = np.flatnonzero(flat == counts.argmax())[:2]
        raise DataError(
            f"{shown}: {readings.place(int(second))} repeats {readings.place(int(first))}: "
            f"{named(readings, int(first))}; each reading has a repeat of its own"
        )
    if counts.min() == 0:
        lacks = tuple(int(i) for i in np.unravel_index(int(counts.argmin()), shape))
        raise DataError(
            f"{shown}: of {int(np.prod(shape))} readings {int((counts == 0).sum())} are missing, "
            f"the first of {missing(readings, ranks, lacks)}; every column needs every vector and "
            "repeat, at each age and temperature"
        )


def missing(readings: Readings, ranks: tuple[Places, ...], lacks: tuple[int, ...]) -> str:
    """Return what a missing reading is of, in the numbers that the file gives to others.

    Args:
        readings: all that are there.
        ranks: session, repeat, vector and column of each, in rising order.
        lacks: the same of the one that is missing.
    """
    session, repeat, vector, column = (
        rank == lack for rank, lack in zip(ranks, lacks, strict=True)
    )
    of_column = int(np.argmax(column))
    of_layer = readings.layer == readings.layer[of_column]
    parts = {
        "chip": readings.chip[of_column],
        "layer": readings.layer[of_column],
        "column": readings.column[of_column],
        "vector": readings.vector[int(np.argmax(vector & of_layer))],
    }
    if (session & repeat).any():
        parts["repeat"] = readings.repeat[int(np.argmax(session & repeat))]
    else:
        parts["repeat"] = f"{lacks[1]} in rising order from 0 on"
    for name in ("time_s", "temperature_c"):
        if (values := getattr(readings, name)) is not None:
            parts[name] = f"{values[int(np.argmax(session))]:g}"
    return ", ".join(f"{name} {value}" for name, value in parts.items() if f"{value}")


def named(readings: Readings, place: int) -> str:
    """Return what a reading is of."""
    return ", ".join(
        f"{name} {getattr(readings, name)[place]}"
        for name in ("layer", "column", "vector", "repeat")
    )


def shared(
    readings: Readings, name: str, cell: Places, shape: tuple[int, ...], shown: str
) -> Floats | None:
    """Return :func:`one_each`, or None where the file has no such column."""
    if getattr(readings, name) is None:
        return None
    return one_each(readings, name, cell, shape, shown)


def one_each(
    readings: Readings, name: str, cell: Places, shape: tuple[int, ...], shown: str
) -> Floats:
    """Return the value that all readings of a vector and column share ``[vectors, columns]``.

    Raises:
        DataError: they do not.
    """
    values: Floats = getattr(readings, name)
    first = np.zeros(shape[2] * shape[3], np.intp)
    first[cell[::-1]] = np.arange(len(cell))[::-1]
    wrong = np.flatnonzero(values != values[first[cell]])
    if len(wrong):
        here, there = int(wrong[0]), int(first[cell[wrong[0]]])
        raise DataError(
            f"{shown}: {readings.place(here)}: {name} is {values[here]:g}, at "
            f"{readings.place(there)} it is {values[there]:g}; a vector and column have one"
        )
    return values[first].reshape(shape[2:])
