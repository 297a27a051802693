"""1/f noise: how much of it all votes share."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.devices.aging import split_of

READ_S = 250e-9
Q = 0.0088


def process(t_s: float, gap_s: float, votes: int) -> tuple[float, float]:
    """Deviation that is fresh in a read, and left in the mean of N, of an exact 1/f process.

    The process is a sum of 400 Ornstein-Uhlenbeck processes whose time constants lie evenly in the
    logarithm between a read and the age, each with the same variance.
    """
    times = np.geomspace(READ_S, t_s, 400)
    each = math.log(t_s / (2 * READ_S)) / times.size
    apart = gap_s * np.abs(np.subtract.outer(np.arange(votes), np.arange(votes)))
    of_mean = each * sum(float(np.exp(-apart / tau).mean()) for tau in times)
    total = each * times.size
    fresh = (total - of_mean) * votes / (votes - 1)
    return Q * math.sqrt(fresh), Q * math.sqrt(of_mean)


@pytest.mark.parametrize(
    ("gap_s", "fresh", "left"),
    [(1e-6, 0.0168, 0.0423), (1e-3, 0.0286, 0.0358), (1.0, 0.0368, 0.0279)],
)
def test_the_rule_is_that_of_an_exact_process(gap_s: float, fresh: float, left: float) -> None:
    votes, day_s = 20, 86400.0
    of_process = process(day_s, gap_s, votes)
    assert of_process == pytest.approx((fresh, left), rel=0.02)
    slow, fast = split_of(day_s, votes * gap_s, READ_S)
    assert Q * math.sqrt(fast) == pytest.approx(of_process[0], rel=0.03)
    in_mean = Q * math.sqrt(slow + fast / votes)
    assert in_mean == pytest.approx(of_process[1], rel=0.03)


@given(st.floats(0, 1e10), st.floats(0, 1e10), st.floats(1e-12, 1e10))
def test_no_part_is_negative_and_their_sum_does_not_depend_on_the_votes(
    t_s: float, window_s: float, read_s: float
) -> None:
    slow, fast = split_of(t_s, window_s, read_s)
    assert slow >= 0
    assert fast >= 0
    assert slow + fast == pytest.approx(sum(split_of(t_s, 0, read_s)), abs=1e-9)


@given(st.floats(0, 1e10), st.floats(1, 1e3))
def test_votes_within_a_read_share_all_and_votes_over_all_of_life_nothing(
    t_s: float, times: float
) -> None:
    assert split_of(t_s, READ_S / times, READ_S)[1] == 0
    assert split_of(t_s, (t_s + 2 * READ_S) * times, READ_S)[0] == 0
