"""How accuracy falls with the noise at one point, as a curve of four numbers.

The accuracies over sigma are fitted by

    acc(s) = floor + (clean - floor) / (1 + (s / s50)^k)

The midpoint s50 is where half of what the network loses is lost; k says how sharply. The floor is
free, since multiplicative noise, however strong, leaves half of the signs as they were, and a
network need not fall to chance. Source: the idea is that of Walking Noise (arXiv 2212.10430), the
formula is ours.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

QUANTILES = (0.025, 0.975)
MARGIN = 1e-3
MOST_STEEP = 30.0


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

    def fit(self) -> Sensitivity:
        """Fit midpoint, steepness and floor; the first two in logarithms, so they stay positive.

        The floor lies between chance and the accuracy without noise.

        Raises:
            RuntimeError: no curve fits.
        """
        top = max(self.clean, self.chance + MARGIN)

        def curve(
            log_sigma: NDArray[np.float64], log_s50: float, log_k: float, floor: float
        ) -> NDArray[np.float64]:
            exponent = np.clip(np.exp(log_k) * (log_sigma - log_s50), -50, 50)
            expected: NDArray[np.float64] = floor + (top - floor) / (1 + np.exp(exponent))
            return expected

        log_sigma = np.log(self.sigmas)
        floor = min(max(float(self.accuracies[-1]), self.chance), top - MARGIN / 2)
        start = log_sigma[np.abs(self.accuracies - (top + floor) / 2).argmin()]
        parameters, _ = curve_fit(
            curve,
            log_sigma,
            self.accuracies,
            p0=[start, 0.5, floor],
            bounds=(
                [log_sigma[0] - 3, np.log(0.1), self.chance - 1e-9],
                [log_sigma[-1] + 5, np.log(MOST_STEEP), top],
            ),
            maxfev=5000,
        )
        log_s50, log_k, found = parameters.tolist()
        return Sensitivity(float(np.exp(log_s50)), float(np.exp(log_k)), found, self.clean)


def fit_with_interval(
    sigmas: NDArray[np.float64],
    clean: NDArray[np.bool_],
    right: NDArray[np.bool_],
    chance: float,
    resamples: int,
) -> tuple[Sensitivity, tuple[float, float]]:
    """Return the fit of a point, and the interval of its midpoint at 95 %.

    Where the floor is chance, which bounds the fit, the interval is rather too narrow.

    Args:
        sigmas: positive ``[sigmas]``.
        clean: whether each sample is right without noise ``[samples]``.
        right: whether it is right at each sigma ``[sigmas, samples]``.
        chance: accuracy of a guess.
        resamples: of the bootstrap over the samples; with 0 both ends are the midpoint itself.

    Raises:
        RuntimeError: no curve fits.
    """
    fitted = AccuracyCurve(sigmas, right.mean(axis=1), float(clean.mean()), chance).fit()
    generator = np.random.default_rng(0)
    midpoints = []
    for _ in range(resamples):
        picked = generator.integers(0, len(clean), len(clean))
        again = AccuracyCurve(
            sigmas, right[:, picked].mean(axis=1), float(clean[picked].mean()), chance
        )
        midpoints.append(again.fit().s50)
    if not midpoints:
        return fitted, (fitted.s50, fitted.s50)
    low, high = np.quantile(midpoints, QUANTILES).tolist()
    return fitted, (low, high)
