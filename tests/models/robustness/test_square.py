"""The Square attack and random noise: their moves, their cost, and luck not believed in."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisevote.models.errors import InputError
from noisevote.models.robustness.aim import Aim
from noisevote.models.robustness.attacks.random_noise import random_control
from noisevote.models.robustness.attacks.square import QueryResult, SquareAttack, square_attack
from noisevote.models.robustness.attacks.square_moves import (
    bump,
    changed_share,
    first_move,
    next_move,
    two_sided_bump,
)
from noisevote.models.robustness.ball import Ball, Norm, Samples
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.target import Conditions, Oracle
from tests.models.robustness.worlds import LineTarget, columns, line_samples

BALL = Ball(Norm.LINF, 0.12, 0.0, 1.0)


class Margins:
    """The margins of scores, exact or behind noise; counts what it is asked."""

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise
        self.asked = 0
        self.generator = np.random.default_rng(0)

    @property
    def is_random(self) -> bool:
        return self.noise > 0

    def margins(self, inputs: NDArray[np.float32], aim: Aim) -> NDArray[np.float64]:
        labels = aim.labels
        self.asked += len(inputs)
        scores, rows = columns(inputs), np.arange(len(inputs))
        of_label = scores[rows, labels]
        scores[rows, labels] = -np.inf
        noise = self.noise * self.generator.standard_normal(len(inputs))
        return np.asarray(of_label - scores.max(axis=1) + noise)


def searched(
    samples: Samples, queries: int, norm: Norm = Norm.LINF, noise: float = 0.0, seed: int = 0
) -> tuple[QueryResult, Margins]:
    oracle = Margins(noise)
    ball = BALL if norm is Norm.LINF else Ball(norm, 0.4, 0.0, 1.0)
    attack = SquareAttack(ball, queries, seed, goal=-np.inf)
    return square_attack(oracle, samples, attack, budgets=(1, queries // 4, queries)), oracle


@given(
    st.sampled_from([Ball(Norm.LINF, 0.2, 0.0, 1.0), Ball(Norm.L2, 1.5, 0.0, 1.0)]),
    st.integers(0, 500),
    st.floats(0.001, 1.0),
    st.sampled_from([(1, 8, 8), (3, 5, 9), (2, 1, 4)]),
)
@example(Ball(Norm.L2, 1.5, 0.0, 1.0), 302, 1.0, (2, 1, 4))
def test_moves_stay_in_the_ball_and_change_something(
    ball: Ball, seed: int, share: float, shape: tuple[int, ...]
) -> None:
    generator = np.random.default_rng(seed)
    picture = generator.uniform(0.4, 0.6, shape).astype(np.float32)
    best = first_move(picture, ball, generator)
    for _ in range(3):
        moved = next_move(picture, best, ball, share, generator)
        assert ball.holds(moved[np.newaxis], picture[np.newaxis])
        assert moved.shape == picture.shape
        best = moved
    assert np.abs(best - picture).max() > 0


def test_a_move_changes_one_square_to_the_surface() -> None:
    generator = np.random.default_rng(1)
    picture = np.full((1, 8, 8), 0.5, np.float32)
    best = first_move(picture, BALL, generator)
    assert np.unique(np.abs(best - picture)).tolist() == pytest.approx([0.12])
    assert (best == best[:, :1]).all(), "the first move is stripes"
    moved = next_move(picture, best, BALL, 9 / 64, generator)
    rows, cols = np.nonzero(moved[0] != best[0])
    assert rows.max() - rows.min() < 3
    assert cols.max() - cols.min() < 3


def test_share_of_the_picture_shrinks_as_published() -> None:
    # Source: the schedule of the authors' experiments for 10,000 queries and p = 0.8.
    at = {0: 0.8, 10: 0.8, 11: 0.4, 51: 0.2, 201: 0.1, 501: 0.05, 1001: 0.025, 8001: 0.8 / 512}
    for query, share in at.items():
        assert changed_share(0.8, query / 10_000) == pytest.approx(share)


def test_bumps_fall_from_their_middle_and_cancel() -> None:
    shape = bump(3, 7)
    assert shape[1, 3] == shape.max() == pytest.approx(1 + 1 / 4 + 1 / 9 + 1 / 16)
    assert shape[1, 0] == shape.min() == pytest.approx(1 / 16)
    both = two_sided_bump(6)
    assert np.linalg.norm(both) == pytest.approx(1)
    assert both[:3] == pytest.approx(-both[3:])


@pytest.mark.parametrize("norm", list(Norm))
def test_margins_fall_with_the_queries_and_are_what_the_examples_have(norm: Norm) -> None:
    samples = line_samples(12)
    found, oracle = searched(samples, 80, norm)
    assert np.array_equal(found.margins, Margins().margins(found.examples, samples.aim))
    assert oracle.asked == found.queries.sum() == 12 * 80
    by_budget = [Margins().margins(kept, samples.aim) for kept in found.by_budget]
    assert (by_budget[1] <= by_budget[0]).all()
    assert (by_budget[2] <= by_budget[1]).all()
    assert (by_budget[2] < by_budget[0]).mean() > 0.9
    assert np.array_equal(found.by_budget[2], found.examples)


def test_result_of_a_sample_does_not_depend_on_its_neighbours() -> None:
    samples = line_samples(9)
    together, _ = searched(samples, 30, seed=4)
    alone, _ = searched(samples.take(slice(5, 6)), 30, seed=4)
    assert np.array_equal(alone.examples[0], together.examples[5])
    other, _ = searched(samples, 30, seed=5)
    assert not np.array_equal(other.examples, together.examples)


def test_no_sample_gets_more_queries_than_its_budget() -> None:
    for queries in (1, 2, 7, 50):
        found, oracle = searched(line_samples(6), queries, noise=0.1)
        assert found.queries.max() == queries
        assert oracle.asked == found.queries.sum()


def test_search_ends_when_all_votes_are_wrong() -> None:
    samples = line_samples(30)
    easy = Ball(Norm.LINF, 0.5, 0.0, 1.0)
    oracle = Oracle(LineTarget(), Conditions(0.0, 1), Progress())
    found = square_attack(oracle, samples, SquareAttack(easy, 200))
    fooled = found.margins == -1
    assert fooled.sum() > 20
    assert (found.queries[fooled] < 200).all()
    assert (found.queries[~fooled] == 200).all()
    noisy = Oracle(LineTarget(), Conditions(1e-6, 3), Progress())
    again = square_attack(noisy, samples, SquareAttack(easy, 200))
    assert (again.margins == -1).sum() > 20
    assert again.queries.min() == 2, "one noisy reply is not believed"


def test_noisy_margins_are_not_taken_at_their_luckiest() -> None:
    # All points are equally good; the noise has a standard deviation of 1. The lowest of 200
    # draws lies near -2.75 on average; what the attack believes must stay above.
    samples = line_samples(40)
    flat = Samples(np.full_like(samples.inputs, 0.5), samples.labels, samples.indices)
    found, _ = searched(flat, 200, noise=1.0)
    assert found.margins.mean() > -2.0


def test_more_votes_find_more_under_noise() -> None:
    samples = line_samples(60, seed=2)
    ball = Ball(Norm.LINF, 0.2, 0.0, 1.0)
    fooled = []
    for votes in (1, 60):
        oracle = Oracle(LineTarget(3), Conditions(0.1, votes), Progress())
        found = square_attack(oracle, samples, SquareAttack(ball, 60))
        fooled.append(int((Margins().margins(found.examples, samples.aim) < 0).sum()))
    assert fooled[1] > fooled[0] + 5


def test_sequences_are_refused() -> None:
    samples = Samples(np.zeros((2, 48, 2), np.float32), np.zeros(2, np.int64), np.arange(2))
    with pytest.raises(InputError, match="needs pictures"):
        square_attack(Margins(), samples, SquareAttack(BALL, 5))


def test_random_noise_is_weaker_than_a_search_of_the_same_cost() -> None:
    samples, oracle = line_samples(60), Margins()
    control = random_control(oracle, samples, BALL, tries=40, seed=0)
    assert oracle.asked == control.queries.sum() == 60 * 40
    assert BALL.distances(control.examples, samples.inputs) == pytest.approx(np.full(60, 0.12))
    assert np.array_equal(control.margins, Margins().margins(control.examples, samples.aim))
    found, _ = searched(samples, 40)
    assert found.margins.mean() < control.margins.mean()
