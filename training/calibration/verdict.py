"""What a calibration says in words; it claims nothing that was not measured."""

from collections.abc import Iterator

from noisevote.training.calibration.calibrate import (
    FEWEST_FOR_KIND,
    RISING,
    Calibration,
    power_of,
)
from noisevote.training.calibration.conditions import DOUBT

LENGTH = 1000
"""Of a verdict in a profile."""


def verdict_of(found: Calibration) -> str:
    """Return the verdict in a few sentences."""
    if found.is_silent:
        return "No read noise was seen: all repeats of a reading are equal."
    sentences = [of_fit(found), *of_reads(found), *of_columns(found), *of_converter(found)]
    return " ".join(sentences)[:LENGTH]


def of_fit(found: Calibration) -> str:
    """Say whether the noise model describes the readings."""
    if found.describes:
        return (
            "The noise model describes the read noise: on held-out vectors its variance is "
            f"{listed(found.fit.ratios)} times the fitted one from small to large signals, the "
            f"excess kurtosis {found.shape.kurtosis:.2f}."
        )
    reasons = []
    if found.worst_p < DOUBT / 3:
        reasons.append(
            f"on held-out vectors the variance is {listed(found.fit.ratios)} times the fitted one "
            f"from small to large signals (p = {found.worst_p:.1g})"
        )
    if found.shape.has_heavy_tails:
        reasons.append(f"the noise has heavy tails (excess kurtosis {found.shape.kurtosis:.1f})")
    return f"The noise model does not describe the device: {'; '.join(reasons)}."


def of_reads(found: Calibration) -> Iterator[str]:
    """Say whether reads are independent, and what votes gain by that."""
    order, repeats = found.order, found.measured.repeats
    if order.lag_1 is None:
        yield "Whether reads are independent was not measured; it takes 3 repeats."
    elif not order.is_correlated:
        yield (
            f"Reads are independent as far as {repeats} repeats tell (lag-1 correlation "
            f"{order.lag_1:.3f}, by chance up to {order.lag_1_limit:.3f})."
        )
    else:
        yield (
            f"Reads are not independent (lag-1 correlation {order.lag_1:.2f}): votes gain less "
            f"than 1/N{worth(found)}."
        )
        yield kind_of(found)


def worth(found: Calibration) -> str:
    """Say how many independent reads the mean of several is worth."""
    order = found.order
    if len(order.averaged) < 2 or order.deviation[-1] <= 0:
        return ""
    return (
        f"; the mean of {order.averaged[-1]} reads is as good as that of "
        f"{1 / order.deviation[-1] ** 2:.1f} independent ones"
    )


def kind_of(found: Calibration) -> str:
    """Say what sort of memory reads have."""
    power = power_of(found.order)
    if found.measured.repeats < FEWEST_FOR_KIND or power is None:
        return f"Of which kind was not measured; it takes {FEWEST_FOR_KIND} repeats."
    if found.flicker is not None:
        return f"Their means behave as under 1/f noise{in_profile(found)}."
    if power >= RISING:
        return "The device drifts or jumps while it is read; the profile does not hold that."
    return "Their memory is short; the profile holds them as if they were independent."


def in_profile(found: Calibration) -> str:
    """Say whether the profile holds the 1/f noise, or why not."""
    lacks = [
        name
        for name, value in (
            ("#reads_gap_s", found.measured.directives.reads_gap_s),
            ("x_norm", found.measured.x_norm),
        )
        if value is None
    ]
    return f"; without {' and '.join(lacks)} the profile cannot hold that" if lacks else ""


def of_columns(found: Calibration) -> Iterator[str]:
    """Say whether columns deviate together, and whether chips differ."""
    order = found.order
    if order.has_common_part:
        yield (
            f"Columns that are read together deviate together (correlation "
            f"{order.between_columns:.2f}); the profile draws each for itself."
        )
    if found.chips_differ_p is not None and found.chips_differ_p < DOUBT:
        yield (
            f"Chips differ in their mean gain (p = {found.chips_differ_p:.1g}); intervals speak of "
            "these chips."
        )
    bend_p = found.drift.curvature_p if found.drift is not None else None
    if bend_p is not None and bend_p < DOUBT:
        yield f"The drift is no power law (p = {bend_p:.1g})."


def of_converter(found: Calibration) -> Iterator[str]:
    """Say what the converter does to the estimates."""
    converter = found.converter
    if converter.step is not None and not found.step_is_corrected:
        yield (
            f"The read noise of small signals is below the converter's step "
            f"({converter.step:.4g}): a is an upper bound."
        )
    held = converter.range
    if held is None or held.is_measured:
        return
    seen = f"readings reach from {converter.low:.4g} to {converter.high:.4g}"
    if any(converter.clipped):
        yield (
            f"The converter clips at the end nearer to 0 ({seen}), which the profile cannot hold; "
            "it leaves the range open."
        )
    else:
        yield f"The converter's range was not reached ({seen}); the profile leaves it open."


def notes_on(found: Calibration) -> Iterator[str]:
    """Yield what the estimates stand on, and what was not measured."""
    directives, noise = found.measured.directives, found.noise
    if directives.array_unit is None:
        yield (
            f"The unit {directives.unit or 'of the file'} was taken for the array unit, in which a "
            "column of largest weights at the largest input is 1 a row; #array_unit names its size."
        )
    if directives.rows is None and noise.weight_std is not None:
        yield "The gain's spread holds what frozen errors of weights add; #rows takes that away."
    if noise.weight_std is None:
        yield (
            "Frozen errors of weights: not in the profile, since the file has no x_norm; those of "
            f"outputs are {noise.frozen_std.value:.4g}."
        )
    if noise.w is None:
        yield "Read noise of weights: not told from a; that takes x_norm that varies by a tenth."
    yield from notes_on_conditions(found)
    if found.converter.step is None:
        yield "Converter of the outputs: no step was seen."
    if found.converter.range is None and (found.converter.step or any(found.converter.clipped)):
        yield "Converter of the outputs: the profile cannot hold what was seen of it."


def notes_on_conditions(found: Calibration) -> Iterator[str]:
    """Yield what is not known of ages, temperatures and chips."""
    if found.drift is None:
        yield "Drift: not measured; it takes time_s of two ages or more at one temperature."
    elif found.drift.nu.high < 0:
        yield (
            f"Drift: the gain grows with the age (nu {found.drift.nu.value:.2g}), as if outputs "
            "were compensated; left out of the profile."
        )
    elif not found.has_drift:
        yield "Drift: not told from none; left out of the profile."
    else:
        if found.drift.curvature_p is None:
            yield "Drift: from two ages; that it is a power law was not checked."
        yield (
            'Drift: the profile has compensation = "none", as it was measured; if your system '
            'rescales its outputs, write compensation = "global" ("column": each column).'
        )
    if found.temperature is None:
        yield "Temperature: not measured; it takes temperature_c of two or more at one age."
    if len(set(found.measured.chips)) < 2:
        yield "Differences between chips: not measured; columns of one chip stand for others."


def listed(ratios: tuple[float, ...]) -> str:
    """Return ratios as a list to read."""
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)
