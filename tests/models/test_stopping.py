"""Stop rules against brute force over everything that the remaining votes could bring."""

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisevote.models.stopping import (
    ANY_INPUT,
    Bounded,
    Calibrated,
    Exact,
    Full,
    Promise,
    Stopping,
    StopRule,
    bounded_boundary,
    mode_of,
)
from tests.models.casting import THRESHOLD

CLASSES = 3


@st.composite
def running_counts(draw: st.DrawFn) -> tuple[NDArray[np.int64], int]:
    """Counts of three classes and a number of votes of which at most six are left."""
    counts = draw(st.lists(st.integers(0, 8), min_size=CLASSES, max_size=CLASSES))
    remaining = draw(st.integers(0, 6))
    return np.array(counts), max(1, sum(counts) + remaining)


def is_decided(rule: Stopping, counts: NDArray[np.int64], votes: int) -> bool:
    return rule.fewest(counts, votes) == 0


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
    assert is_decided(Exact(), counts, votes) == (len(modes_still_possible(counts, votes)) == 1)


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
            is_decided(Exact(), counts + np.array(cast), votes)
            for cast in itertools.product(range(more + 1), repeat=CLASSES)
            if sum(cast) == more
        )
    )
    assert Exact().fewest(counts, votes) == fewest


@given(running_counts())
def test_full_casts_every_vote(case: tuple[NDArray[np.int64], int]) -> None:
    counts, votes = case
    assert Full().fewest(counts, votes) == votes - int(counts.sum())


def test_unanimous_exact_vote_of_twenty_stops_after_half_of_them() -> None:
    # Class 0 wins ties, so ten votes are enough; any other class needs the eleventh.
    assert Exact().fewest(np.array([0, 0, 0]), 20) == 10
    assert is_decided(Exact(), np.array([10, 0, 0]), 20)
    assert not is_decided(Exact(), np.array([0, 10, 0]), 20)
    assert is_decided(Exact(), np.array([0, 11, 0]), 20)


def test_tie_goes_to_the_lowest_index() -> None:
    assert mode_of(np.array([1, 4, 4])) == 1


def test_bounded_stops_at_eight_unanimous_votes_of_twenty() -> None:
    unanimous = [np.array([0, 0, t]) for t in range(21)]
    decided = [is_decided(Bounded(0.001), counts, 20) for counts in unanimous]
    assert decided.index(True) == 8


def chance_to_reach(boundary: NDArray[np.int64], of_class: int, votes: int) -> float:
    """Chance that a class with ``of_class`` of all votes ever has the boundary's count."""

    @cache
    def chance(cast: int, count: int) -> float:
        if cast and count >= boundary[cast]:
            return 1.0
        if cast == votes:
            return 0.0
        falls_on_it = (of_class - count) / (votes - cast)
        reach = falls_on_it * chance(cast + 1, count + 1) if falls_on_it > 0 else 0.0
        return reach + ((1 - falls_on_it) * chance(cast + 1, count) if falls_on_it < 1 else 0.0)

    return chance(0, 0)


@pytest.mark.parametrize("delta", [0.2, 0.05, 0.01, 0.001])
@pytest.mark.parametrize("votes", [1, 2, 5, 20, 21, 50])
def test_bounded_keeps_its_guarantee_for_every_way_the_votes_can_fall(
    votes: int, delta: float
) -> None:
    # The chance to stop at a wrong mode is at most the sum, over all classes but the mode, of the
    # chance that the class reaches the boundary. Its largest value over all ways to deal the
    # votes to any number of classes is found by dynamic programming over the votes dealt.
    boundary = bounded_boundary(votes, delta)
    single = [chance_to_reach(boundary, n, votes) for n in range(votes // 2 + 1)]
    for of_mode in range(1, votes + 1):
        rest = votes - of_mode
        worst = [0.0] * (rest + 1)
        for dealt in range(1, rest + 1):
            largest = min(dealt, of_mode, votes // 2)
            worst[dealt] = max(
                (single[n] + worst[dealt - n] for n in range(1, largest + 1)), default=0.0
            )
        assert worst[rest] <= delta * (1 + 1e-9)


@given(running_counts(), st.sampled_from([0.3, 0.05, 0.001]))
def test_bounded_never_stops_later_than_exact(
    case: tuple[NDArray[np.int64], int], delta: float
) -> None:
    counts, votes = case
    exact = Exact().fewest(counts, votes)
    assert Bounded(delta).fewest(counts, votes) <= exact


@given(running_counts(), st.sampled_from([0.3, 0.05]))
def test_bounded_names_the_fewest_votes_that_could_decide(
    case: tuple[NDArray[np.int64], int], delta: float
) -> None:
    counts, votes = case
    fewest = Bounded(delta).fewest(counts, votes)
    for more in range(fewest):
        for cast in itertools.product(range(more + 1), repeat=CLASSES):
            if sum(cast) == more:
                assert not is_decided(Bounded(delta), counts + np.array(cast), votes)


@pytest.mark.parametrize(
    ("rule", "promise"),
    [
        (Full(0.1), None),
        (Exact(0.1), Promise(0.0, ANY_INPUT)),
        (Bounded(0.1), Promise(0.1, ANY_INPUT)),
        (Calibrated(0.1), Promise(0.0, ANY_INPUT)),  # without noise all votes are the same
    ],
)
def test_each_rule_says_what_it_promises(rule: Stopping, promise: Promise | None) -> None:
    assert rule.promise == promise


def test_calibrated_promises_what_its_threshold_was_chosen_for() -> None:
    promise = Calibrated(0.1, THRESHOLD).promise
    assert (promise.delta, promise.margin) == (0.01, 4)
    assert promise.condition.startswith("inputs like the 5000 validation inputs")


def test_calibrated_stops_at_its_margin_and_where_the_mode_is_fixed() -> None:
    rule = Calibrated(0.1, THRESHOLD)
    assert rule.fewest(np.array([0, 1, 0]), 20) == 3
    assert is_decided(rule, np.array([0, 5, 1]), 20)
    assert is_decided(rule, np.array([0, 2, 0]), 2)


def test_rules_are_found_by_the_names_of_requests() -> None:
    assert [row.rule().row.value for row in StopRule] == ["full", "exact", "bounded", "calibrated"]
