"""The keyed noise scheme: its law, its independence, and that it never changes unnoticed."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from noisevote.models.draws.icdf16 import FILL, fill_in_numpy, noise_indices
from noisevote.models.draws.tables import MOST_TABLES
from noisevote.models.draws.tensors import fill_noise
from noisevote.models.noise import (
    MAX_KEY_INDEX,
    MAX_SEED,
    NoiseKind,
    VoteKey,
    noise_table,
    standard_normal_table,
)

# Chance that a statistical test here fails although the scheme is right; the seeds are fixed, so
# a test that passes once always passes.
ERROR_PROBABILITY = 1e-4

seeds = st.integers(0, MAX_SEED)
indices = st.integers(0, MAX_KEY_INDEX)
sigmas = st.floats(1e-3, 10)


def standard_normals(key: VoteKey, count: int) -> NDArray[np.float64]:
    return standard_normal_table()[noise_indices(key, count)]


def filled(
    kind: NoiseKind, sigma: list[list[float]], keys: list[VoteKey]
) -> list[NDArray[np.float32]]:
    noise = [np.empty((len(keys), 3, 5), np.float32), np.empty((len(keys), 7), np.float32)]
    fill_noise(kind, np.array(sigma), keys, noise)
    return noise


def test_scheme_is_the_one_that_its_id_names() -> None:
    # Golden values: whoever changes the table or the stream must give the scheme a new id.
    tables = [noise_table(kind, sigma) for kind in NoiseKind for sigma in (1.0, 0.37)]
    digest = hashlib.sha256(b"".join(table.tobytes() for table in tables)).hexdigest()
    assert digest == "03e9109fe855e3a48590e0bfa842e9031d760496b6fa5374411a673a3decc503"
    assert noise_indices(VoteKey(0, 0, 0), 5).tolist() == [25394, 47466, 40543, 37269, 40737]
    assert noise_indices(VoteKey(MAX_SEED, 63, 999), 5).tolist() == [
        26759,
        5743,
        22389,
        44756,
        42330,
    ]


def test_table_has_mean_zero_variance_one_and_normal_tails() -> None:
    table = standard_normal_table()
    assert table.mean() == pytest.approx(0, abs=1e-15)
    assert table.var() == pytest.approx(1, abs=1e-8)
    assert (table**4).mean() == pytest.approx(3, abs=1e-3)
    for z in (1.0, 2.0, 3.0, 4.0):
        assert (table > z).mean() == pytest.approx(stats.norm.sf(z), abs=1 / 65_536)


def test_table_is_strictly_rising_and_antisymmetric() -> None:
    table = standard_normal_table()
    assert (np.diff(table) > 0).all()
    assert np.array_equal(table, -table[::-1])


def test_all_entries_of_the_table_are_picked_equally_often() -> None:
    picked = np.concatenate([noise_indices(VoteKey(6, 0, vote), 131_072) for vote in range(20)])
    counts = np.bincount(picked, minlength=65_536)
    assert stats.chisquare(counts).pvalue > ERROR_PROBABILITY


def test_neighbouring_keys_never_share_a_stream() -> None:
    edges = (0, 1, 2, 2**31, 2**32 - 1)
    keys = [VoteKey(s, p, v) for s in (*edges, 2**32, MAX_SEED) for p in edges for v in edges]
    streams = {noise_indices(key, 8).tobytes() for key in keys}
    assert len(streams) == len(keys)


@pytest.mark.parametrize(
    "key", [VoteKey(-1, 0, 0), VoteKey(MAX_SEED + 1, 0, 0), VoteKey(0, 2**32, 0), VoteKey(0, 0, -1)]
)
def test_key_out_of_range_is_refused(key: VoteKey) -> None:
    with pytest.raises(ValueError, match="out of range"):
        noise_indices(key, 1)


def test_key_parts_do_not_run_into_one_another() -> None:
    # A seed above 32 bits must not look like a smaller seed at another position.
    one, two = VoteKey((5 << 32) + 3, 7, 0), VoteKey(3, 5, 7)
    assert not np.array_equal(noise_indices(one, 32), noise_indices(two, 32))


@given(seeds, indices, indices, st.integers(1, 50), st.integers(1, 50))
def test_a_shorter_stream_is_a_prefix_of_a_longer_one(
    seed: int, position: int, vote: int, short: int, more: int
) -> None:
    key = VoteKey(seed, position, vote)
    longer = noise_indices(key, short + more)
    assert np.array_equal(noise_indices(key, short), longer[:short])


@given(
    st.lists(st.tuples(seeds, indices, indices), min_size=1, max_size=4),
    st.lists(st.integers(1, 13), min_size=1, max_size=5),
    st.data(),
)
def test_compiled_and_numpy_fill_are_the_same_to_the_bit(
    keys: list[tuple[int, int, int]], sizes: list[int], data: st.DataObject
) -> None:
    # Where no compiler was found both are NumPy's; sizes run over words that end in mid-point.
    shape = (len(keys), len(sizes))
    tables = [noise_table(NoiseKind.MULTIPLICATIVE, sigma) for sigma in (0.0, 0.4, 1.0)]
    table_of = np.array(
        data.draw(st.lists(st.integers(0, 2), min_size=shape[0] * shape[1], max_size=20)),
        np.intp,
    )
    table_of = table_of[: shape[0] * shape[1]].reshape(shape)
    results = []
    for fill in (FILL, fill_in_numpy):
        noise = [np.full((len(keys), size), np.nan, np.float32) for size in sizes]
        fill(np.array(keys, np.uint64), tables, table_of, noise)
        results.append(np.concatenate(noise, axis=1))
    assert np.array_equal(results[0], results[1])


@pytest.mark.parametrize("kind", NoiseKind)
def test_votes_of_many_sigmas_take_the_values_of_their_tables_without_keeping_these(
    kind: NoiseKind,
) -> None:
    points, keys = MOST_TABLES, [VoteKey(3, 0, vote) for vote in range(4)]
    sigma = np.random.default_rng(0).random((len(keys), points)) * 2
    sigma[1] = 0.0
    sigma[2, 5] = 1000.0
    noise = [np.empty((len(keys), 3, 2 + point % 3), np.float32) for point in range(points)]
    before = noise_table.cache_info().misses
    fill_noise(kind, sigma, keys, noise)
    assert noise_table.cache_info().misses - before <= 1
    for row, key in enumerate(keys):
        indices, first = noise_indices(key, sum(tensor[row].size for tensor in noise)), 0
        for tensor, of_point in zip(noise, sigma[row].tolist(), strict=True):
            own = indices[first : first + tensor[row].size]
            assert tensor[row].ravel().tobytes() == noise_table(kind, of_point)[own].tobytes()
            first += tensor[row].size
