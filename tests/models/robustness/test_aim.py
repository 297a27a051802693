"""What an attacker wants, and the margins that lead there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.robustness.aim import Aim
from noisevote.models.robustness.ball import Samples
from noisevote.models.stopping import mode_of

COUNTS = st.lists(
    st.lists(st.integers(0, 3), min_size=3, max_size=3).filter(any), min_size=1, max_size=5
)


@given(COUNTS, st.integers(0, 2), st.integers(0, 2))
def test_a_margin_is_negative_exactly_where_the_mode_is_wanted(
    counts: list[list[int]], label: int, wanted: int
) -> None:
    rows = np.array(counts)
    labels, classes = np.full(len(rows), label), np.full(len(rows), wanted)
    modes = np.array([mode_of(row) for row in rows])
    for aim in (Aim(labels), Aim(labels, classes)):
        margins = aim.margins(rows)
        assert ((margins < 0) == aim.is_met(modes)).all()
        assert (abs(margins) <= 1).all()


def test_a_margin_spans_from_all_votes_elsewhere_to_all_on_the_target_class() -> None:
    counts = np.array([[0, 0, 20], [20, 0, 0], [10, 0, 10], [0, 10, 10], [5, 7, 8]])
    aim = Aim(np.array([0, 0, 0, 0, 0]), np.array([2, 2, 2, 1, 2]))
    # Of a tie the lowest class is the mode: at 10 to 10 class 2 is not reached, class 1 is.
    assert aim.margins(counts) == pytest.approx([-1, 1, 0, -0.025, -0.05])


def test_votes_are_counted_before_the_aim_is_looked_at() -> None:
    # Most votes are not on the target class, and yet it is the mode.
    counts = np.array([[3, 3, 4]])
    aim = Aim(np.array([0]), np.array([2]))
    assert aim.is_met(counts.argmax(axis=1)).all()
    assert aim.margins(counts)[0] < 0


def test_any_other_wrong_class_meets_an_untargeted_aim_alone() -> None:
    labels, classes = np.array([0, 1]), np.array([1, 2])
    answers = np.array([[0, 0], [1, 2], [2, 1]])
    assert Aim(labels).is_met(answers).tolist() == [[False, True], [True, True], [True, False]]
    met = Aim(labels, classes).is_met(answers)
    assert met.tolist() == [[False, False], [True, True], [False, False]]


def test_samples_keep_their_aim_when_some_are_taken_or_their_inputs_change() -> None:
    inputs = np.zeros((3, 2), np.float32)
    samples = Samples(inputs, np.arange(3), np.arange(3), np.array([2, 0, 1]))
    few = samples.take(np.array([2, 0])).with_inputs(inputs[:2] + 1)
    assert few.target_classes is not None
    assert (few.labels.tolist(), few.target_classes.tolist()) == ([2, 0], [1, 2])
    assert samples.and_also(few).target_classes is None
    assert len(samples.and_also(few)) == 5
