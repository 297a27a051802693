"""Estimates with their 95 % intervals."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from noisevote.models.statistics import student_interval
from noisevote.training.calibration.measurements import Floats

ALPHA = 0.05
"""Chance that an interval misses."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its interval.

    Attributes:
        value: the estimate.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def over(self, size: float) -> "Estimate":
        """Return it in another unit, whose size is above 0."""
        return Estimate(self.value / size, self.low / size, self.high / size)

    def has(self, value: float) -> bool:
        """Return whether the interval holds a value."""
        return self.low <= value <= self.high


def mean_of(values: Floats) -> Estimate:
    """Return the mean of independent values ``[n]``, n at least 2, by Student's t."""
    return Estimate(float(values.mean()), *student_interval(values, ALPHA))


def spread_of(values: Floats, error_variances: Floats) -> Estimate:
    """Return the standard deviation of what values estimate, without their own errors.

    Args:
        values: ``[n]``, n at least 2.
        error_variances: of each value ``[n]``.
    """
    freedom, variance = len(values) - 1, float(values.var(ddof=1))
    own = float(error_variances.mean())
    ends = (
        freedom * variance / float(chdtri(freedom, tail)) for tail in (ALPHA / 2, 1 - ALPHA / 2)
    )
    low, high = (root(end - own) for end in ends)
    return Estimate(root(variance - own), low, high)


def percentiles(value: float, replicates: Floats) -> Estimate:
    """Return an estimate with the interval of its bootstrap replicates ``[n]``."""
    low, high = np.percentile(replicates, [100 * ALPHA / 2, 100 - 100 * ALPHA / 2])
    return Estimate(value, min(float(low), value), max(float(high), value))


def root(variance: float) -> float:
    """Return a standard deviation; 0 of a variance that was estimated below 0."""
    return math.sqrt(max(variance, 0.0))
