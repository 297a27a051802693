"""Measurements of an analog device: readings of matrix-vector products beside their ideal results.

One reading is the output of one column for one input vector. Readings that differ only in their
``repeat`` were taken one after another, under the same conditions: a session at an age and a
temperature.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

FEWEST = {"repeats": 2, "vectors": 30, "columns": 8}
"""Repeats tell read noise from frozen errors; fewer vectors or columns leave no usable interval."""

WHY = {
    "repeats": "with one reading of each, read noise and frozen errors cannot be told apart",
    "vectors": "gains, offsets and read noise need vectors to fit and to check on",
    "columns": "spreads over columns need columns",
}

DEFAULT_T0_S = 20.0
"""Of drift, ``((t + t0) / t0)^-nu``, as aihwkit takes it, where the file names none."""

SESSION_WIDTH = 0.25
"""Ages of a session: ``ln(t + t0)`` differs by less."""

TEMPERATURE_WIDTH_K = 2.0
"""Temperatures of a session differ by less."""

NEAR_C = 25.0
"""The base session is the one nearest to it, then the youngest."""


@dataclass(frozen=True, slots=True)
class Directives:
    """What a file says of all its readings.

    Attributes:
        unit: what ``ideal`` and ``measured`` are in; only shown.
        ideal_scale: factor that brings ``ideal`` to the unit of ``measured``.
        array_unit: size of one array unit in the unit of ``measured``; None where the file names
            none, and its unit is taken for the array unit.
        reads_gap_s: time from one repeat to the next.
        t0_s: age at the reading from which drift counts.
        rows: inputs of a column, all of which are used.
    """

    unit: str = ""
    ideal_scale: float = 1.0
    array_unit: float | None = None
    reads_gap_s: float | None = None
    t0_s: float = DEFAULT_T0_S
    rows: float | None = None


@dataclass(frozen=True, slots=True)
class Measurements:
    """Readings in array units, every session with the same columns, vectors and repeats.

    Attributes:
        ideal: result without any error ``[vectors, columns]``.
        measured: readings ``[sessions, repeats, vectors, columns]``.
        x_norm: Euclidean norm of the inputs over their range ``[vectors, columns]``, or None.
        wx2: sum of ``|w| x^2`` of each column ``[vectors, columns]``, or None.
        ages_s: of the sessions ``[sessions]``, or None.
        temperatures_c: of the sessions ``[sessions]``, or None.
        chips: of each column, its chip.
        layers: of each column, its layer.
        directives: what the file says of all.
        sha256: of the file, in hexadecimal.
    """

    ideal: Floats
    measured: Floats
    x_norm: Floats | None = None
    wx2: Floats | None = None
    ages_s: Floats | None = None
    temperatures_c: Floats | None = None
    chips: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    directives: Directives = field(default_factory=Directives)
    sha256: str = "0" * 64

    @property
    def vectors(self) -> int:
        """Number of input vectors."""
        return len(self.ideal)

    @property
    def columns(self) -> int:
        """Number of columns, of all chips and layers."""
        return int(self.ideal.shape[1])

    @property
    def repeats(self) -> int:
        """Number of readings of each vector and column in a session."""
        return int(self.measured.shape[1])

    @property
    def base(self) -> int:
        """The session from which all but drift and temperature is estimated."""
        sessions = len(self.measured)
        ages = np.zeros(sessions) if self.ages_s is None else self.ages_s
        warmth = np.full(sessions, NEAR_C) if self.temperatures_c is None else self.temperatures_c
        codes = clusters(warmth, TEMPERATURE_WIDTH_K)
        means = np.bincount(codes, warmth) / np.bincount(codes)
        return int(np.lexsort((ages, np.abs(means[codes] - NEAR_C)))[0])

    def like_base(self, values: Floats | None) -> list[int]:
        """Return the sessions whose age, or temperature, is about that of the base."""
        if values is None:
            return list(range(len(self.measured)))
        codes = self.codes_of(values)
        return np.flatnonzero(codes == codes[self.base]).tolist()

    def codes_of(self, values: Floats) -> Places:
        """Return which sessions have about the same age, or temperature ``[sessions]``."""
        if values is self.ages_s:
            return clusters(np.log(values + self.directives.t0_s), SESSION_WIDTH)
        return clusters(values, TEMPERATURE_WIDTH_K)


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings one by one, as a long file lists them; all arrays ``[readings]``.

    Attributes:
        column, vector, repeat: whole numbers.
        ideal, measured: in the unit of the file.
        layer, chip: names.
        x_norm, wx2, time_s, temperature_c: where the file has them.
        place: returns where in the file a reading stands, for messages.
    """

    layer: NDArray[np.str_]
    chip: NDArray[np.str_]
    column: NDArray[np.int64]
    vector: NDArray[np.int64]
    repeat: NDArray[np.int64]
    ideal: Floats
    measured: Floats
    place: Callable[[int], str]
    x_norm: Floats | None = None
    wx2: Floats | None = None
    time_s: Floats | None = None
    temperature_c: Floats | None = None


def clusters(values: Floats, width: float) -> Places:
    """Return to which group each value belongs, in rising order; a group is less than a width."""
    codes = np.zeros(len(values), np.intp)
    first, code = -np.inf, -1
    order = np.argsort(values, kind="stable")
    for place in order:
        if values[place] - first >= width:
            first, code = values[place], code + 1
        codes[place] = code
    return codes
