"""Tests of means by betting: false alarms and power with stated chances, and what is compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from noisevote.models.drift import MeanTest, band_of, effective_sigma, shares_of, some_of, top_two
from noisevote.models.measured import AgreementReference
from noisevote.models.noise import NoiseKind
from noisevote.models.statistics import clopper_pearson

ALPHA = 0.05
RUNS, ANSWERS = 160, 150


def shares_under(kind: str, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return shares of mean 0.8 ``[RUNS, ANSWERS, 2]``."""
    shape = (RUNS, ANSWERS, 2)
    if kind == "all or nothing":
        return (generator.random(shape) < 0.8).astype(float)
    if kind == "mostly one":
        return np.where(generator.random(shape) < 0.9, 1 - 0.1 / 0.9, 0.0)
    # Dependent: the mean given what came before is 0.8, the spread is not always the same.
    wild = np.cumsum(generator.random(shape) < 0.5, axis=1) % 2 == 0
    return np.where(wild, generator.random(shape) < 0.8, 0.8)


@pytest.mark.parametrize("kind", ["all or nothing", "mostly one", "dependent"])
def test_false_alarms_are_as_rare_as_stated_however_often_one_looks(kind: str) -> None:
    shares = shares_under(kind, np.random.default_rng(1))
    mean = np.full(2, 0.8)
    alarms = 0
    for run in shares:
        test = MeanTest(mean, mean, ALPHA)
        alarms += any(test.add(answer) for answer in run)
    # If their chance is ALPHA or less, this fails with one of 1e-6 or less.
    assert clopper_pearson(alarms, RUNS, 2e-6)[0] <= ALPHA


@pytest.mark.parametrize(("shift", "expected"), [(-0.05, -1), (0.05, 1)])
@pytest.mark.parametrize("which", [0, 1])
def test_a_shifted_mean_raises_the_alarm_to_its_side(
    shift: float, expected: int, which: int
) -> None:
    generator = np.random.default_rng(2)
    for _ in range(20):
        test = MeanTest(np.full(2, 0.75), np.full(2, 0.85), 1e-4)
        shares = generator.beta(8, 2, (1000, 2))
        shares[:, which] = np.clip(shares[:, which] + 2 * shift + np.sign(shift) * 0.01, 0, 1)
        raised = [direction for answer in shares if (direction := test.add(answer))]
        assert raised
        assert raised[0] == expected


def test_the_band_holds_what_a_measurement_may_be_off() -> None:
    assert band_of(0.8, 0.1, 1600) == pytest.approx((0.8 - 0.010625, 0.8 + 0.010625))
    low, high = band_of(1.0, 0.0, 100)
    assert low == pytest.approx(0.99)
    assert high < 1
    low, _ = band_of(0.0, 0.0, 100)
    assert low > 0


counts = npst.arrays(np.int64, (4, 10), elements=st.integers(0, 30)).filter(
    lambda drawn: bool((drawn.sum(axis=1) > 0).all())
)


@given(counts)
def test_shares_are_those_of_sorted_counts(drawn: NDArray[np.int64]) -> None:
    for row, (agreement, margin) in zip(drawn, shares_of(drawn), strict=True):
        second, first = sorted(row.tolist())[-2:]
        assert top_two(row.tolist()) == (first, second)
        assert agreement == first / row.sum()
        assert margin == (first - second) / row.sum()


def test_votes_that_were_thinned_agree_as_if_no_more_had_been_cast() -> None:
    generator = np.random.default_rng(3)
    chances = generator.dirichlet(np.full(10, 0.3), 4000)
    many, few = (generator.multinomial(votes, chances) for votes in (20, 5))
    thinned = np.array([some_of(row.tolist(), 5, generator) for row in many])
    assert (thinned.sum(axis=1) == 5).all()
    assert (thinned <= many).all()
    off = shares_of(thinned) - shares_of(few)
    errors = off.std(axis=0) / np.sqrt(len(off))
    assert (np.abs(off.mean(axis=0)) < 4.9 * errors).all()  # fails with a chance of 2e-6
    # Votes that were not thinned agree more than fewer votes do: the mode is picked afterwards.
    assert abs((shares_of(many) - shares_of(few)).mean(axis=0)[0]) > 4.9 * errors[0]
    assert some_of([2, 3], 5, generator).tolist() == [2, 3]


def reference(sigma: float, agreement: float) -> AgreementReference:
    return AgreementReference(
        kind=NoiseKind.MULTIPLICATIVE,
        sigma=sigma,
        votes=20,
        inputs=1000,
        agreement_mean=agreement,
        agreement_sd=0.1,
        margin_mean=agreement / 2,
        margin_sd=0.1,
        seed=0,
        noise_scheme="x",
        command="x",
    )


@pytest.mark.parametrize(
    ("agreement", "sigma"),
    [(0.9, 0.5), (0.8, 1.0), (0.85, 0.75), (0.7, 1.25), (0.95, 0.5), (0.5, 1.5)],
)
def test_the_effective_sigma_is_read_off_the_cards_curve(agreement: float, sigma: float) -> None:
    curve = [reference(1.5, 0.6), reference(0.5, 0.9), reference(1.0, 0.8)]
    assert effective_sigma(agreement, curve) == pytest.approx(sigma)


@pytest.mark.parametrize(
    ("counts", "expected"), [([3], (3, 0)), ([1, 5, 2], (5, 2)), ([4, 4], (4, 4)), ([0, 9], (9, 0))]
)
def test_the_top_two_counts_are_found(counts: list[int], expected: tuple[int, int]) -> None:
    assert top_two(counts) == expected
