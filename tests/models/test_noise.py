"""Noise as it is asked for: kinds, sigma by point, SNR, repeats, distributions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.draws.icdf16 import noise_indices
from noisevote.models.draws.tensors import fill_noise
from noisevote.models.errors import InputError
from noisevote.models.noise import (
    DISTRIBUTIONS,
    TABLE_SIZE,
    Distribution,
    Noise,
    NoiseKind,
    VoteKey,
    sigma_from_snr_db,
    snr_db_from_sigma,
)
from tests.models.casting import UNIFORM

sigmas = st.floats(1e-3, 10)


@given(sigmas)
def test_snr_and_sigma_turn_into_one_another(sigma: float) -> None:
    assert sigma_from_snr_db(snr_db_from_sigma(sigma)) == pytest.approx(sigma)


@pytest.mark.parametrize(
    ("sigma", "snr_db"), [(1.0, 0.0), (0.4, 7.9588), (0.2, 13.9794), (0.1, 20.0)]
)
def test_snr_is_the_power_ratio_in_decibels(sigma: float, snr_db: float) -> None:
    assert snr_db_from_sigma(sigma) == pytest.approx(snr_db, abs=1e-4)


def test_no_noise_is_an_infinite_snr() -> None:
    assert snr_db_from_sigma(0) == math.inf


POINTS = ["conv", "fc"]


def test_sigma_holds_at_all_points_or_by_name() -> None:
    kind = NoiseKind.ADDITIVE
    assert Noise(kind, 0.5).at(POINTS).sigma.tolist() == [0.5, 0.5]
    assert Noise(kind, {"fc": 0.5}).at(POINTS).sigma.tolist() == [0.0, 0.5]


def test_reads_that_are_averaged_divide_sigma_by_the_square_root_of_their_number() -> None:
    noise = Noise(NoiseKind.MULTIPLICATIVE, 1.0, {"fc": 4}).at(POINTS)
    assert noise.sigma.tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    "given", [{"sigma": {"head": 1.0}}, {"sigma": 1.0, "repeats": {"head": 2}}]
)
def test_names_that_are_no_noise_points_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(InputError, match="'head' is no noise point; there are: conv, fc"):
        Noise(NoiseKind.ADDITIVE, **given).at(POINTS)  # type: ignore[arg-type]


def test_snr_is_that_of_one_factor_above_zero() -> None:
    assert Noise(NoiseKind.MULTIPLICATIVE, 0.1).snr_db == pytest.approx(20)
    for kind, sigma in ((NoiseKind.ADDITIVE, 0.1), (NoiseKind.MULTIPLICATIVE, {"fc": 0.1})):
        assert Noise(kind, sigma).snr_db is None
    assert Noise(NoiseKind.MULTIPLICATIVE, 0.0).snr_db is None


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_neutral_noise_leaves_a_signal_as_it_is(kind: NoiseKind) -> None:
    signal = np.array([-1.5, 0.0, 2.0])
    assert np.array_equal(kind.meet(signal, np.full(3, kind.neutral)), signal)
    assert kind.finished(0.0) == kind.neutral


@pytest.mark.parametrize("distribution", [*DISTRIBUTIONS.values(), UNIFORM])
def test_a_distribution_is_a_table_of_mean_zero_and_variance_one(
    distribution: Distribution,
) -> None:
    values = distribution.values()
    assert values.shape == (TABLE_SIZE,)
    assert values.mean() == pytest.approx(0, abs=1e-9)
    assert values.var() == pytest.approx(1, abs=1e-6)


def test_another_distribution_is_drawn_by_the_same_words() -> None:
    keys = [VoteKey(3, 0, 0)]
    normal, other = (np.empty((1, 1000), np.float32) for _ in range(2))
    fill_noise(NoiseKind.ADDITIVE, np.ones((1, 1)), keys, [normal])
    fill_noise(NoiseKind.ADDITIVE, np.ones((1, 1)), keys, [other], UNIFORM)
    assert np.array_equal(
        other[0], UNIFORM.values().astype(np.float32)[noise_indices(keys[0], 1000)]
    )
    assert np.array_equal(other.argsort(), normal.argsort())


def test_averaged_reads_are_refused_where_their_mean_is_of_another_distribution() -> None:
    noise = Noise(NoiseKind.ADDITIVE, 1.0, {"fc": 2}, UNIFORM)
    with pytest.raises(InputError, match="the mean of several reads of uniform noise"):
        noise.at(POINTS)
    assert Noise(NoiseKind.ADDITIVE, 1.0, {}, UNIFORM).at(POINTS).distribution is UNIFORM


def test_figures_on_cards_are_of_normal_noise_of_one_sigma() -> None:
    kind = NoiseKind.ADDITIVE
    assert Noise(kind, 0.5).at(POINTS).is_measured_at(kind, 0.5)
    others = (
        Noise(kind, 0.5, {}, UNIFORM),
        Noise(kind, 0.4),
        Noise(kind, {"fc": 0.5}),
        Noise(NoiseKind.MULTIPLICATIVE, 0.5),
    )
    assert not any(noise.at(POINTS).is_measured_at(kind, 0.5) for noise in others)


def test_text_names_what_is_not_the_default() -> None:
    assert Noise(NoiseKind.ADDITIVE, 0.5).text == "additive noise, sigma 0.5"
    assert Noise(NoiseKind.ADDITIVE, 0.5, {}, UNIFORM).text == "uniform additive noise, sigma 0.5"


def test_single_precision_holds_every_value_of_a_distribution() -> None:
    for distribution in DISTRIBUTIONS.values():
        values = distribution.values()
        assert np.array_equal(values, values.astype(np.float32))
