"""Intervals and tests, against SciPy's own and against their law."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from noisevote.models.statistics import (
    clopper_pearson,
    difference_interval,
    fewest_votes_to_be_sure,
    fixed_votes_statistics,
    holm_p_values,
    mcnemar_p_value,
    share_of_mode,
    sign_test_p_value,
    top_two_p_value,
    wilson_interval,
)

alphas = st.floats(1e-4, 0.5)


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    trials = draw(st.integers(1, 1000))
    return draw(st.integers(0, trials)), trials


@given(shares(), alphas)
def test_interval_is_the_exact_one_of_scipy(share: tuple[int, int], alpha: float) -> None:
    expected = stats.binomtest(*share).proportion_ci(1 - alpha, method="exact")
    assert clopper_pearson(*share, alpha) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(shares(), alphas)
def test_interval_holds_the_observed_share(share: tuple[int, int], alpha: float) -> None:
    low, high = clopper_pearson(*share, alpha)
    assert 0 <= low <= share[0] / share[1] <= high <= 1


@given(st.lists(st.integers(0, 50), min_size=2, max_size=12).filter(any))
def test_p_value_is_the_binomial_test_of_the_top_two(counts: list[int]) -> None:
    second, first = sorted(counts)[-2:]
    expected = stats.binomtest(first, first + second).pvalue
    assert top_two_p_value(np.array(counts)) == pytest.approx(expected)


def test_interval_covers_the_share_of_the_mode_as_often_as_it_promises() -> None:
    # 2,000 polls of 20 votes with the classes all but equally likely, where picking the mode
    # biases the share most. At alpha 0.05 at most 5 % of the intervals may miss; the limit is
    # passed by chance with probability below 1e-6.
    generator = np.random.default_rng(0)
    shares = np.array([0.2, 0.2, 0.15, 0.15, 0.1, 0.1, 0.05, 0.05, 0.0, 0.0])
    missed = 0
    for _ in range(2000):
        counts = generator.multinomial(20, shares)
        low, high = share_of_mode(counts, 0.05)
        missed += not low <= shares[counts.argmax()] <= high
    assert missed <= stats.binom.isf(1e-6, 2000, 0.05)


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_the_exact_binomial_test_of_the_pairs_that_differ(one: int, other: int) -> None:
    expected = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar_p_value(one, other) == pytest.approx(expected)
    assert mcnemar_p_value(one, other) == mcnemar_p_value(other, one)


@given(st.integers(0, 200), st.integers(0, 200))
def test_sign_test_is_the_one_sided_binomial_test(for_it: int, against_it: int) -> None:
    trials = for_it + against_it
    expected = stats.binomtest(for_it, trials, alternative="greater").pvalue if trials else 1.0
    assert sign_test_p_value(for_it, against_it) == pytest.approx(expected)


def test_mcnemar_rejects_equals_no_more_often_than_it_promises() -> None:
    # 5,000 comparisons of two that are right equally often, 100 pairs differing. At most 1 % may
    # come out below 0.01; the limit is passed by chance with probability below 1e-6.
    fell = np.random.default_rng(0).binomial(100, 0.5, 5000)
    rejected = sum(mcnemar_p_value(int(one), 100 - int(one)) < 0.01 for one in fell)
    assert rejected <= stats.binom.isf(1e-6, 5000, 0.01)


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0, 1))
def test_holm_rejects_what_the_step_down_procedure_rejects(
    p_values: list[float], alpha: float
) -> None:
    rejected = [False] * len(p_values)
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] * (len(p_values) - rank) > alpha:
            break
        rejected[place] = True
    assert [value <= alpha for value in holm_p_values(p_values)] == rejected or alpha == 1


def test_larger_p_value_is_never_corrected_to_a_smaller_one() -> None:
    assert holm_p_values([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_p_values([]) == []


def test_interval_of_a_difference_is_that_of_newcombes_example() -> None:
    # 56 of 70 against 48 of 80: his Table II, (a), method 10.
    assert difference_interval((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(shares(), alphas)
def test_score_interval_is_that_of_scipy(share: tuple[int, int], alpha: float) -> None:
    expected = stats.binomtest(*share).proportion_ci(1 - alpha, method="wilson")
    assert wilson_interval(*share, alpha) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(st.integers(1, 40), st.floats(1e-9, 0.999))
def test_so_few_votes_abstain_even_if_all_agree(votes: int, alpha: float) -> None:
    unanimous = fixed_votes_statistics(np.array([votes, 0, 0]), alpha)
    assert unanimous.abstain == (votes < fewest_votes_to_be_sure(alpha))


def test_the_fewest_votes_of_common_levels_are_those_of_the_documents() -> None:
    assert [fewest_votes_to_be_sure(alpha) for alpha in (0.05, 0.01, 0.001)] == [6, 8, 11]
