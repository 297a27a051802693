"""What a device does at a noise point, as a table of its columns.

In units of the network, with y the signal at the point before noise, beta what follows the product
(bias, shift of the batch norm), z standard normal, fresh in every vote, and X the sum of the
squared inputs of the column::

    v  = gain (y - beta) + offset
    sd = sqrt(a2 + c |v| + b2 v^2 + w2 X)
    q  = v + sd z;  with an ADC: clip(floor(q / step + half) step, low, high)
    y' = alpha q + beta

A layer on n row tiles adds the noise of n reads and conversions; one conversion is modelled, of n
times the range, and the rounding of the others as further noise (step^2 / 12 each, Sheppard) and,
where they round down, half a step less each. A clip of each tile is not modelled.

What follows the product may turn the sign of a column. Its offset turns, too, and what its
converter rounds down is rounded up here.

Sources: aihwkit (IOParameters), CrossSim; see the profiles for those of their numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from noisevote.models.device_specs import ROWS, Level
from noisevote.models.devices.arrays import LayerArray
from noisevote.models.devices.parts import Adc
from noisevote.models.devices.profile import Profile

Floats = NDArray[np.float64]

NO_DAC = (0.0, 0.0, 0.0)

UP = 1 - 2.0**-12
"""What is added before rounding down to round up; less than 1, so that levels stay what they are.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A device at one noise point of a checkpoint; each array ``[columns]``, see the module.

    Attributes:
        gain: factor.
        offset: summand.
        a2: variance whatever the signal.
        c: variance relative to the magnitude of the signal.
        b2: variance relative to the square of the signal.
        w2: variance relative to X.
        step: of the ADC; 0 where there is none.
        low: smallest output of the ADC.
        high: largest output of the ADC.
        half: what is added before rounding down, in steps: 0.5 rounds to the nearest level.
        alpha: compensation of drift.
        beta: what follows the product.
        dac: step, smallest and largest input; a step of 0 where there is no DAC.
    """

    gain: Floats
    offset: Floats
    a2: Floats
    c: Floats
    b2: Floats
    w2: Floats
    step: Floats
    low: Floats
    high: Floats
    half: Floats
    alpha: Floats
    beta: Floats
    dac: tuple[float, float, float] = NO_DAC

    @property
    def is_silent(self) -> bool:
        """Whether no read differs from another."""
        return not any(of.any() for of in (self.a2, self.c, self.b2, self.w2))

    @property
    def has_converter(self) -> bool:
        """Whether inputs or outputs are converted."""
        return bool(self.step.any() or self.dac[0])

    @property
    def depends_on_signal(self) -> bool:
        """Whether noise depends on the signal."""
        return bool(self.c.any() or self.b2.any())

    @property
    def depends_on_inputs(self) -> bool:
        """Whether noise depends on the inputs of the layer."""
        return bool(self.w2.any())

    @property
    def plain_sigma(self) -> float | None:
        """The sigma of additive noise that it equals; None if it does more."""
        is_more = (
            self.has_converter
            or self.depends_on_signal
            or self.depends_on_inputs
            or (self.gain != 1).any()
            or (self.alpha != 1).any()
            or self.offset.any()
            or (self.a2 != self.a2[0]).any()
        )
        return None if is_more else float(np.sqrt(self.a2[0]))

    def table(self, level: Level) -> NDArray[np.float32]:
        """Return the table of a graph ``[rows, columns]``."""
        folded = {
            "gain": self.alpha * self.gain,
            "offset": self.alpha * self.offset + self.beta * (1 - self.alpha * self.gain),
            "deviation": self.alpha * np.sqrt(self.a2),
        }
        rows = [folded[name] if level == "column" else getattr(self, name) for name in ROWS[level]]
        with np.errstate(over="ignore"):  # what overflows makes outputs that are refused
            return np.stack(rows).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is the same for all columns of a layer while votes are cast.

    Attributes:
        temperature_c: None: that at which the profile holds.
        spreads: standard normals of the chip by what they spread, ``gain``, ``offset`` and
            ``offset_t``, each ``[columns]``; none: no column differs.
        alpha: compensation of drift, one number or ``[columns]``.
        w2: variance of each weight that is fresh in every read, in array units, of the chip's
            cells ``[columns]``, or one number.
    """

    temperature_c: float | None = None
    spreads: Mapping[str, Floats] | None = None
    alpha: Floats | float = 1.0
    w2: Floats | float = 0.0


def spreads_of(profile: Profile) -> tuple[str, ...]:
    """Return the parts of a chip by which the columns of a device differ."""
    column, temperature = profile.column, profile.temperature
    std = {
        "gain": column.gain_std,
        "offset": column.offset_std,
        "offset_t": temperature.offset_std_per_k if temperature else 0.0,
    }
    return tuple(part for part, value in std.items() if value)


def digital(layer: LayerArray) -> Columns:
    """Return a point at which nothing happens."""
    zero, one = np.zeros(layer.spec.columns), np.ones(layer.spec.columns)
    return Columns(one, zero, zero, zero, zero, zero, zero, zero, zero, zero, one, layer.beta)


def columns_of(profile: Profile, layer: LayerArray, condition: Condition) -> Columns:
    """Return what a device does at the noise point of a layer.

    Args:
        profile: of the device.
        layer: that lies on it.
        condition: of its chip.
    """
    of_weight = layer.largest(profile.array.scale) * np.abs(layer.scale)
    sign = np.where(layer.scale < 0, -1.0, 1.0)
    unit = of_weight * input_range(profile, layer)
    tiles, _ = profile.array.tiles(layer.spec)
    found = digital(layer)
    found = with_noise(found, profile, layer, unit, tiles)
    found = with_gain(found, profile, unit * sign, condition)
    found = with_adc(found, profile.adc, unit, tiles, sign)
    return replace(
        found,
        alpha=np.broadcast_to(np.asarray(condition.alpha, np.float64), unit.shape),
        w2=condition.w2 * of_weight**2,
        dac=dac_of(profile, layer),
    )


def input_range(profile: Profile, layer: LayerArray) -> float:
    """Return the input that is 1 in array units."""
    asked = None if profile.dac is None else profile.dac.range
    if isinstance(asked, float):
        return asked
    return layer.spec.input_max if asked == "max" else layer.spec.input_range


def with_noise(
    found: Columns, profile: Profile, layer: LayerArray, unit: Floats, tiles: int
) -> Columns:
    """Return a table with the noise of reads, but that of cells."""
    read = profile.read
    bound = 0.0 if profile.adc is None else profile.adc.bound
    units: dict[str, Floats | float] = {
        "array": unit,
        "rms": layer.spec.rms,
        "adc_range": unit * bound,
        "network": 1.0,
    }
    own = np.broadcast_to(np.asarray(units[read.unit], np.float64), unit.shape)
    reads = 1 if read.unit in {"rms", "network"} else tiles
    ones = np.ones(unit.shape)
    return replace(found, a2=reads * (read.a * own) ** 2, c=read.c * own, b2=read.b**2 * ones)


def with_gain(found: Columns, profile: Profile, unit: Floats, condition: Condition) -> Columns:
    """Return a table with gain and offset, at the temperature; the unit has the columns' signs."""
    column, temperature = profile.column, profile.temperature
    spreads = condition.spreads or {}
    none = np.zeros(unit.shape)
    gain = column.gain * (1 + column.gain_std * spreads.get("gain", none))
    offset = column.offset + column.offset_std * spreads.get("offset", none)
    if temperature is not None and condition.temperature_c is not None:
        warmer = condition.temperature_c - temperature.reference_c
        gain = gain * (1 + temperature.gain_per_k * warmer)
        per_k = temperature.offset_per_k + temperature.offset_std_per_k * spreads.get(
            "offset_t", none
        )
        offset = offset + per_k * warmer
    return replace(found, gain=gain, offset=offset * unit)


def with_adc(found: Columns, adc: Adc | None, unit: Floats, tiles: int, sign: Floats) -> Columns:
    """Return a table with the converter of outputs.

    To the nearest of ``2^bits - 1`` levels, symmetric about 0, or down to one of them; each tile
    that rounds down loses half a step on average.
    """
    if adc is None:
        return found
    step = 2 * adc.bound / (2**adc.bits - 2) * unit
    bound = tiles * adc.bound * unit
    is_down = adc.rounding == "floor"
    return replace(
        found,
        offset=found.offset - sign * step * (tiles - 1) / 2 if is_down else found.offset,
        a2=found.a2 + (tiles - 1) * step**2 / 12,
        step=step,
        low=-bound,
        high=bound,
        half=np.where(sign < 0, UP, 0.0) if is_down else np.full(unit.shape, 0.5),
    )


def dac_of(profile: Profile, layer: LayerArray) -> tuple[float, float, float]:
    """Return step, smallest and largest input of the converter of inputs."""
    dac = profile.dac
    if dac is None:
        return NO_DAC
    most = input_range(profile, layer)
    if dac.signed:
        return 2 * most / (2**dac.bits - 2), -most, most
    return most / (2**dac.bits - 1), 0.0, most


def level_for(points: Mapping[str, Columns]) -> Level | None:
    """Return the cheapest graph that holds all effects; None: that of additive noise does."""
    every = points.values()
    on_inputs = any(of.depends_on_inputs for of in every)
    if any(of.has_converter for of in every):
        return "full" if on_inputs else "converter"
    if on_inputs:
        return "weight"
    if any(of.depends_on_signal for of in every):
        return "read"
    return None if all(of.plain_sigma is not None for of in every) else "column"
