"""The coefficients of the scheme ``sfc64x8-icdf4-1``, fitted anew.

``python -m tests.models.draws.fit`` prints them.
"""

import numpy as np
from numpy.typing import NDArray

from noisevote.models.noise import TABLE_SIZE, standard_normal_table

FOURTH = 0.022
"""Coefficient of the fourth power in all octaves, before all are scaled."""

ROUNDS = 300
"""Of Lawson's weights, which make the largest error least."""


def fitted(fourth: float = FOURTH) -> NDArray[np.float64]:
    """Return the coefficients of each octave, highest power first ``[16, 5]``, of variance 1."""
    wanted = standard_normal_table()[TABLE_SIZE // 2 :][::-1]
    odd = 2.0 * np.arange(TABLE_SIZE // 2) + 1
    octave = np.floor(np.log2(odd)).astype(int)
    mantissa = odd / 2.0**octave
    rows = []
    for number in range(16):
        x = mantissa[octave == number]
        y = wanted[octave == number] - fourth * x**4
        rows.append([fourth, *cubic(x, y)])
    found = np.array(rows)
    powers = mantissa[:, np.newaxis] ** np.arange(4, -1, -1)
    variance = ((found[octave] * powers).sum(axis=1) ** 2).mean()
    scaled: NDArray[np.float64] = found / np.sqrt(variance)
    return scaled


def cubic(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cubic polynomial whose largest error is least, highest power first ``[4]``.

    Source: C. L. Lawson's weights; see J. R. Rice, "The Approximation of Functions", volume 2.
    """
    degree = min(3, len(x) - 1)
    powers = np.vander(x - 1.5, degree + 1)
    weights = np.ones(len(x))
    for _ in range(ROUNDS):
        root = np.sqrt(weights)
        found = np.linalg.lstsq(powers * root[:, np.newaxis], y * root, rcond=None)[0]
        error = np.abs(powers @ found - y)
        if error.max() < 1e-12:
            break
        weights = np.maximum(weights * error / (weights * error).sum(), 1e-14)
    moved = np.poly1d(found)(np.poly1d([1.0, -1.5])) if degree else np.poly1d(found)
    return np.concatenate([np.zeros(3 - moved.order), moved.coeffs])


if __name__ == "__main__":
    for row in fitted().astype(np.float32):
        print(row.tolist())  # noqa: T201
