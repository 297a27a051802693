"""Intervals that hold at every vote at once, and the vote from which the mode stands."""

from collections import defaultdict
from itertools import compress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.anytime import anytime_interval, leads_surely, running
from noisevote.models.statistics import clopper_pearson
from noisevote.models.stopping import Exact, mode_of

VOTES = st.lists(st.integers(0, 3), min_size=1, max_size=30)


def chance_of_ever_missing(share: float, alpha: float, trials: int) -> float:
    """Return the exact chance that one of the intervals of ``trials`` trials misses the share."""
    inside = np.ones(1)  # chance of each number of successes, with no miss so far
    for trial in range(1, trials + 1):
        reached = np.zeros(trial + 1)
        reached[:-1] += inside * (1 - share)
        reached[1:] += inside * share
        successes = np.arange(trial + 1)
        lower, upper = anytime_interval(successes, np.full(trial + 1, trial), alpha)
        inside = np.where((lower <= share) & (share <= upper), reached, 0.0)
    return 1 - float(inside.sum())


def test_the_interval_of_a_fixed_number_of_votes_misleads_somebody_who_watches() -> None:
    missed, inside = 0.0, np.ones(1)
    for trial in range(1, 61):
        reached = (np.append(inside, 0) + np.append(0, inside)) / 2
        bounds = [clopper_pearson(successes, trial, 0.05) for successes in range(trial + 1)]
        holds = np.array([lower <= 0.5 <= upper for lower, upper in bounds])
        missed += float(reached[~holds].sum())
        inside = np.where(holds, reached, 0.0)
    assert missed > 0.1
    assert chance_of_ever_missing(0.5, 0.05, trials=60) < 0.05


@pytest.mark.parametrize("alpha", [0.05, 0.3])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.81])
def test_somebody_who_watches_every_vote_is_misled_no_more_often_than_alpha(
    share: float, alpha: float
) -> None:
    assert chance_of_ever_missing(share, alpha, trials=100) <= alpha


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_the_observed_share_and_more_than_the_fixed_one(
    case: tuple[int, int],
) -> None:
    successes, trials = case
    (lower,), (upper,) = anytime_interval(np.array([successes]), np.array([trials]), 0.05)
    assert 0 <= lower <= successes / trials <= upper <= 1
    fixed_lower, fixed_upper = clopper_pearson(successes, trials, 0.05)
    assert lower <= fixed_lower + 1e-9
    assert upper >= fixed_upper - 1e-9


@given(VOTES, st.integers(0, 20), st.integers(0, 29))
def test_the_state_after_each_vote_is_that_of_the_votes_so_far(
    votes: list[int], left: int, split: int
) -> None:
    first, rest = votes[: split % len(votes)], votes[split % len(votes) :]
    before = np.bincount(first, minlength=4)
    state = running(before, np.array(rest), len(votes) + left, 0.05)
    for index in range(len(rest)):
        counts = np.bincount(first + rest[: index + 1], minlength=4)
        assert state.vote_counts[index].tolist() == counts.tolist()
        assert state.modes[index] == mode_of(counts)
        decided = Exact().fewest(counts, len(votes) + left) == 0
        assert state.is_decided[index] == decided
        assert state.is_sure[index] == leads_surely(counts[np.newaxis], 0.05)[0]
        share = counts.max() / counts.sum()
        assert state.lower[index] <= share <= state.upper[index]


@pytest.mark.parametrize("alpha", [0.05, 0.3])
@pytest.mark.parametrize("chances", [(0.5, 0.5), (0.51, 0.49), (0.34, 0.33, 0.33), (0.4, 0.3, 0.3)])
def test_somebody_who_watches_is_sure_of_a_wrong_class_no_more_often_than_alpha(
    chances: tuple[float, ...], alpha: float
) -> None:
    places = {(0,) * len(chances): 1.0}  # chance of each count, with no mistake so far
    for _ in range(40):
        reached: defaultdict[tuple[int, ...], float] = defaultdict(float)
        for counts, chance in places.items():
            for fell_on, share in enumerate(chances):
                after = (*counts[:fell_on], counts[fell_on] + 1, *counts[fell_on + 1 :])
                reached[after] += chance * share
        every = np.array(list(reached))
        is_right = ~leads_surely(every, alpha) | (every.argmax(axis=1) == 0)
        places = dict(compress(reached.items(), is_right))
    assert 0 < 1 - sum(places.values()) <= alpha


def test_a_guess_is_not_sure_and_a_quick_unanimous_answer_is() -> None:
    counts = np.array([[5, 4, 4, 4, 3], [8, 0, 0, 0, 0], [5, 0, 0, 0, 0], [11, 9, 0, 0, 0]])
    assert leads_surely(counts, 0.05).tolist() == [False, True, False, False]
