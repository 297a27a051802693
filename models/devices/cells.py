"""What a chip does to a layer's weights: programming, stuck cells, drift, relaxation, slow 1/f noise.

Weights are in *array units*, ``[columns, rows]``: a column's, or the layer's, largest magnitude is
1. Cells pass through the steps of the profile in this order:

1. target: ``pair``: ``g+ = max(w, 0) (g_max - g_min) + g_min``, ``g-`` the same of ``-w``;
   ``single``: one cell in the middle of its range plus ``w`` halves of that;
2. written: ``max(g + std(x) z, 0)``, ``x = g / g_max``; stuck cells stay at 0 or at ``g_max``;
   where the profile has tables of ages, ``max(g + shift(x) + std(x) z, 0)`` of the age;
3. drift: ``g ((t + t0) / t0)^-nu``, ``nu = |nu(x) + nu_std(x) z|`` of the target;
4. relaxation: ``g + mean ln t + (s0 + s1 ln t) z``;
5. slow 1/f noise: ``g (1 + q sqrt(ln(t / T)) z)``, q of the written conductance.

Then conductances are clipped at 0. The draws ``z`` do not depend on the age, so one chip's life is a
trajectory: its cells keep their exponents, and its slow noise grows. A true 1/f process also
wanders.

Sources: aihwkit's noise models of PCM, HERMES and ReRAM (Nandakumar et al., ICECS 2019; Le Gallo et
al., Nat. Electron. 2023; Wan et al., Nature 2022), CrossSim's device models.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.curves import curve_at
from noisevote.models.devices.profile import MAX_LEVEL, Profile

Floats = NDArray[np.floating[Any]]
Draws = Callable[[str], Floats]
"""Returns the draws of a part ``[columns, rows]``: uniform on [0, 1) of ``stuck+`` and ``stuck-``,
standard normals of all others."""

BLOCK = 32_768
"""Weights that are worked on at a time: they stay in the cache."""

LARGEST_ARGUMENT = 2.0
"""Of curves: no conductance counts as more than twice the largest one."""

LEAST_LEFT = 1e-4
"""Share of a mean weight that compensation takes for lost at most, as aihwkit does."""


@dataclass(frozen=True, slots=True)
class AgedWeights:
    """What the cells of a layer hold at an age.

    Attributes:
        weights: in array units ``[columns, rows]``.
        alpha: factor of each column's output that makes up for drift ``[columns]``; 1 without.
        variance: what a fresh read adds to the variance of each column's output, for each unit of
            the sum of squared inputs, both in array units ``[columns]``: fast 1/f noise, read noise
            of cells (``read.cell_std_us``) and of weights (``read.w``), the mean over the rows.
    """

    weights: NDArray[np.float32]
    alpha: NDArray[np.float64]
    variance: NDArray[np.float64]


def parts_of(profile: Profile) -> tuple[str, ...]:
    """Return the parts of which :func:`aged_weights` takes draws."""
    program, has_table = profile.program, bool(profile.aged)
    kinds = {
        "stuck": program.stuck_off + program.stuck_on > 0,
        "program": has_table or program.std_us != 0,
        "nu": profile.drift is not None,
        "relaxation": profile.relaxation is not None,
        "slow": profile.flicker is not None,
    }
    signs = ("+", "-") if profile.array.mapping == "pair" else ("+",)
    return tuple(kind + sign for kind, is_taken in kinds.items() if is_taken for sign in signs)


def aged_weights(
    target: Floats, profile: Profile, draws: Draws, age_s: float, window_s: float = 0.0
) -> AgedWeights:
    """Return what the cells of a layer hold at an age.

    Args:
        target: weights that they should hold, in array units ``[columns, rows]``, magnitudes at
            most 1.
        profile: the device.
        draws: the chip's.
        age_s: time since the weights were written, or first read if there is drift.
        window_s: time in which all votes are read, ``votes * vote_gap_s``: slower 1/f noise is the
            same in all of them, faster noise is fresh.

    Raises:
        ValueError: the target is no matrix.
    """
    if target.ndim != 2:
        raise ValueError(f"target has the shape {target.shape}; needed is [columns, rows]")
    life = Life.of(profile, age_s, window_s)
    taken = {part: draws(part) for part in parts_of(profile)}
    columns, rows = target.shape
    weights = np.empty((columns, rows), np.float32)
    written, left, variance = np.empty(columns), np.empty(columns), np.empty(columns)
    for block in blocks(columns, rows):
        held, before, fresh = life.block(
            np.asarray(target[block], np.float64),
            {part: values[block] for part, values in taken.items()},
        )
        weights[block] = held
        written[block] = np.abs(before).mean(1) if rows else 0.0
        left[block] = np.abs(held).mean(1) if rows else 0.0
        variance[block] = fresh
    return AgedWeights(
        weights,
        compensation(profile.compensation, written, left),
        variance + weight_variance(profile, left),
    )


def blocks(columns: int, rows: int) -> Iterator[slice]:
    """Yield slices of columns of about :data:`BLOCK` weights."""
    step = max(1, BLOCK // max(rows, 1))
    for first in range(0, columns, step):
        yield slice(first, min(first + step, columns))


def compensation(kind: str, written: Floats, left: Floats) -> NDArray[np.float64]:
    """Return the factor of each column's output ``[columns]``.

    Args:
        kind: ``none``, ``global`` or ``column``, as in the profile.
        written: mean magnitude of each column's weights when written.
        left: the same at the age.
    """
    if kind == "none" or not written.size:
        return np.ones(written.shape)
    if kind == "global":
        written, left = np.full(written.shape, written.mean()), np.full(left.shape, left.mean())
    least = np.maximum(left, LEAST_LEFT * written)
    return np.divide(written, least, out=np.ones(written.shape), where=least > 0)


def weight_variance(profile: Profile, magnitude: Floats) -> Floats:
    """Return the variance of ``read.w`` of each column, whose weights' mean magnitude is given."""
    variance = profile.read.w**2
    return (
        np.full(magnitude.shape, variance)
        if profile.read.w_form == "norm"
        else (variance * magnitude)
    )


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

    def block(self, target: Floats, draws: Mapping[str, Floats]) -> tuple[Floats, Floats, Floats]:
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

    def cells(
        self, target: Floats, draws: Mapping[str, Floats], sign: str
    ) -> tuple[Floats, Floats, Floats]:
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
        self, target: Floats, x: Floats, z: Floats, tables: tuple[int, int, float]
    ) -> Floats:
        """Return conductances between two tables of the profile."""
        lower, upper, share = tables
        first, second = self.profile.aged[lower], self.profile.aged[upper]
        std, shift = curve_at(first.std_us, x), curve_at(first.shift_us, x)
        if share > 0:
            std = std + share * (curve_at(second.std_us, x) - std)
            shift = shift + share * (curve_at(second.shift_us, x) - shift)
        return deviated(target + shift, std, z)

    def stuck_cells(self, uniform: Floats | None) -> Callable[[Floats], Floats]:
        """Return what puts stuck cells in the place of others, by a draw on [0, 1) of each."""
        if uniform is None:
            return lambda conductance: conductance
        off = self.profile.program.stuck_off
        is_off, is_stuck = uniform < off, uniform < off + self.profile.program.stuck_on
        at = np.where(is_off, 0.0, self.profile.cell.g_max_us)
        return lambda conductance: np.where(is_stuck, at, conductance)

    def drifted(self, conductance: Floats, x: Floats, z: Floats | None) -> Floats:
        """Return conductances that have lost by the power law; x and the exponents are the target's."""
        drift = self.profile.drift
        if drift is None or z is None or self.drift == 0:
            return conductance
        nu = np.abs(curve_at(drift.nu, x) + curve_at(drift.nu_std, x) * z)
        return conductance * np.exp(-self.drift * nu)

    def relaxed(self, conductance: Floats, draws: Mapping[str, Floats], sign: str) -> Floats:
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


def deviated(mean: Floats, std: Floats | float, z: Floats | None) -> Floats:
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
