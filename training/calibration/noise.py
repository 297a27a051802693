"""Read noise and frozen errors with their intervals.

Intervals are of a bootstrap of vectors and columns, both drawn at random with replacement; it is
rather too wide (A. B. Owen, Ann. Appl. Stat. 1 (2007), 386-411).
"""

from dataclasses import dataclass

import numpy as np

from noisevote.training.calibration.column_fits import column_fits
from noisevote.training.calibration.frozen_errors import FrozenErrors, frozen_errors
from noisevote.training.calibration.intervals import Estimate, percentiles, root
from noisevote.training.calibration.measurements import Floats
from noisevote.training.calibration.moments import Moments
from noisevote.training.calibration.read_noise import ReadNoise, fitted, read_noise, regressors

REPLICATES = 500
"""Of the bootstrap."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Read noise and frozen errors; standard deviations in array units.

    Attributes:
        read: the fit of the read noise.
        frozen: the fit of the frozen errors.
        a, b, c: of the read noise; c is a variance.
        w: of the inputs' part, or None.
        frozen_std: of an output.
        weight_std: of a weight; None without norms of the inputs.
        grows: whether errors of weights grow with them, by the interval of that growth.
    """

    read: ReadNoise
    frozen: FrozenErrors
    a: Estimate
    b: Estimate
    c: Estimate
    w: Estimate | None
    frozen_std: Estimate
    weight_std: Estimate | None
    grows: bool


def noise_of(moments: Moments, seed: int, replicates: int = REPLICATES) -> Noise:
    """Estimate read noise and frozen errors.

    Args:
        moments: of the readings.
        seed: of the bootstrap.
        replicates: of the bootstrap.
    """
    fits = column_fits(moments.ideal, moments.mean, moments.kept)
    frozen = frozen_errors(moments, fits, moments.kept)
    read = read_noise(moments, fits, frozen.at(moments))
    design = regressors(moments, fits, frozen.at(moments), read.form)
    generator = np.random.default_rng(seed)
    errors, parts = [], []
    for _ in range(replicates):
        weights = moments.kept * resampled(moments.kept.shape, generator)
        lines = column_fits(moments.ideal, moments.mean, weights)
        errors.append(frozen_errors(moments, lines, weights, resampled=True))
        parts.append(fitted(design, moments.variance, weights, read.coefficients))
    of_parts = np.array(parts)
    a, b, *w = (
        percentiles(root(float(read.coefficients[place])), np.sqrt(of_parts[:, place]))
        for place in range(of_parts.shape[1])
        if place != 1
    )
    weight = None if frozen.weight is None else roots(frozen.weight, [e.weight for e in errors])
    growth = np.array([each.weight_growth or 0.0 for each in errors])
    return Noise(
        read,
        frozen,
        a,
        b,
        percentiles(float(read.coefficients[1]), of_parts[:, 1]),
        w[0] if w else None,
        roots(frozen.output, [each.output for each in errors]),
        weight,
        percentiles(frozen.weight_growth or 0.0, growth).low > 0,
    )


def resampled(shape: tuple[int, ...], generator: np.random.Generator) -> Floats:
    """Return how often each vector and column is drawn ``[vectors, columns]``."""
    vectors, columns = (generator.multinomial(n, np.full(n, 1 / n)) for n in shape)
    return np.asarray(vectors[:, None] * columns, np.float64)


def roots(variance: float, replicates: list[float | None]) -> Estimate:
    """Return a standard deviation of a variance and its replicates."""
    return percentiles(root(variance), np.array([root(each or 0.0) for each in replicates]))
