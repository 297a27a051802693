"""Readings of a session, summed up: mean and variance of each vector and column."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from noisevote.training.calibration.column_fits import TINY
from noisevote.training.calibration.measurements import Floats, Measurements, Places

LEAST_VARIATION = 0.1
"""Standard deviation over mean of a regressor, from which on it can be told from a constant."""

LEAST_FIT = 1e-3
"""Of a variance, relative to the mean one, in weights."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and variance of the readings of each vector and column, in the base session.

    Attributes:
        ideal: ``[vectors, columns]``.
        mean: mean reading ``[vectors, columns]``.
        variance: over the repeats ``[vectors, columns]``, without the converter's part.
        kept: 1 where they count, else 0 ``[vectors, columns]``.
        repeats: readings of each.
        x_squared: squared norm of the inputs ``[vectors, columns]``, or None.
        wx2: ``sum |w| x^2`` ``[vectors, columns]``, or None.
    """

    ideal: Floats
    mean: Floats
    variance: Floats
    kept: Floats
    repeats: int
    x_squared: Floats | None
    wx2: Floats | None

    @classmethod
    def of(cls, measured: Measurements, kept: Floats, converter_variance: float) -> "Moments":
        """Return those of the base session."""
        readings = measured.measured[measured.base]
        return cls(
            measured.ideal,
            readings.mean(0),
            readings.var(0, ddof=1) - converter_variance,
            kept,
            len(readings),
            None if measured.x_norm is None else measured.x_norm**2,
            measured.wx2,
        )

    def only(self, vectors: Places) -> "Moments":
        """Return those of some vectors."""
        return Moments(
            self.ideal[vectors], self.mean[vectors], self.variance[vectors], self.kept[vectors],
            self.repeats,
            None if self.x_squared is None else self.x_squared[vectors],
            None if self.wx2 is None else self.wx2[vectors],
        )  # fmt: skip


def varies(values: Floats, kept: Floats) -> bool:
    """Return whether a regressor can be told from a constant."""
    chosen = values[kept > 0]
    return bool(chosen.size and chosen.std() > LEAST_VARIATION * abs(chosen.mean()))


def non_negative(design: Floats, values: Floats, weights: Floats) -> Floats:
    """Return the weighted least squares solution that is not negative ``[parts]``.

    Args:
        design: ``[n, parts]``.
        values: ``[n]``.
        weights: ``[n]``.
    """
    scale = np.maximum(np.sqrt((weights[:, None] * design**2).sum(0)), TINY)
    scaled = design / scale
    weighted = weights[:, None] * scaled
    square = scaled.T @ weighted + 1e-12 * np.eye(design.shape[1])
    factor = np.linalg.cholesky(square)
    found, _ = nnls(factor.T, np.linalg.solve(factor, weighted.T @ values))
    return np.asarray(found / scale)
