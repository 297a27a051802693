"""Calibration: all estimates of a file of measurements, the checks, and what they say in words."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from noisevote.models.errors import DataError
from noisevote.training.calibration.checks import (
    Fit,
    Order,
    Shape,
    held_out,
    order_of,
    shape_of,
    standardised,
)
from noisevote.training.calibration.column_fits import (
    TINY,
    ColumnFits,
    column_fits,
    session_fits,
    unclipped,
)
from noisevote.training.calibration.conditions import (
    DOUBT,
    DriftFound,
    TemperatureFound,
    drift_of,
    groups_differ_p,
    temperature_of,
)
from noisevote.training.calibration.converter import Converter, converter_of
from noisevote.training.calibration.intervals import Estimate, mean_of, spread_of
from noisevote.training.calibration.measurements import FEWEST, Floats, Measurements
from noisevote.training.calibration.moments import Moments
from noisevote.training.calibration.noise import REPLICATES, Noise, noise_of
from noisevote.training.calibration.read_noise import regressors

LEAST_KEPT = 0.5
"""Share of the readings that must stay clear of clipping."""

STEP_SEEN = 0.5
"""Read noise over the converter's step, from which on the step adds its square over 12 to the
variance (Sheppard's correction) and no more."""

FEWEST_FOR_KIND = 16
"""Repeats that tell 1/f noise from noise of a short memory."""

MISFIT = 0.06
"""Of Allan variances, up to which they are those of 1/f noise and independent reads."""

LEAST_FRESH = 1e-6
"""Share of the read noise's variance that is fresh, at least."""

RISING = 0.5
"""Power of the Allan variance over the number of reads, above which the device drifts or jumps
while it is read; -1 of independent reads, 0 of 1/f noise."""


@dataclass(frozen=True, slots=True)
class FlickerFound:
    """Noise of a 1/f spectrum in the order of the reads.

    Attributes:
        variance: for each factor e of frequencies, of an output, in array units.
        fresh_share: of the variance of readings that is independent from one to the next.
    """

    variance: float
    fresh_share: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a file of measurements tells of a device; array units.

    Attributes:
        measured: the measurements.
        converter: of the outputs.
        step_is_corrected: whether the converter's part was taken from the read noise.
        fits: lines of the columns in the base session.
        gain: mean over columns.
        gain_spread: over columns, in parts of the mean gain.
        offset: mean over columns.
        offset_spread: over columns.
        noise: read noise and frozen errors.
        drift: over ages, or None.
        temperature: over temperatures, or None.
        flicker: 1/f noise, or None.
        chips_differ_p: p-value of "chips have one gain"; None of one chip.
        fit: of held-out vectors.
        shape: of the read noise.
        order: of the reads.
        kept: which vectors and columns count ``[vectors, columns]``.
        read_variance: fitted variance of a reading ``[vectors, columns]``.
    """

    measured: Measurements
    converter: Converter
    step_is_corrected: bool
    fits: ColumnFits
    gain: Estimate
    gain_spread: Estimate
    offset: Estimate
    offset_spread: Estimate
    noise: Noise
    drift: DriftFound | None
    temperature: TemperatureFound | None
    flicker: FlickerFound | None
    chips_differ_p: float | None
    fit: Fit
    shape: Shape
    order: Order
    kept: Floats
    read_variance: Floats

    @property
    def worst_p(self) -> float:
        """Smallest p-value of the held-out vectors."""
        return min(self.fit.p_values, default=1.0)

    @property
    def describes(self) -> bool:
        """Whether nothing speaks against the noise model."""
        return self.worst_p >= DOUBT / 3 and not self.shape.has_heavy_tails

    @property
    def flicker_of_weight(self) -> float | None:
        """Strength of the 1/f noise of a weight, which a profile holds; None if it is not known."""
        measured, squared = self.measured, None
        if self.flicker is None or measured.directives.reads_gap_s is None:
            return None
        if measured.x_norm is not None:
            squared = float((measured.x_norm**2)[self.kept > 0].mean())
        return math.sqrt(self.flicker.variance / squared) if squared else None

    @property
    def fresh_share(self) -> float:
        """Share of the read noise's variance that a profile's ``[read]`` holds.

        The rest is in its ``[flicker]``.
        """
        if self.flicker is None or self.flicker_of_weight is None:
            return 1.0
        return max(self.flicker.fresh_share, LEAST_FRESH)

    @property
    def has_drift(self) -> bool:
        """Whether there is drift to speak of."""
        return self.drift is not None and self.drift.nu.low > 0

    @property
    def is_silent(self) -> bool:
        """Whether all repeats are equal."""
        return not np.ptp(self.measured.measured[self.measured.base], axis=0).any()


def calibrate(measured: Measurements, seed: int = 0, replicates: int = REPLICATES) -> Calibration:
    """Estimate a device.

    Args:
        measured: the measurements.
        seed: of the bootstrap and of the vectors that are held out.
        replicates: of the bootstrap.

    Raises:
        DataError: too many readings are clipped, or readings do not follow the ideal results.
    """
    base = measured.base
    readings = measured.measured[base]
    converter = converter_of(readings)
    kept = unclipped(measured, converter.limits, [base])
    check_kept(kept)
    step = converter.step or 0.0
    is_corrected = bool(step and quietest(readings, measured.ideal, kept) >= STEP_SEEN * step)
    of_step = step**2 / 12 if is_corrected else 0.0
    moments = Moments.of(measured, kept, of_step)
    sessions = session_fits(measured, kept)
    fits = column_fits(moments.ideal, moments.mean, kept)
    gain = mean_of(fits.gain)
    if gain.value <= 0 or not float(np.var(measured.ideal[kept > 0])) > 0:
        raise DataError(
            f"readings do not follow the ideal results: the mean gain is {gain.value:.3g}; allowed "
            "is above 0"
        )
    noise = noise_of(moments, seed, replicates)
    variance = fitted_variance(moments, fits, noise) + of_step
    z = standardised(readings, variance, kept)
    order = order_of(z)
    return Calibration(
        measured,
        converter,
        is_corrected,
        fits,
        gain,
        spread_of(
            fits.gain, fits.gain_variance + gain_error_of_weights(measured, kept, noise)
        ).over(gain.value),
        mean_of(fits.offset),
        spread_of(fits.offset, fits.offset_variance),
        noise,
        drift_of(measured, sessions),
        temperature_of(measured, sessions),
        flicker_of(order, float(variance[kept > 0].mean()), int(kept.sum()), measured.repeats),
        groups_differ_p(fits.gain, measured.chips) if measured.chips else None,
        held_out(moments, seed),
        shape_of(z),
        order,
        kept,
        variance,
    )


def gain_error_of_weights(measured: Measurements, kept: Floats, noise: Noise) -> Floats:
    """Return the variance that frozen errors of weights add to the gain of columns ``[columns]``.

    An error of weights along the weights themselves is a gain, and would count twice: of ``rows``
    independent inputs that is one part of the error of an output; 0 where they are not known.
    """
    rows, columns = measured.directives.rows, measured.columns
    if rows is None or noise.weight_std is None:
        return np.zeros(columns)
    total = np.maximum(kept.sum(0), 1)
    centred = measured.ideal - (kept * measured.ideal).sum(0) / total
    power = np.maximum((kept * centred**2).sum(0) / total, TINY)
    return np.asarray(max(noise.frozen.output, 0.0) / (rows * power))


def check_kept(kept: Floats) -> None:
    """Refuse measurements that clipping leaves too little of.

    Raises:
        DataError: it does.
    """
    fewest = int(kept.sum(0).min())
    if kept.mean() < LEAST_KEPT or fewest < FEWEST["vectors"] // 2:
        raise DataError(
            f"of the readings {100 * (1 - kept.mean()):.0f} % are clipped or near it, and one "
            f"column has {fewest} vectors left; measure with smaller inputs"
        )


def quietest(readings: Floats, ideal: Floats, kept: Floats) -> float:
    """Return the standard deviation of readings in the third with the smallest signals."""
    used = kept > 0
    variance = readings.var(0, ddof=1)[used]
    smallest = np.argsort(np.abs(ideal[used]))[: max(1, len(variance) // 3)]
    return math.sqrt(float(variance[smallest].mean()))


def fitted_variance(moments: Moments, fits: ColumnFits, noise: Noise) -> Floats:
    """Return the read noise that is fitted to each vector and column, as a variance."""
    read = noise.read
    return read.at(regressors(moments, fits, noise.frozen.at(moments), read.form))


def flicker_of(order: Order, variance: float, kept: int, repeats: int) -> FlickerFound | None:
    """Return the 1/f part of reads that depend on each other; None where it is no such noise.

    The Allan variance of 1/f noise of the density ``q^2 / f`` is ``2 ln(2) q^2`` whatever the
    number of reads; that of independent reads falls as 1 over it (D. W. Allan, Proc. IEEE 54
    (1966), 221-230).

    Args:
        order: of the reads.
        variance: mean of a reading.
        kept: vectors and columns that count.
        repeats: how many reads there are.
    """
    if not order.is_correlated or repeats < FEWEST_FOR_KIND or min(order.deviation) <= 0:
        return None
    sizes, found = np.array(order.averaged, np.float64), np.array(order.deviation) ** 2
    parts = np.stack([1 / sizes, np.ones(len(sizes))], -1)
    (white, floor), _ = nnls(parts / found[:, None], np.ones(len(sizes)))
    misfit = np.abs(parts @ [white, floor] / found - 1)
    chance = 4 * np.sqrt(2 / (max(kept, 1) * (repeats // sizes - 1)))
    if floor <= 0 or (misfit > np.maximum(MISFIT, chance)).any():
        return None
    return FlickerFound(variance * float(floor) / (2 * math.log(2)), min(float(white), 1.0))


def power_of(order: Order) -> float | None:
    """Return how the Allan variance goes with the number of reads, at the largest numbers."""
    if len(order.deviation) < 2 or min(order.deviation[-2:]) <= 0:
        return None
    return 2 * math.log2(order.deviation[-1] / order.deviation[-2])
