"""The ball of allowed perturbations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisevote.models.robustness.ball import Ball, Norm

balls = st.builds(
    Ball,
    norm=st.sampled_from(list(Norm)),
    epsilon=st.floats(0.01, 2.0),
    low=st.just(0.0),
    high=st.just(1.0),
)


@st.composite
def pictures(draw: st.DrawFn, outside: bool) -> NDArray[np.float32]:
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    low, high = (-2, 3) if outside else (0, 1)
    return generator.uniform(low, high, (3, 2, 4, 5)).astype(np.float32)


@given(balls, pictures(outside=True), pictures(outside=False))
def test_projection_is_in_the_ball_and_stays_where_it_is(
    ball: Ball, points: NDArray[np.float32], centres: NDArray[np.float32]
) -> None:
    inside = ball.project(points, centres)
    assert ball.holds(inside, centres)
    assert ball.project(inside, centres) == pytest.approx(inside, abs=1e-6)
    assert ball.project_one(points[1], centres[1]) == pytest.approx(inside[1])


@given(balls, pictures(outside=False))
def test_points_beyond_the_ball_or_the_range_are_noticed(
    ball: Ball, centres: NDArray[np.float32]
) -> None:
    beyond = centres.copy()
    beyond[1] += np.float32(1.01 * ball.epsilon)
    assert not ball.holds(beyond, centres)
    out_of_range = np.full_like(centres, ball.high + 0.001)
    assert not ball.holds(out_of_range, out_of_range)


@given(balls, pictures(outside=False), st.integers(0, 100))
def test_random_points_are_in_the_ball(ball: Ball, centres: NDArray[np.float32], seed: int) -> None:
    generators = [np.random.default_rng((seed, row)) for row in range(len(centres))]
    assert ball.holds(ball.random_inside(centres, generators), centres)
    assert ball.holds(ball.random_on_surface(centres, generators), centres)


@pytest.mark.parametrize("norm", list(Norm))
def test_random_points_fill_the_ball_evenly(norm: Norm) -> None:
    # Far from the range's ends. A point lies within half the radius with a chance of 1 / 2^d,
    # here 1/8; 2,000 draws miss 0.125 by more than 0.04 with a chance below 1e-6.
    ball = Ball(norm, 0.1, -10.0, 10.0)
    centres = np.zeros((2000, 1, 1, 3), np.float32)
    generators = [np.random.default_rng((7, row)) for row in range(len(centres))]
    distances = ball.distances(ball.random_inside(centres, generators), centres)
    assert (distances < 0.05).mean() == pytest.approx(0.125, abs=0.04)
    surface = ball.distances(ball.random_on_surface(centres, generators), centres)
    assert surface == pytest.approx(np.full(2000, 0.1), abs=1e-6)


@given(balls, pictures(outside=True))
def test_a_step_has_length_one_and_climbs(ball: Ball, gradients: NDArray[np.float32]) -> None:
    steps = ball.ascent(gradients)
    assert ball.distances(steps, np.zeros_like(steps)) == pytest.approx(np.ones(3), abs=1e-5)
    assert ((steps * gradients).sum(axis=(1, 2, 3)) > 0).all()


def test_without_a_gradient_there_is_no_step() -> None:
    flat = np.zeros((2, 1, 3, 3), np.float32)
    for norm in Norm:
        assert not Ball(norm, 0.1, 0, 1).ascent(flat).any()


@pytest.mark.parametrize("norm", Norm)
def test_what_single_precision_rounds_is_no_breach_of_a_small_ball(norm: Norm) -> None:
    ball = Ball(norm, 1e-6, 0.0, 1.0)
    centres = np.random.default_rng(0).random((20, 1, 28, 28)).astype(np.float32)
    generators = [np.random.default_rng(seed) for seed in range(20)]
    assert ball.holds(ball.random_on_surface(centres, generators), centres)
    assert not ball.holds(np.clip(centres + np.float32(1e-5), 0, 1), centres)
