"""Calibration: its margins do what the service does with them, and keep their promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.data.dataset import Examples
from noisevote.models.measured import Threshold
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.stopping import Calibrated, StopRule
from noisevote.models.voting import Ballot, VoteRequest
from noisevote.training.measure.calibrate import (
    CONFIDENCE,
    CalibrationPlan,
    Course,
    calibrate,
    check_thresholds,
    with_thresholds,
)
from noisevote.training.measure.evaluate import Caster, NumberedExamples, numbered
from tests.models.casting import THRESHOLD
from tests.training.conftest import made_up

CLASSES = 3


def served(votes: list[int], margin: int) -> tuple[int, int]:
    """Return mode and votes cast that the service answers with."""
    request = VoteRequest(
        inputs={"x": np.zeros((1, 1), np.float32)},
        noise=Noise(NoiseKind.ADDITIVE, 1.0).at(["fc"]),
        votes=len(votes),
        stop=Calibrated(threshold=THRESHOLD.model_copy(update={"margin": margin})),
        seed=0,
    )
    ballot = Ballot(CLASSES, request)
    while not ballot.is_decided:
        for vote in ballot.issue(ballot.wanted):
            ballot.cast(vote, votes[vote])
    assert ballot.issued == ballot.votes_cast, "a vote was handed out that did not count"
    result = ballot.result()
    assert result.stopped_by in {StopRule.CALIBRATED, StopRule.FULL}
    return result.mode, result.votes_cast


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(0, CLASSES - 1), min_size=n, max_size=n), min_size=1, max_size=6
        )
    ),
    st.integers(1, 12),
)
def test_a_margin_does_to_stored_votes_what_the_service_does(
    votes: list[list[int]], margin: int
) -> None:
    answers = [served(row, margin) for row in votes]
    modes = [np.bincount(row, minlength=CLASSES).argmax() for row in votes]
    outcome = Course(np.array(votes, np.int16), CLASSES).outcome(margin)
    assert outcome.changed == sum(
        mode != of_all for (mode, _), of_all in zip(answers, modes, strict=True)
    )
    assert outcome.mean_votes == pytest.approx(np.mean([cast for _, cast in answers]))


def test_a_margin_of_all_votes_changes_nothing_and_needs_no_proof() -> None:
    votes = np.random.default_rng(0).integers(0, CLASSES, (200, 20)).astype(np.int16)
    course = Course(votes, CLASSES)
    assert course.outcome(20).changed == 0
    assert course.choose_margin(delta=0.001, confidence=0.95) == 20


def test_without_a_change_the_smallest_margin_is_chosen_that_the_inputs_can_prove() -> None:
    unanimous = np.zeros((5000, 20), np.int16)
    # 0 of 5,000 changed: the chance of that at a risk of 0.001 is 0.0067, of 0.0005 it is 0.082.
    assert Course(unanimous, CLASSES).choose_margin(0.001, 0.95) == 1
    assert Course(unanimous, CLASSES).choose_margin(0.0005, 0.95) == 20
    assert Course(unanimous, CLASSES).choose_margin(0.001, 0.995) == 20


def test_the_first_margin_that_is_not_proved_ends_the_search() -> None:
    # Changed inputs at margins up to 3: the first three votes of 60 inputs fall on another class.
    votes = np.zeros((1000, 20), np.int16)
    votes[:60, :3] = 1
    course = Course(votes, CLASSES)
    assert [course.outcome(margin).changed for margin in (3, 4)] == [60, 0]
    assert course.choose_margin(delta=0.01, confidence=0.95) == 4
    # 60 of 1,000 are few enough for a risk of 0.1.
    assert course.choose_margin(delta=0.1, confidence=0.95) == 1


def population(generator: np.random.Generator, inputs: int) -> NDArray[np.int16]:
    """Draw inputs, some of them hard, and 15 votes on each."""
    hard = generator.random(inputs) < 0.3
    share = np.where(hard, generator.uniform(0.4, 0.7, inputs), 0.95)
    draws = generator.random((inputs, 15))
    return (draws > share[:, np.newaxis]).astype(np.int16)


def test_calibrated_keeps_its_promise_for_as_many_draws_of_inputs_as_it_says() -> None:
    # 400 times a margin is chosen on 400 inputs; the true risks are known from 100,000 others.
    # Delta is just below the risk of a margin, the hardest case. The promise may be broken in 1
    # of 10 draws; the test fails by chance with 1e-4.
    confidence, repeats = 0.9, 400
    generator = np.random.default_rng(11)
    many = Course(population(generator, 100_000), 2)
    risk = [many.outcome(margin).changed / 100_000 for margin in range(1, 16)]
    delta = 0.98 * risk[2]
    assert risk[1] > delta > risk[3] > 0
    chosen = [
        Course(population(generator, 400), 2).choose_margin(delta, confidence)
        for _ in range(repeats)
    ]
    broken = sum(risk[margin - 1] > delta for margin in chosen)
    assert 0 < broken <= stats.binom.ppf(1 - 1e-4, repeats, 1 - confidence)


def test_mode_changes_on_new_inputs_at_most_with_chance_delta_on_average() -> None:
    delta = 0.05
    generator = np.random.default_rng(12)
    changed = 0
    for _ in range(200):
        margin = Course(population(generator, 400), 2).choose_margin(delta, CONFIDENCE)
        changed += Course(population(generator, 100), 2).outcome(margin).changed
    assert changed / 20_000 <= delta


@pytest.fixture(scope="module")
def images() -> NumberedExamples:
    pictures, labels = made_up(30, seed=5)
    return numbered(Examples(pictures[:, np.newaxis], labels.astype(np.int64)))


def test_thresholds_name_what_they_are_for_and_a_card_keeps_one_of_each(
    images: NumberedExamples,
) -> None:
    checkpoint: Checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    plan = CalibrationPlan(sigma=(0.5,), votes=(5, 10), delta=(0.2,))
    first = list(calibrate(Caster(checkpoint, 1), images, plan, "made by hand"))
    assert [(entry.votes, entry.inputs, entry.delta) for entry in first] == [
        (5, 30, 0.2),
        (10, 30, 0.2),
    ]
    again = [entry.model_copy(update={"margin": 3}) for entry in first[:1]]
    bare = checkpoint.card.model_copy(update={"thresholds": ()})
    card = with_thresholds(with_thresholds(bare, first), again)
    assert [(entry.votes, entry.margin) for entry in card.thresholds] == [
        (5, 3),
        (10, first[1].margin),
    ]
    assert Threshold.model_validate_json(first[0].model_dump_json()) == first[0]


def test_outcomes_on_the_images_that_chose_a_margin_are_those_of_the_choice(
    images: NumberedExamples,
) -> None:
    checkpoint: Checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    plan = CalibrationPlan(sigma=(0.5,), votes=(10,), delta=(0.2,))
    caster = Caster(checkpoint, 1)
    chosen = list(calibrate(caster, images, plan, "made by hand"))
    bare = checkpoint.card.model_copy(update={"thresholds": ()})
    checkpoint.card = with_thresholds(bare, chosen)
    ((threshold, outcome),) = check_thresholds(caster, images)
    assert threshold == chosen[0]
    assert outcome.changed == threshold.changed
    assert outcome.mean_votes == pytest.approx(threshold.mean_votes, abs=1e-4)
