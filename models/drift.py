"""Whether votes agree as much as they did when a checkpoint was measured.

The mean of a share between 0 and 1 is tested by betting: whoever bets against "the mean is as it
should be" multiplies the stake by 1 + lambda (expected - seen) at each answer, which is no gain on
average if it is so. Then the chance that the stake ever grows to 1 / alpha is at most alpha, after
however many answers one looks (Ville's inequality). Stakes are laid at several lambdas at once.

Nothing is assumed of the answers but that each has the expected mean given those before it: no
normal distribution, no number of answers fixed in advance.

Sources: J. Ville, "Etude critique de la notion de collectif" (1939); I. Waudby-Smith and A. Ramdas,
"Estimating means of bounded random variables by betting", arXiv 2010.09686, section 4.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from noisevote.models.measured import AgreementReference

STAKES = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64])
"""Shares of the largest lambda at which the stake cannot become negative."""

CARD_ERRORS = 4.0
"""Standard errors by which a mean on the card may be off without an alarm."""

INTERVAL_ERRORS = 1.96
"""Standard errors to either side of an interval of 95 %."""


class MeanTest:
    """Tests of several shares at once whether their means leave a band, to either side.

    Args:
        low: of each share, the lowest mean that is as it should be ``[shares]``, above 0.
        high: the highest ``[shares]``, below 1.
        alpha: chance that any of them ever raises a false alarm.
    """

    def __init__(self, low: NDArray[np.float64], high: NDArray[np.float64], alpha: float) -> None:
        bounds = np.concatenate([low, high])[:, np.newaxis]
        self._signs = np.repeat([[-1.0], [1.0]], len(low), axis=0)
        self._bounds = bounds
        largest = np.where(self._signs < 0, 1 / (1 - bounds), 1 / bounds)
        self._factors = self._signs * largest * STAKES
        self._stakes = np.ones((2 * len(low), len(STAKES)))
        self._needed = 2 * len(low) / alpha

    def add(self, shares: NDArray[np.float64]) -> int:
        """Take one answer ``[shares]`` and return -1, 0 or 1: lower, as expected, higher."""
        seen = np.concatenate([shares, shares])[:, np.newaxis]
        self._stakes *= 1 + self._factors * (seen - self._bounds)
        won = self._stakes.mean(axis=1)
        best = int(won.argmax())
        return int(self._signs[best, 0]) if won[best] >= self._needed else 0


def band_of(mean: float, sd: float, inputs: int) -> tuple[float, float]:
    """Return the means that are as they should be, around one that was measured on some inputs.

    A share that was the same on all inputs has no standard error; one input more, that would have
    been the other way, stands for what was not seen.
    """
    off = CARD_ERRORS * sd / math.sqrt(inputs) + 1 / inputs
    return max(mean - off, 1e-6), min(mean + off, 1 - 1e-6)


def some_of(
    vote_counts: Sequence[int], votes: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return the counts of ``votes`` votes drawn from those that were cast.

    Votes of one input are exchangeable, so these fall as if no more had been asked for.

    Args:
        vote_counts: vote counts of each class, ``votes`` or more in all.
        votes: how many to draw.
        generator: draws them.
    """
    counts = np.asarray(vote_counts, np.int64)
    if counts.sum() == votes:
        return counts
    return generator.multivariate_hypergeometric(counts, votes)


def top_two(vote_counts: Iterable[int]) -> tuple[int, int]:
    """Return the two largest counts; with a single class the second is 0."""
    first = second = 0
    for count in vote_counts:
        if count > first:
            first, second = count, first
        elif count > second:
            second = count
    return first, second


def shares_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return agreement and top-two margin of counts, as shares of the votes ``[..., 2]``.

    Args:
        counts: counts of each class ``[..., classes]``.
    """
    top = np.partition(counts, -2, axis=-1)[..., -2:]
    second, first = top[..., 0], top[..., 1]
    shares: NDArray[np.float64] = np.stack([first, first - second], -1) / counts.sum(
        axis=-1, keepdims=True
    )
    return shares


def effective_sigma(agreement: float, curve: Sequence[AgreementReference]) -> float:
    """Return the sigma at which the card's votes agree as much, within the sigmas measured.

    Args:
        agreement: mean of the mode's share.
        curve: measured at the same number of votes, at several sigmas of one kind of noise.
    """
    entries = sorted(curve, key=lambda entry: entry.sigma)
    # More noise never helps votes to agree; where a measurement says so it is its error.
    falling = np.minimum.accumulate([entry.agreement_mean for entry in entries])
    return float(np.interp(-agreement, -falling, [entry.sigma for entry in entries]))
