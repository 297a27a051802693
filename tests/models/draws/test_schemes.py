"""What holds of every scheme of the draws."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from noisevote.models.draws.schemes import SCHEMES, NoiseScheme, SchemeId
from noisevote.models.draws.tensors import fill_noise
from noisevote.models.noise import MAX_SEED, NoiseKind, VoteKey, standard_normal_table

# Chance that a statistical test here fails although the scheme is right; the seeds are fixed, so
# a test that passes once always passes.
ERROR_PROBABILITY = 1e-4

seeds = st.integers(0, MAX_SEED)
sigmas = st.floats(1e-3, 10)
every_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


def normals(scheme: NoiseScheme, key: VoteKey, count: int) -> NDArray[np.float64]:
    drawn = np.empty((1, count), np.float32)
    fill_noise(NoiseKind.ADDITIVE, np.ones((1, 1)), [key], [drawn], scheme=scheme)
    first: NDArray[np.float32] = drawn[0]
    return first.astype(np.float64)


def filled(
    scheme: NoiseScheme, kind: NoiseKind, sigma: list[list[float]], keys: list[VoteKey]
) -> list[NDArray[np.float32]]:
    noise = [np.empty((len(keys), 3, 5), np.float32), np.empty((len(keys), 7), np.float32)]
    fill_noise(kind, np.array(sigma), keys, noise, scheme=scheme)
    return noise


def test_ids_that_can_be_asked_for_are_those_of_the_schemes() -> None:
    assert set(get_args(SchemeId)) == set(SCHEMES)


@every_scheme
def test_stream_of_a_vote_is_standard_normal(scheme: NoiseScheme) -> None:
    draws = normals(scheme, VoteKey(1, 0, 0), 1_000_000)
    assert stats.kstest(draws, "norm").pvalue > ERROR_PROBABILITY
    assert stats.ttest_1samp(draws, 0).pvalue > ERROR_PROBABILITY
    spread = (len(draws) - 1) * draws.var(ddof=1)
    p_value = 2 * min(stats.chi2.cdf(spread, len(draws) - 1), stats.chi2.sf(spread, len(draws) - 1))
    assert p_value > ERROR_PROBABILITY


@every_scheme
@pytest.mark.parametrize(
    "other",
    [VoteKey(2, 0, 0), VoteKey(1, 1, 0), VoteKey(1, 0, 1), VoteKey(1 + 2**32, 0, 0)],
    ids=["seed", "position", "vote", "high bits of seed"],
)
def test_streams_that_differ_in_one_part_of_the_key_are_uncorrelated(
    scheme: NoiseScheme, other: VoteKey
) -> None:
    one, two = normals(scheme, VoteKey(1, 0, 0), 200_000), normals(scheme, other, 200_000)
    assert stats.pearsonr(one, two).pvalue > ERROR_PROBABILITY
    assert stats.pearsonr(np.abs(one), np.abs(two)).pvalue > ERROR_PROBABILITY


@every_scheme
@pytest.mark.parametrize(
    "keys",
    [
        [VoteKey(seed, 0, 0) for seed in range(100)],
        [VoteKey(7, position, 0) for position in range(100)],
        [VoteKey(7, 0, vote) for vote in range(100)],
    ],
    ids=["seeds", "positions", "votes"],
)
def test_a_hundred_neighbouring_streams_are_independent_in_pairs(
    scheme: NoiseScheme, keys: list[VoteKey]
) -> None:
    # The largest of 4,950 correlations, each normal with a variance of 1 / n; Bonferroni.
    count = 20_000
    streams = np.stack([normals(scheme, key, count) for key in keys])
    matrix = np.asarray(np.corrcoef(streams))
    correlations = np.abs(matrix[np.triu_indices(len(keys), 1)])
    p_value = 2 * stats.norm.sf(correlations.max() * math.sqrt(count)) * len(correlations)
    assert p_value > ERROR_PROBABILITY
    # And as a whole: their squares add up to what independent streams give.
    total = count * float((correlations**2).sum())
    assert stats.chi2.sf(total, len(correlations)) > ERROR_PROBABILITY


@every_scheme
@pytest.mark.parametrize("power", [3, 4])
def test_higher_moments_of_many_votes_are_those_of_a_normal(
    scheme: NoiseScheme, power: int
) -> None:
    draws = np.concatenate([normals(scheme, VoteKey(8, 0, vote), 75_530) for vote in range(40)])
    moment = {3: 0.0, 4: float((standard_normal_table() ** 4).mean())}[power]
    spread = math.sqrt({3: 15.0, 4: 96.0}[power] / draws.size)
    p_value = 2 * stats.norm.sf(abs((draws**power).mean() - moment) / spread)
    assert p_value > ERROR_PROBABILITY


@every_scheme
@pytest.mark.parametrize("z", [2.0, 3.0, 4.0])
def test_tails_of_many_votes_hold_as_many_draws_as_a_normal(scheme: NoiseScheme, z: float) -> None:
    draws = np.concatenate([normals(scheme, VoteKey(9, 0, vote), 75_530) for vote in range(40)])
    share = float((np.abs(standard_normal_table()) > z).mean())
    found = int((np.abs(draws) > z).sum())
    assert stats.binomtest(found, draws.size, share).pvalue > ERROR_PROBABILITY


@every_scheme
@pytest.mark.parametrize("lag", [1, 2, 3, 4, 8, 256])
def test_elements_of_a_stream_are_uncorrelated(scheme: NoiseScheme, lag: int) -> None:
    draws = normals(scheme, VoteKey(3, 1, 4), 200_000)
    assert stats.pearsonr(draws[:-lag], draws[lag:]).pvalue > ERROR_PROBABILITY


@every_scheme
def test_first_elements_of_many_votes_are_standard_normal(scheme: NoiseScheme) -> None:
    # A weak seeding shows in the first words of neighbouring keys.
    draws = [
        normals(scheme, VoteKey(5, position, vote), 1)[0]
        for position in range(20)
        for vote in range(500)
    ]
    assert stats.kstest(draws, "norm").pvalue > ERROR_PROBABILITY


@every_scheme
def test_tensors_that_are_not_contiguous_are_refused(scheme: NoiseScheme) -> None:
    strided = np.empty((1, 4, 4), np.float32).transpose(0, 2, 1)
    with pytest.raises(ValueError, match="C-contiguous"):
        fill_noise(
            NoiseKind.ADDITIVE, np.ones((1, 1)), [VoteKey(0, 0, 0)], [strided], scheme=scheme
        )


@every_scheme
def test_row_of_a_batch_has_the_noise_of_its_key_alone(scheme: NoiseScheme) -> None:
    row_keys = [VoteKey(1, 0, 0), VoteKey(1, 0, 1), VoteKey(9, 4, 0)]
    sigma = [[1.0, 0.5], [0.2, 0.0], [3.0, 1.0]]
    together = filled(scheme, NoiseKind.MULTIPLICATIVE, sigma, row_keys)
    for row, key in enumerate(row_keys):
        alone = filled(scheme, NoiseKind.MULTIPLICATIVE, [sigma[row]], [key])
        for point in range(2):
            assert np.array_equal(together[point][row], alone[point][0])


@every_scheme
def test_noise_of_a_point_does_not_depend_on_the_sigma_of_an_earlier_one(
    scheme: NoiseScheme,
) -> None:
    key = [VoteKey(1, 0, 0)]
    quiet = filled(scheme, NoiseKind.ADDITIVE, [[0.0, 1.0]], key)
    loud = filled(scheme, NoiseKind.ADDITIVE, [[2.0, 1.0]], key)
    assert np.array_equal(quiet[1], loud[1])
    assert not quiet[0].any()


@every_scheme
@given(sigmas, seeds)
def test_factors_and_summands_are_made_of_the_same_normals(
    scheme: NoiseScheme, sigma: float, seed: int
) -> None:
    key = [VoteKey(seed, 0, 0)]
    factors = filled(scheme, NoiseKind.MULTIPLICATIVE, [[sigma, sigma]], key)
    summands = filled(scheme, NoiseKind.ADDITIVE, [[sigma, sigma]], key)
    for factor, summand in zip(factors, summands, strict=True):
        np.testing.assert_allclose(factor - 1, summand, atol=1e-6 * max(1, 5 * sigma))


@every_scheme
def test_zero_sigma_gives_factors_of_exactly_one(scheme: NoiseScheme) -> None:
    for tensor in filled(scheme, NoiseKind.MULTIPLICATIVE, [[0.0, 0.0]], [VoteKey(1, 2, 3)]):
        assert (tensor == 1).all()
