"""Replies of a target: the same however many are under way, and none that is for nothing."""

from collections.abc import Iterator
from functools import partial
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.errors import CancelledError, NoisevoteError
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.assessment import assess, steps_of
from noisevote.models.robustness.attacks.transfer import PGD
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.checkpoint_target import CheckpointTarget
from noisevote.models.robustness.pgd import attack_surrogate
from noisevote.models.robustness.probes import CHECK_SAMPLES, CONVERGENCE, FURTHER, MORE, PLANNED
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.run import Role, StepKey
from noisevote.models.robustness.scores import CLEAN_ONE_VOTE
from noisevote.models.robustness.sweeps import point
from noisevote.models.robustness.target import Conditions, Oracle, Question, answered
from noisevote.models.robustness.trials import Found, Trial, verify
from noisevote.models.stopping import StopRule
from tests.models.robustness.assessed import ABOUT, SHORT, run_of
from tests.models.robustness.worlds import LineTarget, drawn_samples, line_samples

KIND = NoiseKind.MULTIPLICATIVE
NOISY = Conditions(0.7, 9)
WAITS_S = 30


class OneByOne(CheckpointTarget):
    """Answers one question after the other."""

    at_once = 1


class Several(CheckpointTarget):
    """Answers several questions side by side, also where there is one core."""

    at_once = 3


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(SHIPPED / "mnist_cnn-mult-1.0")


@pytest.fixture(scope="module")
def samples() -> Samples:
    return drawn_samples(70, seed=3)


@pytest.mark.parametrize("conditions", [NOISY, Conditions(0.7, 3, seed=4), Conditions(0.0, 1)])
def test_a_trial_is_the_same_however_many_questions_are_under_way(
    conditions: Conditions, checkpoint: Checkpoint, samples: Samples
) -> None:
    def trial_of(
        kind: type[CheckpointTarget], alpha: float | None = 0.05
    ) -> tuple[Trial, list[float]]:
        shares: list[float] = []
        progress = Progress(lambda _, share: shares.append(share))
        progress.begin("all", 0, 70 * 3 * 9, 70 * 3 * 9)
        oracle = Oracle(kind(checkpoint, KIND, 5), conditions, progress)
        return verify(oracle, Found(samples.inputs), samples.aim, 3, alpha), shares

    (alone, told), (together, also_told) = trial_of(OneByOne), trial_of(Several)
    assert np.array_equal(alone.modes, together.modes)
    assert np.array_equal(alone.abstentions, together.abstentions)
    assert alone.verification_bill == together.verification_bill
    assert told == also_told
    unscored, _ = trial_of(Several, alpha=None)
    assert np.array_equal(alone.modes, unscored.modes)
    spared = alone.verification_bill.votes - unscored.verification_bill.votes
    assert spared > 0 if conditions.votes > 3 else spared >= 0
    with pytest.raises(KeyError, match="abstained"):
        _ = unscored.abstentions


@given(st.lists(st.integers(0, 99)), st.integers(1, 5))
def test_answers_come_in_the_order_of_their_questions(numbers: list[int], at_once: int) -> None:
    taken = []

    def questions() -> Iterator[Question]:
        for number in numbers:
            taken.append(number)
            yield partial(np.full, 1, number, np.int64)

    assert [int(answer[0]) for answer in answered(questions(), at_once)] == numbers == taken


def test_so_many_questions_are_under_way_at_a_time_and_few_more_are_made() -> None:
    together, made = Barrier(3), []

    def meets() -> NDArray[np.int64]:
        together.wait(WAITS_S)
        return np.zeros(1, np.int64)

    def questions() -> Iterator[Question]:
        for number in range(12):
            made.append(number)
            yield meets

    answers = answered(questions(), 3)
    next(answers)
    assert len(made) == 6
    assert len(list(answers)) == 11


def test_an_error_of_a_question_is_that_of_its_answer_and_ends_the_others() -> None:
    asked = []

    def fails() -> NDArray[np.int64]:
        raise NoisevoteError("refused")

    def question(number: int) -> NDArray[np.int64]:
        asked.append(number)
        return np.full(1, number, np.int64)

    answers = answered([partial(question, 0), fails, *[partial(question, 1)] * 50], 2)
    assert next(answers) == 0
    with pytest.raises(NoisevoteError, match="refused"):
        next(answers)
    assert len(asked) < 10


def test_cancelling_ends_what_is_under_way(checkpoint: Checkpoint, samples: Samples) -> None:
    calls: list[int] = []

    def after_two() -> bool:
        calls.append(1)
        return len(calls) > 2

    oracle = Oracle(Several(checkpoint, KIND, 0), NOISY, Progress(is_cancelled=after_two))
    with pytest.raises(CancelledError):
        list(oracle.replies(samples.inputs, [StopRule.EXACT] * 9))
    assert oracle.bill.queries == 70, "the three parts of the first reply"


@given(
    st.integers(0, 2**32),
    st.integers(1, 12),
    st.sampled_from([3, 5, 21]),
    st.sampled_from([0.02, 0.1, 0.4]),
)
def test_no_vote_that_is_spared_changes_what_replies_say(
    seed: int, votes: int, replies: int, sigma: float
) -> None:
    """The line's votes are cast in full; what a stop rule leaves of them has the same mode."""
    few = line_samples(60).take(slice(8))

    def modes_of(stops: list[StopRule]) -> list[list[int]]:
        oracle = Oracle(Stopping(seed), Conditions(sigma, votes), Progress())
        return [reply.argmax(axis=1).tolist() for reply in oracle.replies(few.inputs, stops)]

    full = modes_of([StopRule.FULL] * replies)
    for first in (StopRule.FULL, StopRule.EXACT):
        assert modes_of([first, *[StopRule.EXACT] * (replies - 1)]) == full


class Stopping(LineTarget):
    """Leaves out votes as a stop rule does, of those that it would cast in full."""

    def vote_counts(
        self, inputs: NDArray[np.float32], conditions: Conditions, stop: StopRule
    ) -> NDArray[np.int64]:
        one_by_one = [
            super(Stopping, self).vote_counts(inputs, Conditions(conditions.sigma, 1), stop)
            for _ in range(conditions.votes)
        ]
        counts = np.zeros_like(one_by_one[0])
        rule = stop.rule()
        for votes in one_by_one:
            open_ones = [rule.fewest(row, conditions.votes) > 0 for row in counts]
            counts += votes * np.array(open_ones)[:, np.newaxis]
        return counts


def test_single_votes_and_checks_that_go_by_one_reply_ask_for_one() -> None:
    run = run_of(SHORT)
    assess(run, ABOUT)
    replies = {
        str(step.key): len(run.trial(step.key).modes)
        for step in steps_of(SHORT, run.subject.parties, 60)
        if "modes" in run.result(step.key).arrays
    }
    ones = {name for name, count in replies.items() if count == 1}
    assert str(CLEAN_ONE_VOTE) in ones
    assert all(name.startswith("check/") for name in ones - {str(CLEAN_ONE_VOTE)})
    assert {replies[name] for name in replies.keys() - ones} == {SHORT.replies}


def test_the_sweep_finds_within_the_epsilon_of_the_plan_what_a_climb_of_its_own_would() -> None:
    plan = SHORT.model_copy(update={"epsilons": (SHORT.epsilon,)})
    run = run_of(plan)
    assess(run, ABOUT)
    anew = attack_surrogate(run.surrogate, run.samples, run.attack(run.ball), 0, Progress())
    kept = run.found(StepKey(point("epsilon", plan.epsilon), role=Role.CLIMB))
    assert np.array_equal(kept.examples, anew.examples)


def test_the_check_of_convergence_finds_what_whole_climbs_would() -> None:
    run = run_of(SHORT)
    assess(run, ABOUT)
    kept = run.result(CONVERGENCE).arrays
    few = run.samples.take(slice(CHECK_SAMPLES))
    for name, attack in ((PLANNED, run.attack()), (FURTHER, run.attack(steps=MORE * SHORT.steps))):
        anew = attack_surrogate(run.surrogate, few, attack, 0, Progress())
        assert np.array_equal(kept[f"{name}_examples"], anew.examples)
        assert np.array_equal(kept[f"{name}_losses"], anew.losses)
    assert np.array_equal(
        kept[f"{PLANNED}_examples"], run.result(PGD.restart(0)).arrays["examples"][:CHECK_SAMPLES]
    )
