"""Simulated measurements: what a device of a profile would read, for tests, docs and planning.

Nothing here is shared with what estimates: the formulas of the profile are written out once more.
Weights and inputs are drawn at random; a share of the inputs is scaled down, so that signals of all
sizes occur.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.curves import curve_at
from noisevote.models.devices.profile import Flicker, Profile
from noisevote.models.errors import InputError
from noisevote.training.devices.measurements import DEFAULT_T0_S, Directives, Floats, Measurements

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
        InputError: the profile has parts that are not simulated, or the plan asks for nothing.
    """
    check_plan(profile, plan)
    generator = np.random.default_rng(plan.seed)
    device = SimulatedDevice(profile, plan, generator)
    normals = generator.standard_normal((plan.vectors, plan.rows))
    x = np.clip(normals / 2, -1, 1) * generator.uniform(SMALLEST_INPUT, 1, (plan.vectors, 1))
    x[0] = 0
    sessions = sessions_of(plan)
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
        Directives("array units", 1.0, 1.0, gap, t0_s),
    )


def sessions_of(plan: SimulationPlan) -> list[tuple[float, float | None]]:
    """Return ages and temperatures: all ages at the first temperature, then the others."""
    ages = plan.ages_s or (0.0,)
    warmths: tuple[float | None, ...] = plan.temperatures_c or (None,)
    return [(age, warmths[0]) for age in ages] + [(ages[0], warmth) for warmth in warmths[1:]]


def check_plan(profile: Profile, plan: SimulationPlan) -> None:
    """Refuse what is not simulated.

    Raises:
        InputError: it is asked for.
    """
    for name in ABOVE_0:
        if getattr(plan, name) < 1:
            raise InputError(f"{name} is {getattr(plan, name)}; allowed is 1 or more", name)
    parts = {
        "aged": bool(profile.aged),
        "relaxation": profile.relaxation is not None,
        "compensation": profile.compensation != "none",
        "read.cell_std_us": profile.read.cell_std_us != 0,
        "read.unit other than array": profile.read.unit != "array",
    }
    left = [name for name, is_there in parts.items() if is_there]
    if left:
        raise InputError(f"not simulated: {', '.join(left)}; leave it out of the profile", "device")


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
        self.z = {
            name: generator.standard_normal((2, columns, plan.rows)) for name in ("program", "nu")
        }
        self.stuck = generator.random((2, columns, plan.rows))
        self.gain, self.offset, self.warmth = generator.standard_normal((3, columns))

    def cells(self, age_s: float) -> Floats:
        """Return the weights that the cells hold ``[columns, rows]``, in array units."""
        profile, low = self.profile, self.profile.cell.g_min_us
        high = profile.cell.g_max_us
        if profile.array.mapping == "pair":
            parts = [np.maximum(self.weights, 0), np.maximum(-self.weights, 0)]
            target = low + (high - low) * np.stack(parts)
        else:
            target = ((high + low) / 2 + (high - low) / 2 * self.weights)[None]
        count = len(target)
        std = np.maximum(curve_at(profile.program.std_us, target / high), 0)
        held = np.maximum(target + std * self.z["program"][:count], 0)
        stuck = self.stuck[:count]
        held[stuck < profile.program.stuck_off + profile.program.stuck_on] = high
        held[stuck < profile.program.stuck_off] = 0
        if profile.drift is not None:
            nu = curve_at(profile.drift.nu, target / high)
            nu = np.abs(nu + curve_at(profile.drift.nu_std, target / high) * self.z["nu"][:count])
            held = held * (1 + age_s / profile.drift.t0_s) ** -nu
        if count == 2:
            return np.asarray((held[0] - held[1]) / (high - low))
        return np.asarray((held[0] - (high + low) / 2) / ((high - low) / 2))

    def read(self, x: Floats, age_s: float, temperature_c: float | None) -> Floats:
        """Return readings ``[repeats, vectors, columns]`` of inputs ``[vectors, rows]``."""
        profile, column, warm = self.profile, self.profile.column, self.profile.temperature
        if profile.dac is not None:
            most = (
                2.0 ** (profile.dac.bits - 1) - 1
                if profile.dac.signed
                else 2.0**profile.dac.bits - 1
            )
            x = np.rint(np.clip(x, -1 if profile.dac.signed else 0, 1) * most) / most
        gain = column.gain * (1 + column.gain_std * self.gain)
        offset = column.offset + column.offset_std * self.offset
        if warm is not None and temperature_c is not None:
            above = temperature_c - warm.reference_c
            gain = gain * (1 + warm.gain_per_k * above)
            offset = offset + (warm.offset_per_k + warm.offset_std_per_k * self.warmth) * above
        v = x @ self.cells(age_s).T * gain + offset
        read = profile.read
        squares = (x**2).sum(1, keepdims=True)
        if read.w_form == "pcm":
            squares = squares * np.abs(self.weights).mean(1)
        variance = read.a**2 + read.c * np.abs(v) + (read.b * v) ** 2 + read.w**2 * squares
        shape = (self.plan.repeats, *v.shape)
        readings = v + np.sqrt(variance) * self.generator.standard_normal(shape)
        if profile.flicker is not None:
            readings = readings + self.flicker(profile.flicker, x, shape)
        return self.converted(readings)

    def flicker(self, flicker: Flicker, x: Floats, shape: tuple[int, int, int]) -> Floats:
        """Return 1/f noise of the outputs, whose repeats follow each other."""
        low, high = self.profile.cell.g_min_us, self.profile.cell.g_max_us
        target = low + (high - low) * np.stack(
            [np.maximum(self.weights, 0), np.maximum(-self.weights, 0)]
        )
        strength = (curve_at(flicker.q, target / high) * target / (high - low)) ** 2
        of_output = np.sqrt(x**2 @ strength.sum(0).T)
        return of_output * pink(shape, flicker.vote_gap_s / (2 * flicker.t_read_s), self.generator)

    def converted(self, readings: Floats) -> Floats:
        """Return readings after the converter."""
        adc = self.profile.adc
        if adc is None:
            return readings
        most = 2 ** (adc.bits - 1) - 1
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
