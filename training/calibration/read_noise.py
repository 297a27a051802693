"""Read noise over the signal.

The variance of a reading is ``a^2 + c |v| + b^2 v^2 + w^2 X``, where v is the mean reading and X
the squared norm of the inputs (or ``sum |w| x^2``), all in array units. v is known up to the noise
that repeats leave: in place of ``|v|`` and ``v^2`` stand their expectations, given the reading and
the line of its column (regression calibration), so that two repeats are enough.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr

from noisevote.training.calibration.column_fits import TINY, ColumnFits
from noisevote.training.calibration.measurements import Floats
from noisevote.training.calibration.moments import LEAST_FIT, Moments, non_negative, varies

ROUNDS = 8
"""Of reweighting."""

ROUNDS_AGAIN = 3
"""The same from a fit that is near."""

FAR = 30.0
"""Standard deviations beyond which a normal variable has one sign."""

Form = Literal["norm", "pcm"]


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


def regressors(moments: Moments, fits: ColumnFits, frozen: Floats, form: Form | None) -> Floats:
    """Return 1, the expected ``|v|`` and ``v^2``, the inputs' part ``[vectors, columns, 3 or 4]``.

    Args:
        moments: of the readings.
        fits: their lines.
        frozen: variance of the frozen errors of outputs ``[vectors, columns]``.
        form: of the inputs' part.
    """
    noise = max(float((moments.kept * moments.variance).sum() / max(moments.kept.sum(), 1)), 0.0)
    share = frozen / np.maximum(frozen + noise / moments.repeats, TINY)
    v = fits.expected + share * fits.residual
    left = frozen * (1 - share)
    parts = [np.ones(v.shape), folded(v, np.sqrt(left)), v * v + left]
    of_inputs = {"norm": moments.x_squared, "pcm": moments.wx2}
    if form is not None and (values := of_inputs[form]) is not None:
        parts.append(values)
    return np.stack(parts, -1)


def folded(mean: Floats, deviation: Floats) -> Floats:
    """Return the expectation of the magnitude of normal variables."""
    z = np.clip(mean / np.maximum(deviation, TINY), -FAR, FAR)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return np.asarray(2 * deviation * density + mean * (1 - 2 * ndtr(-z)))


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
    mean = abs(float((counts * values).sum() / max(counts.sum(), 1.0))) or TINY
    fit = np.full(values.shape, mean) if start is None else flat @ start
    coefficients = np.zeros(flat.shape[1])
    for _ in range(ROUNDS if start is None else ROUNDS_AGAIN):
        size = np.maximum(fit, LEAST_FIT * mean) / mean
        coefficients = non_negative(flat, values, counts / size**2)
        fit = flat @ coefficients
    return coefficients


def loss(design: Floats, moments: Moments, coefficients: Floats) -> float:
    """Return the deviance of variances that are chi-squared about a fit."""
    used = moments.kept > 0
    mean = max(float(np.abs(moments.variance[used]).mean()), TINY)
    fit = np.maximum((design @ coefficients)[used], LEAST_FIT * mean)
    return float((np.log(fit) + moments.variance[used] / fit).sum())


def read_noise(moments: Moments, fits: ColumnFits, frozen: Floats) -> ReadNoise:
    """Fit the variance of readings, with the inputs' part where it can be told from a constant."""
    forms: list[Form] = []
    if moments.x_squared is not None and varies(moments.x_squared, moments.kept):
        forms.append("norm")
    if moments.wx2 is not None and varies(moments.wx2, moments.kept):
        forms.append("pcm")
    found: list[tuple[float, ReadNoise]] = []
    choices: list[Form | None] = [*forms] or [None]
    for form in choices:
        design = regressors(moments, fits, frozen, form)
        coefficients = fitted(design, moments.variance, moments.kept)
        found.append((loss(design, moments, coefficients), ReadNoise(coefficients, form)))
    return min(found, key=lambda each: each[0])[1]
