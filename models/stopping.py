"""When to stop casting votes, and which guarantee the answer then has.

Every rule looks at the counts of the first t of N votes, in vote order. ``votes_cast`` is the
first t at which it holds.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class StopRule(StrEnum):
    """Rules by name.

    ``full`` casts all votes. ``exact`` stops as soon as no outcome of the remaining votes can
    change the mode.
    """

    FULL = "full"
    EXACT = "exact"


def mode_of(vote_counts: NDArray[np.int64]) -> int:
    """Return the class with the most votes; of several, the lowest index."""
    return int(np.argmax(vote_counts))


def is_decided(rule: StopRule, vote_counts: NDArray[np.int64], votes: int) -> bool:
    """Return whether voting may stop at these counts.

    Args:
        rule: the stop rule.
        vote_counts: votes of each class so far ``[classes]``.
        votes: N, all votes that were asked for.
    """
    return fewest_to_decide(rule, vote_counts, votes) == 0


def fewest_to_decide(rule: StopRule, vote_counts: NDArray[np.int64], votes: int) -> int:
    """Return the fewest further votes after which the rule could hold; 0 if it holds.

    As many can be computed at once without computing one too many.

    For ``exact``: with r votes left, the mode i is fixed if no rival j can catch up with all of
    them, ``c_j + r < c_i``, or ``c_j + r = c_i`` and i < j, since a tie goes to the lowest index.
    If the next k votes all fall on i, that needs ``2 k >= r - c_i + c_j`` (+ 1 if j < i) for every
    rival j. No other class than the present mode can get there sooner.
    """
    remaining = votes - int(vote_counts.sum())
    if rule is StopRule.FULL:
        return remaining
    mode = mode_of(vote_counts)
    wins_ties = (np.arange(len(vote_counts)) < mode).astype(np.int64)
    needed = remaining - vote_counts[mode] + vote_counts + wins_ties
    needed[mode] = 0
    return min(remaining, max(0, -(-int(needed.max()) // 2)))
