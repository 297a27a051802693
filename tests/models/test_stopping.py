"""Stop rules against brute force over everything that the remaining votes could bring."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.stopping import StopRule, fewest_to_decide, is_decided, mode_of

CLASSES = 3


@st.composite
def running_counts(draw: st.DrawFn) -> tuple[NDArray[np.int64], int]:
    """Counts of three classes and a number of votes of which at most six are left."""
    counts = draw(st.lists(st.integers(0, 8), min_size=CLASSES, max_size=CLASSES))
    remaining = draw(st.integers(0, 6))
    return np.array(counts), max(1, sum(counts) + remaining)


def modes_still_possible(counts: NDArray[np.int64], votes: int) -> set[int]:
    remaining = votes - int(counts.sum())
    return {
        mode_of(counts + np.array(more))
        for more in itertools.product(range(remaining + 1), repeat=CLASSES)
        if sum(more) == remaining
    }


@given(running_counts())
def test_exact_stops_just_when_no_outcome_can_change_the_mode(
    case: tuple[NDArray[np.int64], int],
) -> None:
    counts, votes = case
    assert is_decided(StopRule.EXACT, counts, votes) == (
        len(modes_still_possible(counts, votes)) == 1
    )


@given(running_counts())
def test_exact_names_the_fewest_votes_that_could_decide(
    case: tuple[NDArray[np.int64], int],
) -> None:
    counts, votes = case
    remaining = votes - int(counts.sum())
    fewest = next(
        more
        for more in range(remaining + 1)
        if any(
            is_decided(StopRule.EXACT, counts + np.array(cast), votes)
            for cast in itertools.product(range(more + 1), repeat=CLASSES)
            if sum(cast) == more
        )
    )
    assert fewest_to_decide(StopRule.EXACT, counts, votes) == fewest


@given(running_counts())
def test_full_casts_every_vote(case: tuple[NDArray[np.int64], int]) -> None:
    counts, votes = case
    assert fewest_to_decide(StopRule.FULL, counts, votes) == votes - int(counts.sum())


def test_unanimous_exact_vote_of_twenty_stops_after_half_of_them() -> None:
    # Class 0 wins ties, so ten votes are enough; any other class needs the eleventh.
    assert fewest_to_decide(StopRule.EXACT, np.array([0, 0, 0]), 20) == 10
    assert is_decided(StopRule.EXACT, np.array([10, 0, 0]), 20)
    assert not is_decided(StopRule.EXACT, np.array([0, 10, 0]), 20)
    assert is_decided(StopRule.EXACT, np.array([0, 11, 0]), 20)


def test_tie_goes_to_the_lowest_index() -> None:
    assert mode_of(np.array([1, 4, 4])) == 1
