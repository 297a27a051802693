"""Replay of recorded votes against the stop rules themselves, vote by vote."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from noisevote.models.devices.setting import DeviceSetting
from noisevote.models.stopping import Bounded, Calibrated, Exact, Full, Stopping, StopRule, mode_of
from noisevote.models.study.replay import answered, is_among_first, spread_over_chips
from noisevote.models.study.seeds import places_of, shared_places
from tests.models.casting import THRESHOLD

CLASSES, SAMPLES, MOST = 4, 5, 12
RULES = [Full(), Exact(), Bounded(0.05), Calibrated(threshold=THRESHOLD), Calibrated()]


def votes_on(classes: int) -> st.SearchStrategy[np.ndarray]:
    """Votes as they may fall, the lowest classes most of the time."""
    some = st.integers(0, CLASSES - 1) | st.integers(0, classes - 1)
    return arrays(np.int16, (SAMPLES, MOST), elements=some)


def one_by_one(fell_on: np.ndarray, classes: int, count: int, rule: Stopping) -> tuple[int, int]:
    """Mode and votes cast of one sample, as the service counts them."""
    counts = np.zeros(classes, np.int64)
    for number in range(1, count + 1):
        counts[fell_on[number - 1]] += 1
        if rule.fewest(counts, count) == 0:
            break
    return mode_of(counts), number


def test_every_stop_rule_is_replayed() -> None:
    assert {type(rule) for rule in RULES} == {row.rule for row in StopRule}


@pytest.mark.parametrize("classes", [CLASSES, MOST, 1000])
@pytest.mark.parametrize("rule", RULES, ids=lambda of: f"{of.row}-{of.margin}")
@given(data=st.data(), count=st.integers(1, MOST))
def test_replayed_answers_are_those_of_the_stop_rule_vote_by_vote(
    rule: Stopping, classes: int, data: st.DataObject, count: int
) -> None:
    fell_on = data.draw(votes_on(classes))
    found = answered(fell_on, classes, count, rule)
    expected = [one_by_one(row, classes, count, rule) for row in fell_on]
    assert list(zip(found.modes.tolist(), found.cast.tolist(), strict=True)) == expected


@given(fell_on=arrays(np.int16, (SAMPLES, 1), elements=st.integers(0, CLASSES - 1)))
def test_a_single_vote_stands_for_all_where_votes_do_not_differ(fell_on: np.ndarray) -> None:
    found = answered(fell_on, CLASSES, 20)
    assert found.modes.tolist() == fell_on[:, 0].tolist()
    assert found.cast.tolist() == [1] * SAMPLES


def test_votes_over_chips_are_taken_from_the_chip_that_casts_them() -> None:
    chips, count = 3, 7
    of_chips = np.stack([np.full((2, count), chip, np.int16) for chip in range(chips)])
    setting = DeviceSetting({}, tuple(range(chips)), votes=count)
    orders = np.stack([setting.order(seed, 0) for seed in (11, 12)])
    spread = spread_over_chips(of_chips, orders)
    assert spread.tolist() == orders.tolist()


@given(
    fell_on=votes_on(CLASSES),
    labels=arrays(np.int64, SAMPLES, elements=st.integers(0, CLASSES - 1)),
)
def test_the_label_is_among_the_first_just_if_sorting_the_counts_puts_it_there(
    fell_on: np.ndarray, labels: np.ndarray
) -> None:
    found = is_among_first(fell_on, labels, CLASSES, 2).tolist()
    expected = []
    for row, label in zip(fell_on, labels.tolist(), strict=True):
        counts = np.bincount(row, minlength=CLASSES)
        first = sorted(range(CLASSES), key=lambda of: (-counts[of], of))[:2]
        expected.append(label in first and counts[label] > 0)
    assert found == expected


@given(st.integers(1, 60), st.integers(1, 60), st.integers(60, 200))
def test_shared_places_of_two_spreads_are_the_same_samples(one: int, other: int, of: int) -> None:
    places, here, there = shared_places(one, other, of)
    assert places_of(one, of)[here].tolist() == places.tolist()
    assert places_of(other, of)[there].tolist() == places.tolist()
    assert set(places.tolist()) == {*places_of(one, of)} & {*places_of(other, of)}
