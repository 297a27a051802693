"""The profile of a calibration, as a TOML file with units."""

import json
import math
from collections.abc import Iterator

from noisevote.models.devices.profile import PROFILE_VERSION, profile_of
from noisevote.models.errors import InputError
from noisevote.training.calibration.calibrate import Calibration
from noisevote.training.calibration.converter import Converter
from noisevote.training.calibration.intervals import Estimate
from noisevote.training.calibration.verdict import verdict_of

DIGITS = 5
NOT_REACHED = "left open, with bits to spare: the converter's range was not reached"
LIFT = 5.0
"""Smallest conductance, in standard deviations of programming: no cell is clipped at 0, so that the
errors of weights are normal as they were measured."""

TABLE_POINTS = 9


def check_name(name: str) -> None:
    """Refuse what is no name of a device.

    Raises:
        InputError: it is none.
    """
    profile_of({"profile": PROFILE_VERSION, "name": name})


def number(value: float) -> str:
    """Return a number as TOML writes it."""
    return repr(float(f"{value:.{DIGITS}g}"))


def text(value: str) -> str:
    """Return a text as TOML writes it."""
    return json.dumps(value.replace("\x7f", ""), ensure_ascii=False)


class ProfileFile:
    """Lines of a profile, and the intervals of its keys."""

    def __init__(self, found: Calibration) -> None:
        self.found = found
        self.intervals: dict[str, Estimate] = {}

    def estimate(self, key: str, value: Estimate, about: str) -> str:
        """Return the line of an estimate, and keep its interval."""
        self.intervals[key] = value
        name = key.rpartition(".")[2]
        return f"{name} = {number(value.value)}  # {about}; 95 % interval {shown(value)}"

    def lines(self, name: str, source: str) -> Iterator[str]:
        """Yield the file."""
        yield f"profile = {PROFILE_VERSION}  # version of the format"
        yield f"name = {text(name)}"
        yield f"source = {text(source)}"
        yield from self.ages()
        yield from self.program()
        yield from self.drift()
        yield from self.read()
        yield from self.column()
        yield from self.adc()
        yield from self.temperature()
        yield from self.measured()

    def ages(self) -> Iterator[str]:
        """Yield between which ages it holds, and that drift is not made up for."""
        found, ages = self.found, self.found.measured.ages_s
        if ages is not None and (found.has_drift or found.flicker_of_weight is not None):
            youngest, oldest = number(ages.min()), number(ages.max())
            if youngest != oldest:
                yield f"ages_s = [{youngest}, {oldest}]  # as measured"
        if found.has_drift:
            yield 'compensation = "none"  # write "global" if your system rescales its outputs'

    def program(self) -> Iterator[str]:
        """Yield frozen errors of weights, which both cells of a pair share alike."""
        noise, std = self.found.noise, self.found.noise.weight_std
        flicker = self.found.flicker_of_weight
        if (std is None or std.value <= 0) and flicker is None:
            return
        lowest = max(1.0, math.ceil(LIFT * (std.high if std is not None else 0)))
        highest = lowest + 1
        yield "\n[cell]  # the largest weight is 1 microsiemens here, and cells stay clear of 0"
        yield f"g_max_us = {number(highest)}"
        yield f"g_min_us = {number(lowest)}"
        if std is not None and std.value > 0:
            yield "\n[program]  # errors of weights over sqrt(2), in units of the largest weight"
            half = std.over(math.sqrt(2))
            about = "of each cell of a pair"
            if noise.grows:
                self.intervals["program.std_us"] = half
                yield f"# over all weights {number(half.value)}; 95 % interval {shown(half)}"
                yield f"std_us = {{table = [{self.table(lowest, highest)}]}}  # [cell / g_max, std]"
            else:
                yield self.estimate("program.std_us", half, about)
        gap = self.found.measured.directives.reads_gap_s
        if flicker is not None and gap is not None:
            yield "\n[flicker]  # 1/f noise of weights; only frequencies below those of the reads"
            yield f"q = {{power = [{number(flicker / math.sqrt(2) / highest)}, -1.0]}}"
            yield f"t_read_s = {number(gap / 2)}  # half the gap: faster noise is in [read]"
            yield f"vote_gap_s = {number(gap)}  # as the repeats were read"

    def table(self, lowest: float, highest: float) -> str:
        """Return the deviation of a cell over its conductance, as points."""
        frozen = self.found.noise.frozen
        at_0, more = frozen.weight_at_0 or 0.0, frozen.weight_growth or 0.0
        points = []
        for place in range(TABLE_POINTS):
            weight = place / (TABLE_POINTS - 1)
            x = (lowest + weight * (highest - lowest)) / highest
            points.append(f"[{number(x)}, {number(math.sqrt(at_0 / 2 + more * weight))}]")
        return ", ".join(points)

    def drift(self) -> Iterator[str]:
        """Yield the drift."""
        if self.found.drift is None or not self.found.has_drift:
            return
        yield "\n[drift]  # g ((t + t0) / t0)^-nu"
        yield f"t0_s = {number(self.found.measured.directives.t0_s)}  # s"
        yield self.estimate("drift.nu", self.found.drift.nu, "exponent of the mean gain")
        yield "# nu_std, of cells, was not measured: columns show the mean of their cells"

    def read(self) -> Iterator[str]:
        """Yield the read noise."""
        noise, share = self.found.noise, self.found.fresh_share
        yield "\n[read]  # fresh in every read"
        if share < 1:
            yield "# only the part that is independent from read to read; the rest is in [flicker]"
        yield 'unit = "array"'
        yield self.fresh("a", noise.a, 0.5, "standard deviation, array units")
        yield self.fresh("b", noise.b, 0.5, "relative to the signal")
        yield self.fresh("c", noise.c, 1, "variance over signal, array units")
        if noise.w is not None:
            yield self.fresh("w", noise.w, 0.5, "of a weight, array units")
            yield f'w_form = "{noise.read.form}"'

    def fresh(self, key: str, value: Estimate, power: float, about: str) -> str:
        """Return the line of a part of the read noise, without what is 1/f noise."""
        share = self.found.fresh_share
        both = f"; {number(value.value)} with the 1/f part" if share < 1 and value.value else ""
        return self.estimate(f"read.{key}", value.over(share**-power), about + both)

    def column(self) -> Iterator[str]:
        """Yield gain and offset, at the age 0 of the drift."""
        found, since = self.found, 1.0
        ages, drift = found.measured.ages_s, found.drift
        if drift is not None and self.found.has_drift and ages is not None:
            t0_s = found.measured.directives.t0_s
            since = ((ages[found.measured.base] + t0_s) / t0_s) ** -drift.nu.value
        about = "before drift" if since < 1 else "mean"
        yield "\n[column]"
        yield self.estimate("column.gain", found.gain.over(since), about)
        yield self.estimate("column.gain_std", found.gain_spread, "over columns, relative")
        yield self.estimate("column.offset", found.offset, "mean, array units")
        yield self.estimate("column.offset_std", found.offset_spread, "over columns, array units")

    def adc(self) -> Iterator[str]:
        """Yield the converter of the outputs."""
        converter, held = self.found.converter, self.found.converter.range
        if held is None:
            return
        yield "\n[adc]"
        yield f"bits = {held.bits}  # {seen_of(converter)}"
        about = "where readings were clipped" if held.is_measured else NOT_REACHED
        yield f"bound = {number(held.bound)}  # array units; {about}"

    def temperature(self) -> Iterator[str]:
        """Yield what warmth does."""
        found = self.found.temperature
        if found is None:
            return
        low, high = found.range_c
        yield "\n[temperature]"
        yield f"reference_c = {number(found.reference_c)}  # degrees Celsius"
        yield f"range_c = [{number(low)}, {number(high)}]  # as measured"
        yield self.estimate("temperature.gain_per_k", found.gain_per_k, "relative")
        yield self.estimate("temperature.offset_per_k", found.offset_per_k, "array units")
        yield self.estimate(
            "temperature.offset_std_per_k", found.offset_spread_per_k, "over columns, array units"
        )

    def measured(self) -> Iterator[str]:
        """Yield what it was estimated from."""
        measured = self.found.measured
        yield "\n[measured]"
        yield f'file_sha256 = "{measured.sha256}"'
        yield f"vectors = {measured.vectors}"
        yield f"columns = {measured.columns}"
        yield f"repeats = {measured.repeats}"
        yield f"verdict = {text(verdict_of(self.found))}"
        yield "\n[measured.intervals]  # 95 %"
        for key, value in self.intervals.items():
            yield f'"{key}" = {shown(value)}'


def shown(value: Estimate) -> str:
    """Return an interval."""
    return f"[{number(value.low)}, {number(value.high)}]"


def seen_of(converter: Converter) -> str:
    """Return what was seen of a converter's levels."""
    if converter.step is None:
        return "clipping was seen, no step"
    return f"{converter.levels} levels of {converter.step:.6g} seen"


def profile_text(found: Calibration, name: str, source: str) -> str:
    """Return the profile as TOML text.

    Args:
        found: the calibration.
        name: of the device.
        source: where the measurements come from.

    Raises:
        InputError: an estimate is beyond what a profile can hold.
    """
    try:
        return "\n".join(ProfileFile(found).lines(name, source)) + "\n"
    except OverflowError as error:
        raise InputError(f"estimates are too large for a profile: {error}") from error
