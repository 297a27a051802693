"""Read noise over the signal, frozen errors, and their intervals.

The variance of a reading is ``a^2 + c |v| + b^2 v^2 + w^2 X``, where v is the mean reading and X the
squared norm of the inputs (or ``sum |w| x^2``), all in array units. v is known up to the noise that
repeats leave: in place of ``|v|`` and ``v^2`` stand their expectations, given the reading and the
line of its column (regression calibration), so that two repeats are enough.

Intervals are of a bootstrap of vectors and columns, both drawn at random with replacement; it is
rather too wide (A. B. Owen, Ann. Appl. Stat. 1 (2007), 386-411).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import nnls
from scipy.special import ndtr

from noisevote.training.devices.column_fits import ColumnFits, column_fits
from noisevote.training.devices.intervals import Estimate, percentiles, root
from noisevote.training.devices.measurements import Floats, Measurements

ROUNDS = 8
"""Of reweighting."""

ROUNDS_AGAIN = 3
"""The same from a fit that is near."""

REPLICATES = 500
"""Of the bootstrap."""

LEAST_VARIATION = 0.1
"""Standard deviation over mean of a regressor, from which on it can be told from a constant."""

LEAST_FIT = 1e-3
"""Of a variance, relative to the mean one, in weights."""

Form = Literal["norm", "pcm"]


@dataclass(frozen=True, slots=True)
class Cells:
    """Vectors and columns: what was read of them in the base session.

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
    def of(cls, measured: Measurements, kept: Floats, converter_variance: float) -> "Cells":
        """Return the cells of the base session."""
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

    def only(self, vectors: np.ndarray[tuple[int], np.dtype[np.intp]]) -> "Cells":
        """Return the cells of some vectors."""
        return Cells(
            self.ideal[vectors], self.mean[vectors], self.variance[vectors], self.kept[vectors],
            self.repeats,
            None if self.x_squared is None else self.x_squared[vectors],
            None if self.wx2 is None else self.wx2[vectors],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadNoise:
    """Coefficients of the variance: of 1, ``|v|``, ``v^2`` and, where known, of the inputs.

    Attributes:
        coefficients: ``[3]`` or ``[4]``.
        form: of the inputs' part; None if it is left out.
    """

    coefficients: Floats
    form: Form | None

    def at(self, design: Floats) -> Floats:
        """Return the variance at regressors ``[..., 3 or 4]``."""
        return np.asarray(design @ self.coefficients)


@dataclass(frozen=True, slots=True)
class FrozenNoise:
    """Errors that all repeats share, beside gain and offset.

    Attributes:
        variance: of a column's output.
        of_weights: variance of a weight ``c0 + c1 |w|``, or None without norms of the inputs.
    """

    variance: float
    of_weights: tuple[float, float] | None


def frozen_noise(
    cells: Cells, fits: ColumnFits, weights: Floats, resampled: bool = False
) -> FrozenNoise:
    """Return what is left of the mean readings when the lines and the read noise are taken away.

    Args:
        cells: the cells.
        fits: their lines, fitted with the same weights.
        weights: how often each counts ``[vectors, columns]``.
        resampled: of a sample of the sample, which lost the two degrees of freedom before.
    """
    vectors = np.maximum(cells.kept.sum(0), 3)
    lost = (vectors / (vectors - 2)) ** (2 if resampled else 1)
    squares = fits.residual**2 * lost - cells.variance / cells.repeats
    total = max(float(weights.sum()), 1.0)
    variance = float((weights * squares).sum()) / total
    if cells.x_squared is None:
        return FrozenNoise(variance, None)
    if cells.wx2 is None or not varies(cells.wx2 / np.maximum(cells.x_squared, 1e-300), cells.kept):
        level = float((weights * squares).sum() / max((weights * cells.x_squared).sum(), 1e-300))
        return FrozenNoise(variance, (max(level, 0.0), 0.0))
    design = np.stack([cells.x_squared, cells.wx2], -1).reshape(-1, 2)
    size = np.maximum(design[:, 0], LEAST_FIT * design[:, 0].mean())
    found = non_negative(design, squares.reshape(-1), weights.reshape(-1) / size**2)
    return FrozenNoise(variance, (float(found[0]), float(found[1])))


def varies(values: Floats, kept: Floats) -> bool:
    """Return whether a regressor can be told from a constant."""
    chosen = values[kept > 0]
    return bool(chosen.size and chosen.std() > LEAST_VARIATION * abs(chosen.mean()))


def regressors(cells: Cells, fits: ColumnFits, frozen: float, form: Form | None) -> Floats:
    """Return 1, the expected ``|v|`` and ``v^2``, and the inputs' part ``[vectors, columns, 3 or 4]``.

    Args:
        cells: the cells.
        fits: their lines.
        frozen: variance of the frozen errors of an output.
        form: of the inputs' part.
    """
    noise = max(float((cells.kept * cells.variance).sum() / max(cells.kept.sum(), 1)), 0.0)
    frozen = max(frozen, 0.0)
    share = frozen / (frozen + noise / cells.repeats) if frozen > 0 else 0.0
    v = fits.expected + share * fits.residual
    left = frozen * (1 - share)
    parts = [np.ones(v.shape), folded(v, math.sqrt(left)), v * v + left]
    of_inputs = {"norm": cells.x_squared, "pcm": cells.wx2}
    if form is not None and (values := of_inputs[form]) is not None:
        parts.append(values)
    return np.stack(parts, -1)


def folded(mean: Floats, deviation: float) -> Floats:
    """Return the expectation of the magnitude of a normal variable."""
    if deviation == 0:
        return np.abs(mean)
    z = mean / deviation
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return np.asarray(2 * deviation * density + mean * (1 - 2 * ndtr(-z)))


def non_negative(design: Floats, values: Floats, weights: Floats) -> Floats:
    """Return the weighted least squares solution that is not negative ``[parts]``.

    Args:
        design: ``[n, parts]``.
        values: ``[n]``.
        weights: ``[n]``.
    """
    scale = np.maximum(np.sqrt((weights[:, None] * design**2).sum(0)), 1e-150)
    scaled = design / scale
    weighted = weights[:, None] * scaled
    square = scaled.T @ weighted + 1e-12 * np.eye(design.shape[1])
    factor = np.linalg.cholesky(square)
    found, _ = nnls(factor.T, np.linalg.solve(factor, weighted.T @ values))
    return np.asarray(found / scale)


def fitted(
    design: Floats, variance: Floats, weights: Floats, start: Floats | None = None
) -> Floats:
    """Return coefficients of a variance, weighted by ``1 / fit^2`` as variances of variances are.

    Args:
        design: ``[vectors, columns, parts]``.
        variance: ``[vectors, columns]``.
        weights: how often each counts ``[vectors, columns]``.
        start: coefficients that are near.
    """
    flat, values = design.reshape(-1, design.shape[-1]), variance.reshape(-1)
    counts = weights.reshape(-1)
    mean = abs(float((counts * values).sum() / max(counts.sum(), 1.0))) or 1e-300
    fit = np.full(values.shape, mean) if start is None else flat @ start
    coefficients = np.zeros(flat.shape[1])
    for _ in range(ROUNDS if start is None else ROUNDS_AGAIN):
        size = np.maximum(fit, LEAST_FIT * mean) / mean
        coefficients = non_negative(flat, values, counts / size**2)
        fit = flat @ coefficients
    return coefficients


def loss(design: Floats, cells: Cells, coefficients: Floats) -> float:
    """Return the deviance of variances that are chi-squared about a fit."""
    used = cells.kept > 0
    mean = max(float(np.abs(cells.variance[used]).mean()), 1e-300)
    fit = np.maximum((design @ coefficients)[used], LEAST_FIT * mean)
    return float((np.log(fit) + cells.variance[used] / fit).sum())


def read_noise(cells: Cells, fits: ColumnFits, frozen: float) -> ReadNoise:
    """Fit the variance of readings, with the inputs' part where it can be told from a constant."""
    forms: list[Form] = []
    if cells.x_squared is not None and varies(cells.x_squared, cells.kept):
        forms.append("norm")
    if cells.wx2 is not None and varies(cells.wx2, cells.kept):
        forms.append("pcm")
    found: list[tuple[float, ReadNoise]] = []
    for form in forms or [None]:
        design = regressors(cells, fits, frozen, form)
        coefficients = fitted(design, cells.variance, cells.kept)
        found.append((loss(design, cells, coefficients), ReadNoise(coefficients, form)))
    return min(found, key=lambda each: each[0])[1]


@dataclass(frozen=True, slots=True)
class Noise:
    """Read noise and frozen errors with their intervals; standard deviations in array units.

    Attributes:
        read: the fit of the read noise.
        frozen: the fit of the frozen errors.
        a, b, c: of the read noise.
        w: of the inputs' part, or None.
        frozen_std: of an output.
        weight_std: of a weight at 0 and at the largest magnitude, or None.
    """

    read: ReadNoise
    frozen: FrozenNoise
    a: Estimate
    b: Estimate
    c: Estimate
    w: Estimate | None
    frozen_std: Estimate
    weight_std: tuple[Estimate, Estimate] | None


def noise_of(cells: Cells, seed: int, replicates: int = REPLICATES) -> Noise:
    """Estimate read noise and frozen errors.

    Args:
        cells: the cells.
        seed: of the bootstrap.
        replicates: of the bootstrap.
    """
    fits = column_fits(cells.ideal, cells.mean, cells.kept)
    frozen = frozen_noise(cells, fits, cells.kept)
    read = read_noise(cells, fits, frozen.variance)
    design = regressors(cells, fits, frozen.variance, read.form)
    generator = np.random.default_rng(seed)
    vectors, columns = cells.ideal.shape
    rows = []
    for _ in range(replicates):
        of_vectors = generator.multinomial(vectors, np.full(vectors, 1 / vectors))
        of_columns = generator.multinomial(columns, np.full(columns, 1 / columns))
        weights = cells.kept * of_vectors[:, None] * of_columns
        lines = column_fits(cells.ideal, cells.mean, weights)
        again = frozen_noise(cells, lines, weights, resampled=True)
        coefficients = fitted(design, cells.variance, weights, read.coefficients)
        rows.append([again.variance, *(again.of_weights or ()), *coefficients])
    table = np.array(rows)
    parts = 1 if frozen.of_weights is None else 3
    spreads = np.sqrt(np.maximum(table, 0))
    read_values = [root(value) for value in read.coefficients.tolist()]
    of_read = [
        percentiles(value, spreads[:, parts + place]) for place, value in enumerate(read_values)
    ]
    weight_std = None
    if frozen.of_weights is not None:
        at_0, more = frozen.of_weights
        weight_std = (
            percentiles(root(at_0), spreads[:, 1]),
            percentiles(root(at_0 + more), np.sqrt(table[:, 1] + table[:, 2])),
        )
    return Noise(
        read,
        frozen,
        of_read[0],
        of_read[2],
        percentiles(float(read.coefficients[1]), table[:, parts + 1]),
        of_read[3] if read.form is not None else None,
        percentiles(root(frozen.variance), spreads[:, 0]),
        weight_std,
    )
