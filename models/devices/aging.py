"""Cells at an age: programming, stuck cells, drift, relaxation, 1/f noise; conductances in uS.

The steps and their sources stand in ``models.devices.cells``. Somebody waits for a new chip, so
numbers have the precision of the target, which is single, and arrays that nobody else holds are
written over.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.curves import Floats, curve_at
from noisevote.models.devices.pairs import exchanged, signed
from noisevote.models.devices.parts import MAX_LEVEL
from noisevote.models.devices.profile import Profile

OfParts = Mapping[str, NDArray[Any]]
"""Draws of each part of one cell of each weight: ``program``, without the sign."""

LARGEST_ARGUMENT = 2.0
"""Of curves: no conductance counts as more than twice the largest one."""


class Block(NamedTuple):
    """What some columns hold, in array units.

    Attributes:
        weights: at the age ``[columns, rows]``.
        written: mean magnitude of the weights as written ``[columns]``; ``[1]`` if not needed.
        left: the same at the age.
        variance: of a fresh read, the mean over the rows ``[columns]``, or ``[1]`` for all.
    """

    weights: Floats
    written: Floats
    left: Floats
    variance: Floats


class Cells(NamedTuple):
    """What one cell of each weight holds.

    Attributes:
        held: conductance at the age in uS ``[columns, rows]``, or ``[1, 1]`` for all.
        written: the same as written.
        variance: of a fresh read in uS^2, the mean over the rows ``[columns]``, or ``[1]`` for all.
    """

    held: Floats
    written: Floats
    variance: Floats


@dataclass(frozen=True, slots=True)
class Life:
    """A device at an age: what depends on it, as numbers.

    Attributes:
        profile: the device.
        tables: numbers of the tables around the age, and the share of the second; None without.
        drift: ``ln((t + t0) / t0)``.
        log_age: ``ln(t / 1 s)``, at least 0; None at age 0, when nothing has relaxed.
        slow: variance of the slow 1/f noise, ``ln(t / T)``.
        fast: variance of the fresh 1/f noise, ``ln(T / 2 t_read)``.
    """

    profile: Profile
    tables: tuple[int, int, float] | None
    drift: float
    log_age: float | None
    slow: float
    fast: float

    @classmethod
    def of(cls, profile: Profile, age_s: float, window_s: float) -> "Life":
        """Return a device at an age, its votes read within a window."""
        t0_s = profile.drift.t0_s if profile.drift else 0.0
        flicker = profile.flicker
        slow, fast = split_of(age_s + t0_s, window_s, flicker.t_read_s) if flicker else (0.0, 0.0)
        return cls(
            profile,
            tables=tables_around([table.t_s for table in profile.aged], age_s),
            drift=math.log1p(age_s / t0_s) if t0_s else 0.0,
            log_age=math.log(max(age_s, 1.0)) if age_s > 0 else None,
            slow=slow,
            fast=fast,
        )

    @property
    def compensates(self) -> bool:
        """Whether weights as written are needed."""
        return self.profile.compensation != "none"

    def block(self, target: NDArray[np.float32], draws: Mapping[str, NDArray[Any]]) -> Block:
        """Return what some columns hold.

        Args:
            target: weights in array units ``[columns, rows]``.
            draws: of each part, with the sign of the cell: ``program+``; each ``[columns, rows]``.
        """
        cell = self.profile.cell
        span = cell.g_max_us - cell.g_min_us
        if self.profile.array.mapping == "single":
            unit, middle = span / 2, (cell.g_max_us + cell.g_min_us) / 2
            own = {part.removesuffix("+"): values for part, values in draws.items()}
            held, written, variance = self.cells(target * unit + middle, own)
            held, written = held - middle, written - middle
        else:
            unit = span
            active, idle = exchanged(draws, target)
            one = self.cells(np.abs(target) * span + cell.g_min_us, active)
            # All idle cells have one target, and so one value of each curve.
            other = self.cells(np.full((1, 1), cell.g_min_us, target.dtype), idle)
            held = signed(np.subtract(one.held, other.held, dtype=np.float32), target)
            variance = one.variance + other.variance
            written = one.written - other.written if self.compensates else held
        of_all = self.compensates or self.profile.read.w != 0
        return Block(
            bounded(held / unit),
            mean_magnitude(written) / unit if self.compensates else np.zeros(1),
            mean_magnitude(held) / unit if of_all else np.zeros(1),
            np.minimum(variance / unit**2, MAX_LEVEL**2),
        )

    def cells(self, target: Floats, draws: OfParts) -> Cells:
        """Return what one cell of each weight holds.

        Args:
            target: conductance in uS ``[columns, rows]``, or ``[1, 1]`` for all.
            draws: of each part ``[columns, rows]``.
        """
        profile, x = self.profile, target / self.profile.cell.g_max_us
        stuck = self.stuck_cells(draws.get("stuck"))
        z = draws.get("program")
        if self.tables is None or z is None:
            std = None if z is None else curve_at(profile.program.std_us, x)
            written = held = stuck(deviated(target, std, z))
        else:
            held = stuck(self.tabulated(target, x, z, self.tables))
            written = stuck(self.tabulated(target, x, z, (0, 0, 0.0))) if self.compensates else held
        before_drift = held
        held = self.relaxed(self.drifted(held, x, draws.get("nu")), draws)
        variance: Floats = np.zeros(1)
        if profile.flicker is not None:
            noise = curve_at(profile.flicker.q, self.argument(before_drift)) * held
            variance = mean_square(noise) * self.fast
            if self.slow > 0:
                noise = noise * draws["slow"]
                noise *= math.sqrt(self.slow)
                held = np.add(noise, held, out=noise)
        held = positive(held)
        if profile.read.cell_std_us != 0:
            std = curve_at(profile.read.cell_std_us, self.argument(held))
            variance = variance + mean_square(std)
        return Cells(held, written, variance)

    def argument(self, conductance: Floats) -> Floats:
        """Return what curves take: a conductance over the largest one."""
        x = conductance / self.profile.cell.g_max_us
        return x.clip(-np.inf, LARGEST_ARGUMENT, out=x)

    def tabulated(
        self, target: Floats, x: Floats, z: NDArray[Any], tables: tuple[int, int, float]
    ) -> Floats:
        """Return conductances between two tables of the profile."""
        lower, upper, share = tables
        first, second = self.profile.aged[lower], self.profile.aged[upper]
        std, shift = curve_at(first.std_us, x), curve_at(first.shift_us, x)
        if share > 0:
            std += share * (curve_at(second.std_us, x) - std)
            shift += share * (curve_at(second.shift_us, x) - shift)
        shift += target
        return deviated(shift, std, z)

    def stuck_cells(self, uniform: NDArray[Any] | None) -> Callable[[Floats], Floats]:
        """Return what puts stuck cells in the place of others, by a draw on [0, 1) of each."""
        if uniform is None:
            return lambda conductance: conductance
        off = self.profile.program.stuck_off
        is_off, is_stuck = uniform < off, uniform < off + self.profile.program.stuck_on
        at = np.where(is_off, np.float32(0), np.float32(self.profile.cell.g_max_us))
        return lambda conductance: np.where(is_stuck, at, conductance)

    def drifted(self, conductance: Floats, x: Floats, z: NDArray[Any] | None) -> Floats:
        """Return conductances that have lost by the power law, whose exponents the target sets."""
        drift = self.profile.drift
        if drift is None or z is None or self.drift == 0:
            return conductance
        left: Floats = curve_at(drift.nu_std, x) * z
        left += curve_at(drift.nu, x)
        np.abs(left, out=left)
        left *= -self.drift
        np.exp(left, out=left)
        left *= conductance
        return left

    def relaxed(self, conductance: Floats, draws: OfParts) -> Floats:
        """Return conductances that have changed after writing, whatever they were."""
        relaxation = self.profile.relaxation
        if relaxation is None or self.log_age is None:
            return conductance
        constant, growth = relaxation.std_us
        changed = draws["relaxation"] * max(constant + growth * self.log_age, 0.0)
        changed += relaxation.mean_us * self.log_age
        return conductance + changed


def positive(values: Floats) -> Floats:
    """Set values to 0 where they are negative, and return them."""
    return values.clip(0, np.inf, out=values)  # maximum() of a number takes three times as long


def deviated(mean: Floats, std: Floats | None, z: NDArray[Any] | None) -> Floats:
    """Return conductances around a mean, not below 0; a standard deviation below 0 counts as 0."""
    return positive(mean.copy() if std is None or z is None else mean + positive(std) * z)


def bounded(weights: Floats) -> Floats:
    """Bound weights to what can be computed with, whatever the profile, and return them."""
    return weights.clip(-MAX_LEVEL, MAX_LEVEL, out=weights)


def mean_magnitude(values: Floats) -> Floats:
    """Return the mean magnitude of each column ``[columns]``."""
    means: Floats = np.einsum("ij->i", np.abs(values)) / max(values.shape[1], 1)
    return means


def mean_square(values: Floats) -> Floats:
    """Return the mean square of each column ``[columns]``."""
    means: Floats = np.einsum("ij,ij->i", values, values) / max(values.shape[1], 1)
    return means


def tables_around(ages_s: Sequence[float], age_s: float) -> tuple[int, int, float] | None:
    """Return the numbers of the tables around an age and the share of the second; None if none.

    Linear in the logarithm of the age; level before the first and after the last.
    """
    if not ages_s:
        return None
    upper = int(np.searchsorted(ages_s, age_s))
    if upper in {0, len(ages_s)}:
        nearest = min(upper, len(ages_s) - 1)
        return nearest, nearest, 0.0
    before, after = ages_s[upper - 1], ages_s[upper]
    return upper - 1, upper, math.log(age_s / before) / math.log(after / before)


def split_of(t_s: float, window_s: float, t_read_s: float) -> tuple[float, float]:
    """Return how the variance of 1/f noise, for each q^2, falls on all votes and on each of them.

    All of it is ``ln(t / 2 t_read)``: a spectrum from 1/t to 1/t_read. What is slower than the
    window T of the votes, ``ln(t / T)``, is the same in all of them; ``ln(T / 2 t_read)`` is fresh.
    A window shorter than two reads is one read; one longer than the age has no slow part.

    Args:
        t_s: time since writing; a read later it is read.
        window_s: time in which all votes are read.
        t_read_s: duration of a read.

    Returns:
        The slow and the fresh part, neither below 0.
    """
    shortest = 2 * t_read_s
    longest = max(t_s + t_read_s, shortest)
    window = min(max(window_s, shortest), longest)
    return math.log(longest / window), math.log(window / shortest)
