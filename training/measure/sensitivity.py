"""How accuracy falls with the noise at one point, as a curve of four numbers.

The accuracies over sigma are fitted by

    acc(s) = floor + (clean - floor) / (1 + (s / s50)^k)

The midpoint s50 is where half of what the network loses is lost; k says how sharply. Source: the
idea is that of Walking Noise (arXiv 2212.10430), the formula is ours.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

QUANTILES = (0.025, 0.975)
MARGIN = 1e-3
MOST_STEEP = 30.0


class Floor(StrEnum):
    """What the accuracy falls to under the strongest noise."""

    CHANCE = "chance"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How the accuracy falls with the noise at one point.

    Attributes:
        s50: the midpoint.
        k: the steepness.
        floor: accuracy under the strongest noise.
        clean: accuracy without noise.
    """

    s50: float
    k: float
    floor: float
    clean: float

    def accuracy(self, sigma: float) -> float:
        """Return the expected accuracy at ``sigma``."""
        exponent = min(self.k * math.log(sigma / self.s50), 50.0) if sigma > 0 else -math.inf
        return self.floor + (self.clean - self.floor) / (1 + math.exp(exponent))

    def kept(self, sigma: float) -> float:
        """Return the share of the clean accuracy that is left at ``sigma``."""
        return self.accuracy(sigma) / self.clean


@dataclass(frozen=True, slots=True)
class AccuracyCurve:
    """Accuracies over the noise at one point.

    Attributes:
        sigmas: positive ``[sigmas]``.
        accuracies: measured ``[sigmas]``.
        clean: accuracy without noise.
        chance: accuracy of a guess.
    """

    sigmas: NDArray[np.float64]
    accuracies: NDArray[np.float64]
    clean: float
    chance: float

    def fit(self, floor: Floor) -> Sensitivity:
        """Fit midpoint, steepness and floor; the first two in logarithms, so they stay positive.

        Args:
            floor: whether it is chance, or free between chance and the clean accuracy.
        """
        top = max(self.clean, self.chance + MARGIN)
        is_free = floor is Floor.FREE

        def curve(
            log_sigma: NDArray[np.float64], log_s50: float, log_k: float, *free: float
        ) -> NDArray[np.float64]:
            base = free[0] if free else self.chance
            exponent = np.clip(np.exp(log_k) * (log_sigma - log_s50), -50, 50)
            expected: NDArray[np.float64] = base + (top - base) / (1 + np.exp(exponent))
            return expected

        log_sigma = np.log(self.sigmas)
        base = min(max(float(self.accuracies[-1]), self.chance), top - MARGIN / 2)
        half = (top + (base if is_free else self.chance)) / 2
        start = [log_sigma[np.abs(self.accuracies - half).argmin()], 0.5, base]
        low = [log_sigma[0] - 3, np.log(0.1), self.chance - 1e-9]
        high = [log_sigma[-1] + 5, np.log(MOST_STEEP), top]
        count = 3 if is_free else 2
        parameters, _ = curve_fit(
            curve,
            log_sigma,
            self.accuracies,
            p0=start[:count],
            bounds=(low[:count], high[:count]),
            maxfev=5000,
        )
        found = parameters.tolist()
        return Sensitivity(
            float(np.exp(found[0])),
            float(np.exp(found[1])),
            found[2] if is_free else self.chance,
            self.clean,
        )

    def rms_error(self, fitted: Sensitivity) -> float:
        """Return the root mean square error of a fit."""
        expected = [fitted.accuracy(sigma) for sigma in self.sigmas.tolist()]
        return float(np.sqrt(np.mean((self.accuracies - expected) ** 2)))


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fit with its intervals, at 95 %, from a bootstrap over the images.

    Attributes:
        curve: that was fitted.
        sensitivity: its fit.
        s50: interval of the midpoint; both ends are the midpoint itself without resamples.
        k: interval of the steepness, likewise.
    """

    curve: AccuracyCurve
    sensitivity: Sensitivity
    s50: tuple[float, float]
    k: tuple[float, float]


def fit_with_interval(
    sigmas: NDArray[np.float64],
    clean: NDArray[np.bool_],
    right: NDArray[np.bool_],
    chance: float,
    floor: Floor,
    resamples: int,
) -> Fitted:
    """Return one fit of a point with its intervals.

    Args:
        sigmas: positive ``[sigmas]``.
        clean: whether each image is right without noise ``[images]``.
        right: whether it is right at each sigma ``[sigmas, images]``.
        chance: accuracy of a guess.
        floor: whether it is chance, or free.
        resamples: number of resamples of the bootstrap.

    Raises:
        RuntimeError: no curve fits.
    """
    curve = AccuracyCurve(sigmas, right.mean(axis=1), float(clean.mean()), chance)
    fitted = curve.fit(floor)
    generator = np.random.default_rng(0)
    resampled = []
    for _ in range(resamples):
        picked = generator.integers(0, len(clean), len(clean))
        again = AccuracyCurve(
            sigmas, right[:, picked].mean(axis=1), float(clean[picked].mean()), chance
        ).fit(floor)
        resampled.append((again.s50, again.k))
    if not resampled:
        return Fitted(curve, fitted, (fitted.s50, fitted.s50), (fitted.k, fitted.k))
    (s50_low, k_low), (s50_high, k_high) = np.quantile(resampled, QUANTILES, axis=0).tolist()
    return Fitted(curve, fitted, (s50_low, s50_high), (k_low, k_high))


def fit_rows(
    sigmas: NDArray[np.float64],
    clean: NDArray[np.bool_],
    right: NDArray[np.bool_],
    chance: float,
    resamples: int,
) -> list[dict[str, object]]:
    """Return both fits of one point with their intervals; see :func:`fit_with_interval`."""
    rows: list[dict[str, object]] = []
    for floor in Floor:
        found = fit_with_interval(sigmas, clean, right, chance, floor, resamples)
        fitted = found.sensitivity
        rows.append(
            {
                "floor_is": floor,
                "s50": fitted.s50,
                "s50_low": found.s50[0],
                "s50_high": found.s50[1],
                "k": fitted.k,
                "k_low": found.k[0],
                "k_high": found.k[1],
                "floor": fitted.floor,
                "clean": found.curve.clean,
                "rms_error": found.curve.rms_error(fitted),
            }
        )
    return rows
