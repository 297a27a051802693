"""Cells at an age: programming, stuck cells, drift, relaxation, 1/f noise; conductances in uS.

The steps and their sources stand in ``models.devices.cells``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.curves import curve_at
from noisevote.models.devices.parts import MAX_LEVEL
from noisevote.models.devices.profile import Profile

Floats = NDArray[np.float64]
OfParts = Mapping[str, NDArray[Any]]
"""Draws of each part."""

LARGEST_ARGUMENT = 2.0
"""Of curves: no conductance counts as more than twice the largest one."""


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

    def block(self, target: Floats, draws: OfParts) -> tuple[Floats, Floats, Floats]:
        """Return weights at the age, weights as written, and the fresh variance of each column."""
        cell = self.profile.cell
        span = cell.g_max_us - cell.g_min_us
        if self.profile.array.mapping == "single":
            unit, middle = span / 2, (cell.g_max_us + cell.g_min_us) / 2
            held, written, fresh = self.cells(middle + unit * target, draws, "+")
            held, written = held - middle, written - middle
        else:
            unit = span
            held, written, fresh = self.cells(positive(target) * span + cell.g_min_us, draws, "+")
            other = self.cells(positive(-target) * span + cell.g_min_us, draws, "-")
            held, written, fresh = held - other[0], written - other[1], fresh + other[2]
        of_column = fresh.sum(1) / max(target.shape[1], 1) / unit**2
        return bounded(held / unit), bounded(written / unit), np.minimum(of_column, MAX_LEVEL**2)

    def cells(self, target: Floats, draws: OfParts, sign: str) -> tuple[Floats, Floats, Floats]:
        """Return conductances at the age and as written, and their fresh variance; uS, uS^2."""
        profile, x = self.profile, target / self.profile.cell.g_max_us
        stuck = self.stuck_cells(draws.get("stuck" + sign))
        z = draws.get("program" + sign)
        if self.tables is None or z is None:
            std = 0.0 if z is None else curve_at(profile.program.std_us, x)
            written = held = stuck(deviated(target, std, z))
        else:
            held = stuck(self.tabulated(target, x, z, self.tables))
            is_needed = profile.compensation != "none"
            written = stuck(self.tabulated(target, x, z, (0, 0, 0.0))) if is_needed else held
        before_drift = held
        held = self.relaxed(self.drifted(held, x, draws.get("nu" + sign)), draws, sign)
        fresh = np.zeros(target.shape)
        if profile.flicker is not None:
            q = curve_at(profile.flicker.q, self.argument(before_drift))
            if self.fast > 0:
                fresh = (q * held) ** 2 * self.fast
            held = held + held * q * (math.sqrt(self.slow) * draws["slow" + sign])
        held = positive(held)
        if profile.read.cell_std_us != 0:
            fresh = fresh + curve_at(profile.read.cell_std_us, self.argument(held)) ** 2
        return held, written, fresh

    def argument(self, conductance: Floats) -> Floats:
        """Return what curves take: a conductance over the largest one."""
        return np.minimum(conductance / self.profile.cell.g_max_us, LARGEST_ARGUMENT)

    def tabulated(
        self, target: Floats, x: Floats, z: NDArray[Any], tables: tuple[int, int, float]
    ) -> Floats:
        """Return conductances between two tables of the profile."""
        lower, upper, share = tables
        first, second = self.profile.aged[lower], self.profile.aged[upper]
        std, shift = curve_at(first.std_us, x), curve_at(first.shift_us, x)
        if share > 0:
            std = std + share * (curve_at(second.std_us, x) - std)
            shift = shift + share * (curve_at(second.shift_us, x) - shift)
        return deviated(target + shift, std, z)

    def stuck_cells(self, uniform: NDArray[Any] | None) -> Callable[[Floats], Floats]:
        """Return what puts stuck cells in the place of others, by a draw on [0, 1) of each."""
        if uniform is None:
            return lambda conductance: conductance
        off = self.profile.program.stuck_off
        is_off, is_stuck = uniform < off, uniform < off + self.profile.program.stuck_on
        at = np.where(is_off, 0.0, self.profile.cell.g_max_us)
        return lambda conductance: np.where(is_stuck, at, conductance)

    def drifted(self, conductance: Floats, x: Floats, z: NDArray[Any] | None) -> Floats:
        """Return conductances that have lost by the power law, whose exponents the target sets."""
        drift = self.profile.drift
        if drift is None or z is None or self.drift == 0:
            return conductance
        nu = np.abs(curve_at(drift.nu, x) + curve_at(drift.nu_std, x) * z)
        left: Floats = conductance * np.exp(-self.drift * nu)
        return left

    def relaxed(self, conductance: Floats, draws: OfParts, sign: str) -> Floats:
        """Return conductances that have changed after writing, whatever they were."""
        relaxation = self.profile.relaxation
        if relaxation is None or self.log_age is None:
            return conductance
        constant, growth = relaxation.std_us
        std = max(constant + growth * self.log_age, 0.0)
        return conductance + relaxation.mean_us * self.log_age + std * draws["relaxation" + sign]


def positive(values: Floats) -> Floats:
    """Return values, 0 where they are negative."""
    return np.maximum(values, 0)


def deviated(mean: Floats, std: Floats | float, z: NDArray[Any] | None) -> Floats:
    """Return conductances around a mean, not below 0; a standard deviation below 0 counts as 0."""
    return positive(mean if z is None else mean + np.maximum(std, 0) * z)


def bounded(weights: Floats) -> Floats:
    """Return weights that single precision can hold and compute with, whatever the profile."""
    return np.clip(weights, -MAX_LEVEL, MAX_LEVEL)


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
