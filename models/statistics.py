"""What vote counts say about the noise: how sure the mode is to be the network's most likely class.

None of these numbers speaks about the truth of the label: a network that is always wrong in the
same way has a narrow interval and a small p-value.

The interval of a fixed number of votes does not hold for somebody who watches and stops when it
looks good; for them there is :mod:`noisevote.models.anytime`.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from math import ceil, log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv, ndtri, stdtrit

KEPT = 4096
"""Values of each statistic that are kept: few votes make few different counts."""


class Statistics(NamedTuple):
    """Interval, p-value and abstention; None where they do not hold."""

    interval: tuple[float, float] | None
    p_value: float | None
    abstain: bool | None


UNKNOWN = Statistics(None, None, None)
"""Of votes that were stopped early: their number depends on how they fell."""

CERTAIN = Statistics((1.0, 1.0), 0.0, False)
"""Without noise the next vote falls on the mode, too; there is nothing to estimate."""


def fixed_votes_statistics(vote_counts: NDArray[np.int64], alpha: float) -> Statistics:
    """Return the statistics of a number of votes that was fixed in advance."""
    p_value = top_two_p_value(vote_counts)
    return Statistics(share_of_mode(vote_counts, alpha), p_value, p_value > alpha)


@lru_cache(KEPT)
def clopper_pearson(successes: float, trials: int, alpha: float) -> tuple[float, float]:
    """Return the exact two-sided interval of a share, at confidence ``1 - alpha``.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934), 404-413.

    Args:
        successes: 0 to ``trials``. A sum of shares may have a fraction; as shares spread less than
            successes and failures do, the interval is then rather too wide (tested).
        trials: number of trials, at least 1.
        alpha: chance that the interval misses the share, 0 to 1, shared by both sides.
    """
    failures = trials - successes
    lower = 0.0 if successes == 0 else betaincinv(successes, failures + 1, alpha / 2)
    upper = 1.0 if failures == 0 else betaincinv(successes + 1, failures, 1 - alpha / 2)
    return float(lower), float(upper)


def student_interval(values: NDArray[np.float64], alpha: float) -> tuple[float, float]:
    """Return the interval of the mean of independent normal values, at confidence ``1 - alpha``.

    Args:
        values: ``[n]``, n at least 2.
        alpha: chance that the interval misses the mean, shared by both sides.
    """
    quantile = float(stdtrit(len(values) - 1, 1 - alpha / 2))
    half = quantile * float(values.std(ddof=1)) / math.sqrt(len(values))
    mean = float(values.mean())
    return mean - half, mean + half


def share_of_mode(vote_counts: NDArray[np.int64], alpha: float) -> tuple[float, float]:
    """Return an interval for the chance that one vote falls on the mode.

    The mode was picked among K classes after the votes were seen; ``alpha / K`` makes up for it
    (Bonferroni), so the interval holds for whichever class came out on top.

    Args:
        vote_counts: votes of each class ``[classes]``, at least one vote.
        alpha: chance that the interval misses.
    """
    return clopper_pearson(int(vote_counts.max()), int(vote_counts.sum()), alpha / len(vote_counts))


def top_two_p_value(vote_counts: NDArray[np.int64]) -> float:
    """Return the two-sided binomial p-value of "the two leading classes are equally likely".

    Source: J. Cohen, E. Rosenfeld and J. Z. Kolter, arXiv 1902.02918, PREDICT; the test is K. Hung
    and W. Fithian, arXiv 1606.03031.

    Args:
        vote_counts: votes of each class ``[classes]``, at least one vote.
    """
    second, first = (int(count) for count in np.partition(vote_counts, -2)[-2:])
    return fair_coin_p_value(second, first + second)


def fewest_votes_to_be_sure(alpha: float) -> int:
    """Return how many votes, if all agree, bring the p-value of the top two down to alpha.

    N votes of one class have ``2 / 2^N``: fewer than this abstain however they fall.
    """
    return 1 + ceil(-log2(alpha))


@lru_cache(KEPT)
def fair_coin_p_value(fewer: int, throws: int) -> float:
    """Return the two-sided p-value of so few or fewer heads, or tails, in throws of a fair coin."""
    return min(1.0, 2.0 * float(bdtr(fewer, throws, 0.5)))


def mcnemar_p_value(first_only: int, second_only: int) -> float:
    """Return the two-sided p-value of "both are right equally often", from paired outcomes.

    Only the pairs that differ carry information; under the hypothesis each falls to either side
    with a chance of one half (the exact test).

    Source: Q. McNemar, Psychometrika 12 (1947), 153-157.

    Args:
        first_only: pairs in which only the first is right.
        second_only: pairs in which only the second is right.
    """
    return fair_coin_p_value(min(first_only, second_only), first_only + second_only)


def sign_test_p_value(for_it: int, against_it: int) -> float:
    """Return the one-sided p-value of "more pairs speak for it than against it" by chance alone.

    It is the chance of at least ``for_it`` of the pairs that differ, if each falls to either side
    with a chance of one half.

    Args:
        for_it: pairs that speak for the claim.
        against_it: pairs that speak against it.
    """
    return float(bdtr(against_it, for_it + against_it, 0.5))


def holm_p_values(p_values: Sequence[float]) -> list[float]:
    """Return the p-values of several tests, each corrected for all of them having been made.

    If none of the hypotheses is wrong, the least corrected one is below any alpha with a chance of
    at most alpha, however the tests depend on each other.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
    """
    order = np.argsort(p_values, kind="stable")
    left = len(order) - np.arange(len(order))
    corrected = np.empty(len(order))
    corrected[order] = np.maximum.accumulate(left * np.asarray(p_values)[order]).clip(max=1.0)
    return [float(value) for value in corrected]


def difference_interval(
    one: tuple[int, int], other: tuple[int, int], alpha: float = 0.05
) -> tuple[float, float]:
    """Return an interval of the difference of two shares, the first less the second.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10.

    Args:
        one: successes and trials.
        other: successes and trials, independent of those.
        alpha: chance that the interval misses the difference.
    """
    (share, other_share), ((low, high), (other_low, other_high)) = (
        (one[0] / one[1], other[0] / other[1]),
        (wilson_interval(*one, alpha), wilson_interval(*other, alpha)),
    )
    difference = share - other_share
    return (
        difference - math.hypot(share - low, other_high - other_share),
        difference + math.hypot(high - share, other_share - other_low),
    )


def paired_interval(differences: NDArray[np.float64], alpha: float = 0.05) -> tuple[float, float]:
    """Return an interval of the mean difference of two shares on the same samples.

    Half a pair is added to each way in which a pair may differ or not, which keeps the interval
    from being empty where no pair differs.

    Source: A. Agresti and Y. Min, Statistics in Medicine 24 (2005), 729-740; here for means over
    several answers to each sample, too.

    Args:
        differences: of each sample ``[samples]``, from -1 to 1.
        alpha: chance that the interval misses the difference.
    """
    total, samples = float(differences.sum()), len(differences) + 2
    centre = total / samples
    variance = float((differences**2).sum()) + 1 - total**2 / samples
    half_width = float(ndtri(1 - alpha / 2)) * math.sqrt(variance) / samples
    return centre - half_width, centre + half_width


def wilson_interval(successes: int, trials: int, alpha: float) -> tuple[float, float]:
    """Return the score interval of a share.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    z = float(ndtri(1 - alpha / 2))
    centre = (successes + z * z / 2) / (trials + z * z)
    half = z * math.sqrt(successes * (trials - successes) / trials + z * z / 4) / (trials + z * z)
    return centre - half, centre + half
