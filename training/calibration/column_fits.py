"""Gain and offset of columns: straight lines through the mean readings."""

from dataclasses import dataclass

import numpy as np

from noisevote.training.calibration.measurements import Floats, Measurements

TINY = 1e-100
"""In the place of 0 below a fraction."""

SATURATED = 4.0
"""Vectors whose expected reading is nearer to where readings are clipped than so many standard
deviations are left out."""


@dataclass(frozen=True, slots=True)
class ColumnFits:
    """Lines ``gain * ideal + offset`` of each column.

    Attributes:
        gain: ``[columns]``.
        offset: ``[columns]``.
        gain_variance: squared standard error of the gains ``[columns]``.
        offset_variance: squared standard error of the offsets ``[columns]``.
        expected: the lines at the vectors ``[vectors, columns]``.
        residual: mean reading less the line ``[vectors, columns]``.
    """

    gain: Floats
    offset: Floats
    gain_variance: Floats
    offset_variance: Floats
    expected: Floats
    residual: Floats


def column_fits(
    ideal: Floats, mean: Floats, weights: Floats, variance: Floats | None = None
) -> ColumnFits:
    """Fit a line to each column by least squares.

    Standard errors hold for noise that depends on the signal (HC2 of MacKinnon and White, J.
    Econometrics 29 (1985), 305-325).

    Args:
        ideal: ideal results ``[vectors, columns]``.
        mean: mean readings ``[vectors, columns]``.
        weights: how often each counts ``[vectors, columns]``.
        variance: of the mean readings, of which standard errors are; by default the residuals,
            which hold frozen errors, too ``[vectors, columns]``.
    """
    total = np.maximum(weights.sum(0), TINY)
    centre = (weights * ideal).sum(0) / total
    x = ideal - centre
    square = np.maximum((weights * x * x).sum(0), TINY)
    gain = (weights * x * mean).sum(0) / square
    height = (weights * mean).sum(0) / total
    expected = height + gain * x
    residual = mean - expected
    left = np.maximum(1 - 1 / total - x * x / square, 1e-3)
    error = weights * (residual**2 / left if variance is None else variance)
    at_0 = 1 / total - centre * x / square
    return ColumnFits(
        gain,
        height - gain * centre,
        (error * x * x).sum(0) / square**2,
        (error * at_0 * at_0).sum(0),
        expected,
        residual,
    )


def session_fits(measured: Measurements, kept: Floats) -> list[ColumnFits]:
    """Return the lines of each session; their standard errors are those of the read noise alone.

    Frozen errors are the same in all sessions.
    """
    return [
        column_fits(
            measured.ideal, readings.mean(0), kept, readings.var(0, ddof=1) / measured.repeats
        )
        for readings in measured.measured
    ]


def unclipped(
    measured: Measurements, limits: tuple[float, float], sessions: list[int] | None = None
) -> Floats:
    """Return which vectors and columns stay clear of clipping: 1 or 0 ``[vectors, columns]``.

    By what is expected and not by the readings: to leave out those that were clipped would choose
    readings by their noise.

    Args:
        measured: the measurements.
        limits: lowest and highest reading; infinite where nothing is clipped.
        sessions: those that count; by default all.
    """
    kept = np.ones(measured.ideal.shape)
    if not np.isfinite(limits).any():
        return kept
    for session in range(len(measured.measured)) if sessions is None else sessions:
        readings = measured.measured[session]
        inside = ((readings > limits[0]) & (readings < limits[1])).all(0).astype(np.float64)
        fits = column_fits(measured.ideal, readings.mean(0), inside)
        margin = (
            SATURATED * np.sqrt(readings.var(0, ddof=1)[inside > 0].mean()) if inside.any() else 0
        )
        kept *= (fits.expected > limits[0] + margin) & (fits.expected < limits[1] - margin)
    return kept
