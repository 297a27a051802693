"""Whether a fit describes the device: held-out vectors, shape of the noise, its order in time."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtr, fdtrc, ndtr

from noisevote.training.calibration.column_fits import TINY, column_fits
from noisevote.training.calibration.frozen_errors import frozen_errors
from noisevote.training.calibration.measurements import Floats
from noisevote.training.calibration.moments import Moments
from noisevote.training.calibration.read_noise import read_noise, regressors

HELD_OUT = 0.5
"""Share of the vectors on which a fit of the others is checked."""

PARTS = 3
"""Parts of the held-out readings, by the size of the signal."""

HEAVY = 1.0
"""Excess kurtosis of heavy tails."""

LEAST_SD = 1e-3
"""Of a reading that is standardised, relative to the mean one."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The fit of half of the vectors on the other half.

    Attributes:
        ratios: variance over the fitted variance, in thirds of the signal's size.
        p_values: of "the ratio is 1"; both variances are estimated, so the ratio follows an F
            distribution (chi-squared over chi-squared).
    """

    ratios: tuple[float, ...]
    p_values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """The distribution of standardised readings.

    Attributes:
        distance: largest between theirs and the normal distribution function (Kolmogorov-Smirnov).
        kurtosis: excess kurtosis of the noise; 0 of a normal one.
        kurtosis_error: its standard error, of normal noise.
    """

    distance: float
    kurtosis: float
    kurtosis_error: float

    @property
    def has_heavy_tails(self) -> bool:
        """Whether the excess kurtosis is above 1, and not by chance."""
        return self.kurtosis > max(HEAVY, 4 * self.kurtosis_error)


@dataclass(frozen=True, slots=True)
class Order:
    """Whether readings follow each other independently.

    Attributes:
        lag_1: correlation of neighbouring repeats; None of fewer than three.
        lag_1_limit: what chance stays below: four standard errors.
        averaged: numbers M of repeats whose means were compared.
        deviation: Allan deviation of the means, over that of single readings if they were
            independent; ``1 / sqrt(M)`` of independent ones.
        between_columns: correlation of the columns of one reading.
        between_columns_limit: what chance stays below.
    """

    lag_1: float | None
    lag_1_limit: float
    averaged: tuple[int, ...]
    deviation: tuple[float, ...]
    between_columns: float
    between_columns_limit: float

    @property
    def is_correlated(self) -> bool:
        """Whether readings depend on those before them."""
        return self.lag_1 is not None and abs(self.lag_1) > self.lag_1_limit

    @property
    def has_common_part(self) -> bool:
        """Whether columns that are read together deviate together."""
        return abs(self.between_columns) > self.between_columns_limit


def held_out(moments: Moments, seed: int) -> Fit:
    """Fit half of the vectors and compare the variances of the other half.

    Args:
        moments: of all readings.
        seed: which vectors are held out.
    """
    vectors = len(moments.ideal)
    order = np.random.default_rng(seed).permutation(vectors)
    out = int(vectors * HELD_OUT)
    learn, test = moments.only(order[out:]), moments.only(order[:out])
    lines = column_fits(learn.ideal, learn.mean, learn.kept)
    frozen = frozen_errors(learn, lines, learn.kept)
    read = read_noise(learn, lines, frozen.at(learn))
    other = column_fits(test.ideal, test.mean, test.kept)
    used = test.kept > 0
    design = regressors(test, other, frozen.at(test), read.form)
    mean = max(float(np.abs(moments.variance).mean()), TINY)
    fit = np.maximum(read.at(design)[used], LEAST_SD * mean)
    variance, size = test.variance[used], np.abs(other.expected[used])
    ratios, p_values = [], []
    for part in np.array_split(np.argsort(size), PARTS):
        if not len(part):
            continue
        expected = float(fit[part].sum())
        ratio = float(variance[part].sum()) / expected
        # Sums of unequal variances have the degrees of freedom of Satterthwaite.
        freedom = expected**2 / float((fit[part] ** 2).sum()) * (moments.repeats - 1)
        tail = min(fdtr(freedom, freedom, max(ratio, 0)), fdtrc(freedom, freedom, max(ratio, 0)))
        ratios.append(ratio)
        p_values.append(min(1.0, 2 * float(tail)))
    return Fit(tuple(ratios), tuple(p_values))


def standardised(readings: Floats, fit: Floats, kept: Floats) -> Floats:
    """Return readings less their mean, over the fitted deviation ``[repeats, vectors, columns]``.

    NaN where they do not count, or where next to no noise is expected.

    Args:
        readings: ``[repeats, vectors, columns]``.
        fit: variance of a reading ``[vectors, columns]``.
        kept: which cells count ``[vectors, columns]``.
    """
    repeats = len(readings)
    least = max(LEAST_SD * float(fit.mean()), TINY)
    deviation = np.sqrt(np.maximum(fit, least) * (repeats - 1) / repeats)
    scaled = (readings - readings.mean(0)) / deviation
    return np.asarray(np.where((kept > 0) & (fit > least), scaled, np.nan))


def shape_of(z: Floats) -> Shape:
    """Return the shape of standardised readings ``[repeats, vectors, columns]``, NaN left out."""
    repeats = len(z)
    values = np.sort(z[np.isfinite(z)])
    if not len(values):
        return Shape(0.0, 0.0, 0.0)
    at, n = ndtr(values), len(values)
    distance = max((np.arange(1, n + 1) / n - at).max(), (at - np.arange(n) / n).max())
    square = float((values**2).mean())
    excess = float((values**4).mean()) / max(square, TINY) ** 2 - 3
    # The mean of the repeats was taken away, which makes any noise more normal.
    own, others = 1 - 1 / repeats, 1 / repeats
    left = (own**4 + (repeats - 1) * others**4) / (own**2 + (repeats - 1) * others**2) ** 2
    free = n * (repeats - 1) / repeats
    return Shape(float(distance), excess / left, math.sqrt(24 / free) / left)


def order_of(z: Floats) -> Order:
    """Return how standardised readings ``[repeats, vectors, columns]`` depend on each other."""
    repeats = len(z)
    filled = np.nan_to_num(z)
    cells = int(np.isfinite(z[0]).sum())
    square = float((filled**2).sum()) / max(repeats * cells, 1)
    pairs = (repeats - 1) * cells
    lag = None
    if repeats >= 3 and cells:
        products = float((filled[1:] * filled[:-1]).sum())
        lag = products / pairs / max(square, TINY) + 1 / (repeats - 1)
    # Columns that are read together, over all vectors and repeats.
    present = np.isfinite(z[0]).sum(1)
    several = present > 1
    number = present[several].astype(np.float64)
    sums = (filled[:, several].sum(2) ** 2).sum() - (filled[:, several] ** 2).sum()
    couples = float((number * (number - 1)).sum()) * repeats
    between = float(sums) / max(couples, 1.0) / max(square, TINY)
    free = max(couples * (repeats - 1) / repeats, 1.0) / 2
    averaged, deviation = allan(filled, cells, square)
    return Order(
        lag,
        4 / math.sqrt(max(pairs, 1)),
        averaged,
        deviation,
        between,
        4 / math.sqrt(free),
    )


def allan(filled: Floats, cells: int, square: float) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return numbers of repeats M and the Allan deviation of their means.

    Args:
        filled: standardised readings, 0 where they do not count ``[repeats, vectors, columns]``.
        cells: how many count.
        square: mean of their squares.
    """
    repeats = len(filled)
    sizes: list[int] = []
    size = 1
    while 2 * size <= repeats:
        sizes.append(size)
        size *= 2
    deviations = []
    unit = square * repeats / (repeats - 1)
    for size in sizes:
        blocks = repeats // size
        means = filled[: blocks * size].reshape(blocks, size, *filled.shape[1:]).mean(1)
        changes = float((np.diff(means, axis=0) ** 2).sum()) / 2 / ((blocks - 1) * max(cells, 1))
        deviations.append(math.sqrt(changes / max(unit, TINY)))
    return tuple(sizes), tuple(deviations)
