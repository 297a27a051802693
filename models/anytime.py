"""What vote counts say to somebody who watches, and may stop whenever it looks good.

All of it is anytime-valid. The interval is a confidence sequence: with a chance of at least
``1 - alpha`` it holds the share after the first vote, the second, and all others. What holds for a
number of votes that was fixed in advance is in :mod:`noisevote.models.statistics`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, xlog1py, xlogy

from noisevote.models.stopping import is_fixed

HALVINGS = 40
"""Steps of the bisection; the bounds are exact to 2^-40."""


@dataclass(frozen=True, slots=True)
class Running:
    """The state of one input after each of some votes.

    Attributes:
        vote_counts: ``[votes, classes]``.
        modes: class with the most votes; of several, the lowest index ``[votes]``.
        lower: bound of the interval for the chance that one vote falls on the mode ``[votes]``.
        upper: likewise.
        is_decided: whether no outcome of the votes left can change the mode ``[votes]``.
        is_sure: whether the mode leads the second class beyond chance ``[votes]``; see
            :func:`leads_surely`.
    """

    vote_counts: NDArray[np.int64]
    modes: NDArray[np.int64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    is_decided: NDArray[np.bool_]
    is_sure: NDArray[np.bool_]


def running(
    before: NDArray[np.int64], fell_on: NDArray[np.int64], votes: int, alpha: float
) -> Running:
    """Return the state of one input after each further vote.

    Args:
        before: votes of each class so far ``[classes]``.
        fell_on: class of each further vote, in vote order.
        votes: N, all votes that were asked for.
        alpha: chance that the interval ever misses; shared among the classes, since the mode is
            picked after the votes are seen. Also the level of ``is_sure``.
    """
    classes = len(before)
    counts = before + np.cumsum(fell_on[:, np.newaxis] == np.arange(classes), axis=0)
    modes = counts.argmax(axis=1)
    most, cast = counts.max(axis=1), counts.sum(axis=1)
    lower, upper = anytime_interval(most, cast, alpha / classes)
    return Running(
        vote_counts=counts,
        modes=modes,
        lower=lower,
        upper=upper,
        is_decided=is_fixed(counts, votes),
        is_sure=leads_surely(counts, alpha),
    )


def anytime_interval(
    successes: NDArray[np.int64], trials: NDArray[np.int64], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return bounds of a share that hold after every trial at once.

    The likelihood of the mixture Beta(1/2, 1/2) over that of the true share is a martingale, and
    by Ville's inequality it exceeds ``1 / alpha`` with a chance of at most alpha.

    Sources: H. Robbins, Annals of Mathematical Statistics 41 (1970), 1397-1409; R. E. Krichevsky
    and V. K. Trofimov, IEEE Transactions on Information Theory 27 (1981), 199-207.

    Args:
        successes: so far, 0 to ``trials`` ``[n]``.
        trials: so far, at least 1 ``[n]``.
        alpha: chance that any of the intervals misses the share.
    """
    failures = trials - successes
    mixture = betaln(successes + 0.5, failures + 0.5) - betaln(0.5, 0.5)
    least = mixture + np.log(alpha)
    best = successes / trials
    bounds = []
    for outside in (np.zeros_like(best), np.ones_like(best)):
        inside = best.copy()
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            is_in = xlogy(successes, middle) + xlog1py(failures, -middle) > least
            inside = np.where(is_in, middle, inside)
            outside = np.where(is_in, outside, middle)
        bounds.append(outside)
    return bounds[0], bounds[1]


def leads_surely(counts: NDArray[np.int64], alpha: float) -> NDArray[np.bool_]:
    """Return whether the first class leads the second beyond chance, whenever one looks ``[n]``.

    The test of the top two classes for somebody who watches: the mixture's likelihood of their
    votes is ``1 / alpha`` times that of a fair coin. That the two are picked after the votes are
    seen misleads no more often; the more classes are as likely, the less any of them leads (for
    fixed N by K. Hung and W. Fithian, arXiv 1606.03031; here tested by enumeration).

    Args:
        counts: votes of each class ``[n, classes]``.
        alpha: chance of ever being sure of a class that is not the most likely one.
    """
    second, first = np.partition(counts, -2, axis=1)[:, -2:].T
    mixture = betaln(first + 0.5, second + 0.5) - betaln(0.5, 0.5)
    surely: NDArray[np.bool_] = mixture + (first + second) * np.log(2) >= -np.log(alpha)
    return surely
