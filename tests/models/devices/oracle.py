"""Figures that other programs computed, and what they are compared with.

aihwkit 4545f11 and CrossSim 3.2 (0a2eb1e) were run once; their figures stand here as constants, so
no test needs them.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.cells import aged_weights
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.profile import Profile, profile_of

Floats = NDArray[np.float64]


def device(**parts: object) -> Profile:
    return profile_of({"profile": 1, "name": "tested", **parts})


def matrices() -> tuple[Floats, Floats]:
    """W [10 columns, 64 rows] and X [32 vectors, 64 rows], as all programs were given them."""
    random = np.random.RandomState(7)
    weights = np.clip(0.3 * random.randn(10, 64), -1, 1)
    weights[0, 0] = 1
    return weights, random.uniform(-1, 1, (32, 64))


W, X = matrices()
IDEAL = X @ W.T


class Figure(NamedTuple):
    """A figure and its standard error."""

    value: float
    error: float

    @classmethod
    def of(cls, chips: Floats, figure: Callable[[Floats], float], draws: int = 200) -> "Figure":
        """Return a figure of errors [chips, ...], its standard error by bootstrap over chips."""
        random = np.random.default_rng(0)
        again = [figure(chips[random.integers(0, len(chips), len(chips))]) for _ in range(draws)]
        return cls(figure(chips), float(np.std(again)))

    @classmethod
    def interval(cls, value: float, low: float, high: float) -> "Figure":
        """Return a published figure with its 95 % interval."""
        return cls(value, (high - low) / 2 / 1.96)

    def agrees_with(self, other: "Figure") -> bool:
        """Whether two differ by less than four combined standard errors (chance 6e-5)."""
        return abs(self.value - other.value) < 4 * math.hypot(self.error, other.error)


def held(profile: Profile, chips: int, age_s: float = 0.0, first: int = 0) -> Floats:
    """Errors of outputs [chips, vectors, columns] of what chips hold, made up for drift."""
    errors = []
    for number in range(first, first + chips):
        draws = Chip(profile.digest, "w", number).draws_of("fc", W.shape)
        aged = aged_weights(W, profile, draws, age_s)
        errors.append(X @ aged.weights.T * aged.alpha - IDEAL)
    return np.array(errors)


def total(errors: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def spread(errors: Floats) -> float:
    """Deviation that differs by chip: that of each output over chips."""
    return float(np.sqrt(errors.var(0, ddof=1).mean()))


def converted(values: Floats, bits: int, bound: float) -> Floats:
    """What a symmetric converter makes of values."""
    step = 2 * bound / (2**bits - 2)
    rounded: Floats = np.clip(np.round(values / step) * step, -bound, bound)
    return rounded
