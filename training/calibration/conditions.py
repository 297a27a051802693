"""What age, temperature and chips do to the gain and offset of columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from noisevote.training.calibration.column_fits import TINY, ColumnFits
from noisevote.training.calibration.intervals import Estimate, mean_of, spread_of
from noisevote.training.calibration.measurements import Floats, Measurements

DOUBT = 0.001
"""p-value below which a simple law is called wrong."""


@dataclass(frozen=True, slots=True)
class DriftFound:
    """A power law of the gain over the age.

    Attributes:
        nu: mean exponent.
        nu_spread: over columns.
        ages: how many ages it is from.
        curvature_p: p-value of a power law, from three ages on; None below.
    """

    nu: Estimate
    nu_spread: Estimate
    ages: int
    curvature_p: float | None


@dataclass(frozen=True, slots=True)
class TemperatureFound:
    """Gain and offset over the temperature.

    Attributes:
        reference_c: where the gain is 1.
        range_c: lowest and highest temperature.
        gain_per_k: relative.
        offset_per_k: in array units.
        offset_spread_per_k: over columns.
    """

    reference_c: float
    range_c: tuple[float, float]
    gain_per_k: Estimate
    offset_per_k: Estimate
    offset_spread_per_k: Estimate


def drift_of(measured: Measurements, fits: Sequence[ColumnFits]) -> DriftFound | None:
    """Return the drift of sessions at the base temperature; None if there are not two ages."""
    if measured.ages_s is None:
        return None
    sessions = measured.like_base(measured.temperatures_c)
    t0_s = measured.directives.t0_s
    x = np.log((measured.ages_s[sessions] + t0_s) / t0_s)
    gains = np.stack([fits[session].gain for session in sessions])
    if len(sessions) < 2 or not (gains > 0).all():
        return None
    errors = np.stack([fits[session].gain_variance for session in sessions]) / gains**2
    slopes, variances = slopes_of(x, np.log(gains), errors)
    return DriftFound(
        mean_of(-slopes), spread_of(slopes, variances), len(sessions), bend_p(x, np.log(gains))
    )


def temperature_of(measured: Measurements, fits: Sequence[ColumnFits]) -> TemperatureFound | None:
    """Return what warmth does in sessions of the base age; None if there are not two."""
    if measured.temperatures_c is None:
        return None
    sessions = measured.like_base(measured.ages_s)
    if len(sessions) < 2:
        return None
    temperatures = measured.temperatures_c[sessions]
    reference = float(measured.temperatures_c[measured.base])
    x = temperatures - reference
    gains = np.stack([fits[session].gain for session in sessions])
    offsets = np.stack([fits[session].offset for session in sessions])
    base = fits[measured.base].gain
    per_k, _ = slopes_of(x, gains, gains)
    of_offset, variances = slopes_of(
        x, offsets, np.stack([fits[session].offset_variance for session in sessions])
    )
    return TemperatureFound(
        reference,
        (float(temperatures.min()), float(temperatures.max())),
        mean_of(per_k).over(float(base.mean())),
        mean_of(of_offset),
        spread_of(of_offset, variances),
    )


def slopes_of(x: Floats, y: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """Return slopes of columns over sessions, and the variances of the slopes ``[columns]``.

    Args:
        x: ``[sessions]``.
        y: ``[sessions, columns]``.
        variances: of y ``[sessions, columns]``.
    """
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    return weights @ y, (weights**2) @ variances


def bend_p(x: Floats, y: Floats) -> float | None:
    """Return the p-value of "columns follow straight lines", by the mean of their curvatures.

    Args:
        x: ``[sessions]``.
        y: ``[sessions, columns]``.
    """
    if len(x) < 3:
        return None
    return mean_p(np.polyfit(x, y, 2)[0])


def mean_p(values: Floats) -> float:
    """Return the two-sided p-value of "the mean is 0", by Student's t squared."""
    error = float(values.var(ddof=1)) / len(values)
    return float(fdtrc(1, len(values) - 1, float(values.mean()) ** 2 / max(error, TINY)))


def groups_differ_p(values: Floats, names: Sequence[str]) -> float | None:
    """Return the p-value of "all groups have one mean" (one-way F test); None of one group.

    Args:
        values: one a column ``[columns]``.
        names: group of each column.
    """
    codes: NDArray[np.intp]
    found, codes = np.unique(np.array(names), return_inverse=True)
    within_freedom = len(values) - len(found)
    if len(found) < 2 or within_freedom < 1:
        return None
    counts = np.bincount(codes)
    means = np.bincount(codes, values) / counts
    between = float((counts * (means - values.mean()) ** 2).sum()) / (len(found) - 1)
    within = float(((values - means[codes]) ** 2).sum()) / within_freedom
    return float(fdtrc(len(found) - 1, within_freedom, between / max(within, TINY)))
