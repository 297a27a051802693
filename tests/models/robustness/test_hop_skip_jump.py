"""The label-only attack: ART's search, tamed."""

import numpy as np
import pytest

from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.attacks.hop_skip_jump import DecisionAttack, hop_skip_jump
from noisevote.models.robustness.ball import Ball, Norm
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.target import Conditions, Oracle
from tests.models.robustness.assessed import ABOUT, changed, row, run_of, subject_of
from tests.models.robustness.worlds import PIXELS, LineTarget, columns, line_samples

pytest.importorskip("art")

SAMPLES = line_samples(6)
LEADS = np.array(
    [
        scores[label] - np.delete(scores, label).max()
        for scores, label in zip(columns(SAMPLES.inputs), SAMPLES.labels, strict=True)
    ]
)


def oracle_of(sigma: float, votes: int = 1, seed: int = 1) -> Oracle:
    return Oracle(LineTarget(seed), Conditions(sigma, votes), Progress())


class Labels:
    """Gives classes, and has nothing else to give."""

    def __init__(self, oracle: Oracle) -> None:
        self.is_random = oracle.is_random
        self.modes = oracle.modes


@pytest.mark.parametrize(("norm", "factor"), [(Norm.LINF, 1.0), (Norm.L2, np.sqrt(2.0 * PIXELS))])
def test_it_finds_what_is_near_the_boundary_of_a_fixed_target(norm: Norm, factor: float) -> None:
    # Half of its lead must be taken from the label's column and given to the rival's, at each of
    # their pixels.
    nearest = LEADS / 2 * factor
    ball = Ball(norm, float(1.5 * np.median(nearest)), 0.0, 1.0)
    oracle = oracle_of(0.0)
    found = hop_skip_jump(oracle, SAMPLES, DecisionAttack(ball, 2000), SAMPLES)
    assert ball.holds(found.examples, SAMPLES.inputs)
    fooled = columns(found.examples).argmax(axis=1) != SAMPLES.labels
    assert (found.margins < 0).tolist() == fooled.tolist()
    assert fooled[nearest < 0.9 * ball.epsilon].all()
    assert not fooled[nearest > ball.epsilon].any()
    assert oracle.bill.queries == found.queries.sum()


def test_the_budget_ends_it_even_against_noise() -> None:
    ball = Ball(Norm.LINF, 0.05, 0.0, 1.0)
    oracle = oracle_of(sigma=0.2, votes=3)
    found = hop_skip_jump(oracle, SAMPLES, DecisionAttack(ball, 150), SAMPLES)
    assert found.queries.max() <= 150
    assert oracle.bill.queries == found.queries.sum()
    assert ball.holds(found.examples, SAMPLES.inputs)


def test_labels_are_all_that_it_asks_for_and_luck_is_not_submitted() -> None:
    # Each reply of three votes is wrong at the sample itself now and then. What is submitted must
    # be wrong on most fresh replies wherever the boundary is well inside the ball.
    ball = Ball(Norm.LINF, float(1.5 * LEADS.max() / 2), 0.0, 1.0)
    labels = Labels(oracle_of(sigma=0.04, votes=3))
    found = hop_skip_jump(labels, SAMPLES, DecisionAttack(ball, 600), SAMPLES)
    assert ball.holds(found.examples, SAMPLES.inputs)
    fresh = oracle_of(sigma=0.04, votes=3, seed=2)
    wrong = np.mean([fresh.modes(found.examples) != SAMPLES.labels for _ in range(40)], axis=0)
    assert (wrong > 0.5).all()
    assert set(found.margins.tolist()) == {-1.0}


def test_it_is_replayable_and_leaves_the_global_generator_alone() -> None:
    ball = Ball(Norm.LINF, 0.1, 0.0, 1.0)
    np.random.seed(5)  # noqa: NPY002 - what must not be disturbed
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    examples = [
        hop_skip_jump(oracle_of(0.0), SAMPLES, DecisionAttack(ball, 200, seed), SAMPLES).examples
        for seed in (0, 0, 1)
    ]
    assert np.random.random() == expected  # noqa: NPY002
    assert np.array_equal(examples[0], examples[1])
    assert not np.array_equal(examples[0], examples[2])


def test_without_other_classes_it_starts_from_noise() -> None:
    ball = Ball(Norm.LINF, 0.4, 0.0, 1.0)
    same = SAMPLES.take(SAMPLES.labels == 0)
    found = hop_skip_jump(oracle_of(0.0), same, DecisionAttack(ball, 100), same)
    assert ball.holds(found.examples, same.inputs)


def test_the_search_by_labels_starts_from_the_target_class_and_ends_there() -> None:
    plan = changed(
        attacks=("hop_skip_jump",), target_class=2, queries=300, epsilon=0.3, query_samples=9,
        sigmas=(), epsilons=(), vote_numbers=(),
    )  # fmt: skip
    run = run_of(plan, subject_of(surrogate=None, own=None, undefended=None))
    alone = ABOUT.model_copy(update={"surrogate": None, "surrogate_fingerprint": None})
    score = row(assess(run, alone), "hop_skip_jump").noiseless
    assert score is not None
    assert score.in_ball
    assert score.target_reached is not None
    assert score.target_reached.one_reply.share > 0.9
