"""Frozen errors: what all repeats share beside gain and offset."""

from dataclasses import dataclass

import numpy as np

from noisevote.training.calibration.column_fits import TINY, ColumnFits
from noisevote.training.calibration.measurements import Floats
from noisevote.training.calibration.moments import LEAST_FIT, Moments, non_negative


@dataclass(frozen=True, slots=True)
class FrozenErrors:
    """Errors that all repeats share, beside gain and offset, as variances.

    Attributes:
        output: of a column's output.
        weight: of a weight, if all have the same; None without norms of the inputs.
        weight_at_0, weight_growth: of a weight, ``weight_at_0 + weight_growth |w|``; None without
            norms and ``sum |w| x^2``.
    """

    output: float
    weight: float | None = None
    weight_at_0: float | None = None
    weight_growth: float | None = None

    def at(self, moments: Moments) -> Floats:
        """Return the variance of each output ``[vectors, columns]``; with norms, in proportion."""
        if self.weight is None or moments.x_squared is None:
            return np.full(moments.ideal.shape, max(self.output, 0.0))
        return self.weight * moments.x_squared


def frozen_errors(
    moments: Moments, fits: ColumnFits, weights: Floats, resampled: bool = False
) -> FrozenErrors:
    """Return what is left of the mean readings when the lines and the read noise are taken away.

    Args:
        moments: of the readings.
        fits: their lines, fitted with the same weights.
        weights: how often each counts ``[vectors, columns]``.
        resampled: of a sample of the sample, which lost the two degrees of freedom before.
    """
    vectors = np.maximum(moments.kept.sum(0), 3)
    lost = (vectors / (vectors - 2)) ** (2 if resampled else 1)
    squares = fits.residual**2 * lost - moments.variance / moments.repeats
    output = float((weights * squares).sum()) / max(float(weights.sum()), 1.0)
    if moments.x_squared is None:
        return FrozenErrors(output)
    inputs = max(float((weights * moments.x_squared).sum()), TINY)
    weight = max(float((weights * squares).sum()) / inputs, 0.0)
    if moments.wx2 is None:
        return FrozenErrors(output, weight)
    design = np.stack([moments.x_squared, moments.wx2], -1).reshape(-1, 2)
    size = np.maximum(design[:, 0], LEAST_FIT * max(float(design[:, 0].mean()), TINY))
    found = non_negative(design, squares.reshape(-1), weights.reshape(-1) / size**2)
    return FrozenErrors(output, weight, float(found[0]), float(found[1]))
