"""Simulated measurements: what a device of a profile would read, for tests, docs and planning.

Nothing here is shared with what estimates. Weights and inputs are drawn at random; vectors are
scaled down by random factors, so that signals of all sizes occur.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.cells import AgedWeights, aged_weights
from noisevote.models.devices.chips import UNIFORM
from noisevote.models.devices.curves import curve_at
from noisevote.models.devices.parts import Flicker
from noisevote.models.devices.profile import Profile
from noisevote.models.devices.setting import DeviceSetting, check_condition
from noisevote.models.errors import InputError
from noisevote.training.calibration.measurements import (
    DEFAULT_T0_S,
    Directives,
    Floats,
    Measurements,
)

ABOVE_0 = ("vectors", "columns", "repeats", "rows", "chips")
SMALLEST_INPUT = 0.1
"""Vectors are scaled by factors from it to 1."""

SLOWEST_READS = 64
"""Of 1/f noise: its slowest part lasts so many times the repeats of a vector."""

RATES_A_DECADE = 4
"""Ornstein-Uhlenbeck processes whose sum is 1/f noise."""


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """What is measured.

    Attributes:
        vectors: input vectors; the first is all zero.
        columns: of each chip.
        repeats: readings of each.
        rows: inputs of a column.
        chips: devices.
        ages_s: sessions, one an age; empty for one session that tells no age.
        temperatures_c: sessions at the first age, one a temperature; empty for none told.
        seed: of all that is drawn.
    """

    vectors: int = 100
    columns: int = 16
    repeats: int = 20
    rows: int = 64
    chips: int = 1
    ages_s: tuple[float, ...] = ()
    temperatures_c: tuple[float, ...] = ()
    seed: int = 0


def simulated(profile: Profile, plan: SimulationPlan) -> Measurements:
    """Return what a device would read.

    Raises:
        InputError: the profile's read noise is not in array units, or the plan asks for nothing,
            or for ages or temperatures that the device does not have.
    """
    check_plan(profile, plan)
    generator = np.random.default_rng(plan.seed)
    device = SimulatedDevice(profile, plan, generator)
    normals = generator.standard_normal((plan.vectors, plan.rows))
    x = np.clip(normals / 2, -1, 1) * generator.uniform(SMALLEST_INPUT, 1, (plan.vectors, 1))
    x[0] = 0
    sessions = sessions_of(plan, profile.age_range_s[0])
    gap = profile.flicker.vote_gap_s if profile.flicker is not None else None
    t0_s = profile.drift.t0_s if profile.drift is not None else DEFAULT_T0_S
    columns = plan.columns * plan.chips
    return Measurements(
        x @ device.weights.T,
        np.stack([device.read(x, age, warmth) for age, warmth in sessions]),
        np.repeat(np.linalg.norm(x, axis=1)[:, None], columns, 1),
        x**2 @ np.abs(device.weights).T,
        np.array([age for age, _ in sessions]) if plan.ages_s else None,
        np.array([warmth for _, warmth in sessions]) if plan.temperatures_c else None,
        tuple(str(column // plan.columns) for column in range(columns)),
        ("simulated",) * columns,
        Directives("array units", 1.0, 1.0, gap, t0_s, plan.rows),
    )


def sessions_of(plan: SimulationPlan, youngest_s: float) -> list[tuple[float, float | None]]:
    """Return ages and temperatures: all ages at the first temperature, then the others."""
    ages = plan.ages_s or (youngest_s,)
    warmths: tuple[float | None, ...] = plan.temperatures_c or (None,)
    return [
        (age, warmth)
        for age in sorted(ages)
        for warmth in (sorted(plan.temperatures_c) or (None,))
        if age == ages[0] or warmth == warmths[0]
    ]


def check_plan(profile: Profile, plan: SimulationPlan) -> None:
    """Refuse what is not simulated.

    Raises:
        InputError: it is asked for, or an age or temperature that the device does not have.
    """
    for name in ABOVE_0:
        if getattr(plan, name) < 1:
            raise InputError(f"{name} is {getattr(plan, name)}; allowed is 1 or more", name)
    most = profile.array.rows
    if most is not None and plan.rows > most:
        raise InputError(
            f"rows is {plan.rows}; one tile is simulated, which has at most {most} on "
            f"{profile.name}",
            "rows",
        )
    if profile.read.unit != "array":
        raise InputError(
            f"read.unit of {profile.name} is {profile.read.unit!r}; simulate-measurements takes "
            "profiles whose read.unit is 'array'",
            "device",
        )
    profiles = {"simulated": profile}
    for age_s in plan.ages_s:
        check_condition(DeviceSetting(profiles, age_s=age_s))
    for temperature_c in plan.temperatures_c:
        check_condition(DeviceSetting(profiles, temperature_c=temperature_c))


class SimulatedDevice:
    """Chips of one profile.

    Args:
        profile: what they are.
        plan: how large they are.
        generator: of all that is drawn.
    """

    def __init__(
        self, profile: Profile, plan: SimulationPlan, generator: np.random.Generator
    ) -> None:
        self.profile, self.plan, self.generator = profile, plan, generator
        columns = plan.columns * plan.chips
        normals = generator.standard_normal((columns, plan.rows))
        self.weights = normals / np.abs(normals).max(1, keepdims=True)
        self.drawn: dict[str, Floats] = {}
        self.gain, self.offset, self.warmth = generator.standard_normal((3, columns))

    def held(self, age_s: float) -> AgedWeights:
        """Return what the cells hold; 1/f noise is drawn in the order of the reads instead."""
        profile = self.profile.model_copy(update={"flicker": None})
        return aged_weights(self.weights, profile, self.draws, age_s)

    def draws(self, part: str) -> Floats:
        """Return the draws of a part, the same at every age ``[columns, rows]``."""
        if part not in self.drawn:
            shape = self.weights.shape
            is_uniform = part.startswith(UNIFORM)
            self.drawn[part] = (
                self.generator.random(shape) if is_uniform else self.generator.normal(size=shape)
            )
        return self.drawn[part]

    def read(self, x: Floats, age_s: float, temperature_c: float | None) -> Floats:
        """Return readings ``[repeats, vectors, columns]`` of inputs ``[vectors, rows]``."""
        profile, column, warm = self.profile, self.profile.column, self.profile.temperature
        if profile.dac is not None:
            lowest, bits = (
                (-1, profile.dac.bits - 1) if profile.dac.signed else (0, profile.dac.bits)
            )
            most = max(2**bits - 1, 1)
            x = np.rint(np.clip(x, lowest, 1) * most) / most
        gain = column.gain * (1 + column.gain_std * self.gain)
        offset = column.offset + column.offset_std * self.offset
        if warm is not None and temperature_c is not None:
            above = temperature_c - warm.reference_c
            gain = gain * (1 + warm.gain_per_k * above)
            offset = offset + (warm.offset_per_k + warm.offset_std_per_k * self.warmth) * above
        held, read = self.held(age_s), profile.read
        v = x @ held.weights.T * gain + offset
        of_weights = (x**2).sum(1, keepdims=True) * held.variance
        variance = read.a**2 + read.c * np.abs(v) + (read.b * v) ** 2 + of_weights
        shape = (self.plan.repeats, *v.shape)
        readings = v + np.sqrt(variance) * self.generator.standard_normal(shape)
        if profile.flicker is not None:
            readings = readings + self.flicker(profile.flicker, x, shape)
        return np.asarray(self.converted(readings) * held.alpha)

    def flicker(self, flicker: Flicker, x: Floats, shape: tuple[int, int, int]) -> Floats:
        """Return 1/f noise of the outputs, whose repeats follow each other."""
        low, high = self.profile.cell.g_min_us, self.profile.cell.g_max_us
        parts, unit = [np.maximum(self.weights, 0), np.maximum(-self.weights, 0)], high - low
        if self.profile.array.mapping == "single":
            parts, unit = [(1 + self.weights) / 2], (high - low) / 2
        target = low + (high - low) * np.stack(parts)
        strength = (curve_at(flicker.q, target / high) * target / unit) ** 2
        of_output = np.sqrt(x**2 @ strength.sum(0).T)
        return np.asarray(
            of_output * pink(shape, flicker.vote_gap_s / (2 * flicker.t_read_s), self.generator)
        )

    def converted(self, readings: Floats) -> Floats:
        """Return readings after the converter."""
        adc = self.profile.adc
        if adc is None:
            return readings
        most = max(2 ** (adc.bits - 1) - 1, 1)
        step = adc.bound / most
        places = np.rint(readings / step) if adc.rounding == "round" else np.floor(readings / step)
        return np.asarray(np.clip(places, -most, most) * step)


def pink(
    shape: tuple[int, ...], reads_a_gap: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return noise of the density 1/f along the first axis: a sum of Ornstein-Uhlenbeck processes.

    Each factor e of relaxation rates has the variance 1; rates reach from slower than all
    repeats to those of a single read.

    Args:
        shape: repeats first.
        reads_a_gap: reads that fit between two repeats.
        generator: of the draws.
    """
    lowest = math.log(1 / (SLOWEST_READS * shape[0]))
    highest = math.log(max(2 * math.pi * reads_a_gap, 1.0))
    count = math.ceil((highest - lowest) / math.log(10) * RATES_A_DECADE)
    width = (highest - lowest) / count
    total = np.zeros(shape)
    for place in range(count):
        kept = math.exp(-math.exp(lowest + (place + 0.5) * width))
        state = generator.standard_normal(shape[1:])
        for repeat in range(shape[0]):
            total[repeat] += math.sqrt(width) * state
            state = kept * state + math.sqrt(1 - kept**2) * generator.standard_normal(shape[1:])
    return total
