"""When to stop casting votes, and which guarantee the answer then has.

Every rule looks at the counts of the first t of N votes, in vote order. ``votes_cast`` is the
first t at which it holds.
"""

from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


class StopRule(StrEnum):
    """Rules by name.

    ``full`` casts all votes. ``exact`` stops as soon as no outcome of the remaining votes can
    change the mode. ``bounded`` stops earlier: its mode differs from that of all N votes with a
    chance of at most delta, whatever the input. ``calibrated`` stops earlier still, as soon as
    the mode leads by a margin that was chosen on validation inputs: its mode differs with a
    chance of at most delta on inputs like those.
    """

    FULL = "full"
    EXACT = "exact"
    BOUNDED = "bounded"
    CALIBRATED = "calibrated"


class StopReason(StrEnum):
    """Why voting ended: all votes were cast, a rule held, or the time was up."""

    FULL = "full"
    EXACT = "exact"
    BOUNDED = "bounded"
    CALIBRATED = "calibrated"
    DEADLINE = "deadline"


def mode_of(vote_counts: NDArray[np.int64]) -> int:
    """Return the class with the most votes; of several, the lowest index."""
    return int(np.argmax(vote_counts))


def is_decided(
    rule: StopRule,
    vote_counts: NDArray[np.int64],
    votes: int,
    delta: float = 0.0,
    margin: int | None = None,
) -> bool:
    """Return whether voting may stop at these counts; see :func:`fewest_to_decide`."""
    return fewest_to_decide(rule, vote_counts, votes, delta, margin) == 0


def fewest_to_decide(
    rule: StopRule,
    vote_counts: NDArray[np.int64],
    votes: int,
    delta: float = 0.0,
    margin: int | None = None,
) -> int:
    """Return the fewest further votes after which the rule could hold; 0 if it holds.

    As many can be computed at once without computing one too many.

    Args:
        rule: the stop rule.
        vote_counts: votes of each class so far ``[classes]``.
        votes: N, all votes that were asked for.
        delta: for ``bounded``, the chance of another mode than that of all N votes.
        margin: for ``calibrated``, votes by which the mode must lead.
    """
    if rule is StopRule.FULL:
        return votes - int(vote_counts.sum())
    fewest = fewest_to_fix_mode(vote_counts, votes)
    if rule is StopRule.EXACT:
        return fewest
    if rule is StopRule.CALIBRATED:
        second, first = np.partition(vote_counts, -2)[-2:].tolist()
        return fewest if margin is None else min(fewest, max(0, margin - (first - second)))
    cast = int(vote_counts.sum())
    further = np.arange(fewest)
    reached = vote_counts.max() + further >= bounded_boundary(votes, delta)[cast : cast + fewest]
    return int(np.argmax(reached)) if reached.any() else fewest


def fewest_to_fix_mode(vote_counts: NDArray[np.int64], votes: int) -> int:
    """Return the fewest further votes after which the rest could no longer change the mode.

    With r votes left, the mode i is fixed if no rival j can catch up with all of them,
    ``c_j + r < c_i``, or ``c_j + r = c_i`` and i < j, since a tie goes to the lowest index. If the
    next k votes all fall on i, that needs ``2 k >= r - c_i + c_j`` (+ 1 if j < i) for every rival
    j. No other class than the present mode can get there sooner.
    """
    remaining = votes - int(vote_counts.sum())
    mode = mode_of(vote_counts)
    wins_ties = (np.arange(len(vote_counts)) < mode).astype(np.int64)
    needed = remaining - vote_counts[mode] + vote_counts + wins_ties
    needed[mode] = 0
    return min(remaining, max(0, -(-int(needed.max()) // 2)))


@lru_cache(maxsize=64)
def bounded_boundary(votes: int, delta: float) -> NDArray[np.int64]:
    """Return, for each number t of votes cast, the count at which ``bounded`` stops ``[N + 1]``.

    Given how all N votes fall, their order is uniform, so the count of a class after t of them is
    hypergeometric. A class that is not the mode has at most N / 2 of them. For one that has just
    as many, the boundary is the lowest count above t / 2 that keeps the chance of ever having
    reached it by vote t at or below ``delta t / N``. Classes with fewer votes reach it less often;
    several that share the votes, together, less often than one that has them all (tested by
    enumeration). So a wrong mode stops the voting with a chance of at most delta.

    Args:
        votes: N.
        delta: above 0, below 1.
    """
    most = votes // 2
    counts = np.arange(most + 1)
    chance = np.zeros(most + 1)  # of each count, without having reached the boundary
    chance[0] = 1.0
    reached = 0.0
    boundary = np.full(votes + 1, most + 1)
    for cast in range(1, votes + 1):
        falls_on_it = chance * (most - counts) / (votes - cast + 1)
        chance -= falls_on_it
        chance[1:] += falls_on_it[:-1]
        at_or_above = np.cumsum(chance[::-1])[::-1]
        allowed = (counts > cast / 2) & (reached + at_or_above <= delta * cast / votes)
        if allowed.any():
            first = int(np.argmax(allowed))
            boundary[cast] = first
            reached += at_or_above[first]
            chance[first:] = 0.0
    boundary.flags.writeable = False
    return boundary
