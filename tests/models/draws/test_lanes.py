"""The scheme of eight lanes: its values, its streams, and its variants, which agree to the bit."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from noisevote.models.draws import lanes
from noisevote.models.draws.library import library
from noisevote.models.draws.numbers import Fill, Numbers, as_type_of
from noisevote.models.draws.schemes import NEWEST
from noisevote.models.draws.tables import MOST_TABLES
from noisevote.models.draws.tensors import fill_noise
from noisevote.models.noise import (
    MAX_KEY_INDEX,
    MAX_SEED,
    NORMAL,
    NoiseKind,
    VoteKey,
    standard_normal_table,
)
from tests.models.casting import UNIFORM
from tests.models.draws.fit import fitted

WIDTHS = {512: ("avx512f", "avx512bw"), 256: ("avx2",)}
GOLDEN_TABLES = "d46510cc99be30fbcbda841131914cdeeae39208bb522f86dd742e3c785e8605"
GOLDEN_FIRST = [[6832, 31210, 9780, 59994, 62496], [19018, 47279]]
GOLDEN_LAST = [51943, 23435, 5203, 27278, 4969]
ALL = np.arange(65_536, dtype=np.uint16)
keys_drawn = st.lists(
    st.tuples(
        st.integers(0, MAX_SEED), st.integers(0, MAX_KEY_INDEX), st.integers(0, MAX_KEY_INDEX)
    ),
    min_size=1,
    max_size=3,
)


def values_of(sigma: float = 1.0, kind: NoiseKind = NoiseKind.ADDITIVE) -> NDArray[np.float32]:
    return lanes.finished(kind, sigma, NORMAL, ALL)


def variant(width: int) -> Fill:
    built = library()
    if built is None or built.noisevote_lanes_width() < width:
        pytest.skip(f"this processor has no registers of {width} bits, or nothing was built")
    found = lanes.variant_of(width)
    assert found is not None
    return found


def test_scheme_is_the_one_that_its_id_names() -> None:
    # Golden values: whoever changes a coefficient or a stream must give the scheme a new id.
    tables = [values_of(sigma, kind) for kind in NoiseKind for sigma in (1.0, 0.37)]
    assert (
        hashlib.sha256(b"".join(table.tobytes() for table in tables)).hexdigest() == GOLDEN_TABLES
    )
    assert [part.tolist() for part in lanes.indices_of(VoteKey(0, 0, 0), [5, 2])] == GOLDEN_FIRST
    (last,) = lanes.indices_of(VoteKey(MAX_SEED, 63, 999), [32])
    assert last[-5:].tolist() == GOLDEN_LAST


def test_coefficients_are_those_of_the_fit() -> None:
    assert np.abs(lanes.COEFFICIENTS - fitted()).max() < 1e-6


def test_values_have_mean_zero_variance_one_and_all_differ() -> None:
    values = values_of().astype(np.float64)
    assert values.sum() == 0
    assert values.var() == pytest.approx(1, abs=1e-7)
    assert (values**4).mean() == pytest.approx(3, abs=1e-3)
    assert np.array_equal(np.sort(values), np.sort(-values))
    assert len(np.unique(values)) == len(values)


def test_values_are_distributed_as_a_normal() -> None:
    values = np.sort(values_of().astype(np.float64))
    steps = np.arange(65_537) / 65_536
    below = stats.norm.cdf(values)
    distance = max(np.abs(below - steps[1:]).max(), np.abs(below - steps[:-1]).max())
    assert distance < 1.9e-5
    assert np.abs(values - standard_normal_table()).max() < 6e-5
    assert values.max() < 4.39


@pytest.mark.parametrize("sigma", [0.0, 0.05, 1.0, 1000.0])
@pytest.mark.parametrize("kind", NoiseKind)
def test_finished_noise_is_sigma_times_the_normal_of_its_index(
    kind: NoiseKind, sigma: float
) -> None:
    expected = kind.finished(sigma * values_of().astype(np.float64))
    np.testing.assert_allclose(values_of(sigma, kind), expected, rtol=3e-7, atol=1e-6 * sigma)
    assert np.isfinite(values_of(sigma, kind)).all()


@pytest.mark.parametrize("is_short", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("width", WIDTHS)
@given(
    keys_drawn,
    st.lists(st.integers(1, 3000), min_size=1, max_size=4),
    st.sampled_from(NoiseKind),
    st.lists(st.sampled_from([0.0, 1e-3, 0.37, 1.0, 1000.0]), min_size=12, max_size=12),
)
def test_all_variants_give_the_bits_of_numpy(
    width: int,
    is_short: bool,
    keys: list[tuple[int, int, int]],
    sizes: list[int],
    kind: NoiseKind,
    drawn: list[float],
) -> None:
    compute = variant(width)
    sigma = np.array(drawn[: len(keys) * len(sizes)]).reshape(len(keys), len(sizes))
    numbers = np.array(keys, np.uint64)
    computed = empty(len(keys), sizes, is_short)
    table_of = np.arange(sigma.size).reshape(sigma.shape)
    compute(numbers, [*lanes.computed_tables(kind, sigma.ravel())], table_of, computed)
    plain = empty(len(keys), sizes, is_short)
    lanes.fill_without_tables(kind, sigma, numbers, plain, NORMAL)
    for found, expected in zip(computed, plain, strict=True):
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("width", WIDTHS)
def test_variants_compute_each_of_the_values(width: int) -> None:
    # 40 streams of 100,000 leave out one in 10^26 of the pairs of index and stream.
    compute = variant(width)
    keys = np.array([[5, 0, vote] for vote in range(40)], np.uint64)
    noise: list[Numbers] = [np.empty((40, 100_000), np.float32)]
    tables = [*lanes.computed_tables(NoiseKind.ADDITIVE, np.ones(1))]
    compute(keys, tables, np.zeros((40, 1), np.intp), noise)
    assert np.array_equal(np.unique(noise[0]), np.sort(values_of()))


def empty(rows: int, sizes: list[int], is_short: bool) -> list[Numbers]:
    if is_short:
        return [np.empty((rows, size), np.uint16) for size in sizes]
    return [np.empty((rows, size), np.float32) for size in sizes]


@given(keys_drawn, st.lists(st.integers(1, 70), min_size=1, max_size=5))
def test_tables_are_looked_up_alike_in_compiled_code_and_in_numpy(
    keys: list[tuple[int, int, int]], sizes: list[int]
) -> None:
    # Where no compiler was found both are NumPy's.
    numbers = np.array(keys, np.uint64)
    table_of = np.arange(len(keys) * len(sizes)).reshape(len(keys), len(sizes)) % 2
    for is_short in (False, True):
        (example,) = empty(1, [1], is_short)
        tables = [lanes.finished_table(NoiseKind.MULTIPLICATIVE, sigma) for sigma in (0.4, 1.0)]
        taken: list[Numbers] = [as_type_of(example, table) for table in tables]
        made = []
        for look_up in (lanes.LOOK_UP, lanes.look_up_in_numpy):
            noise = empty(len(keys), sizes, is_short)
            look_up(numbers, taken, table_of, noise)
            made.append(b"".join(tensor.tobytes() for tensor in noise))
        assert made[0] == made[1]


@given(keys_drawn, st.lists(st.integers(1, 70), min_size=2, max_size=4))
def test_what_is_looked_up_is_what_is_computed(
    keys: list[tuple[int, int, int]], sizes: list[int]
) -> None:
    sigma = np.full((len(keys), len(sizes)), 0.6)
    noise, expected = empty(len(keys), sizes, False), empty(len(keys), sizes, False)
    fill_noise(
        NoiseKind.MULTIPLICATIVE, sigma, [VoteKey(*key) for key in keys], noise, scheme=NEWEST
    )
    table = lanes.finished_table(NoiseKind.MULTIPLICATIVE, 0.6)
    lanes.LOOK_UP(np.array(keys, np.uint64), [table], np.zeros(sigma.shape, np.intp), expected)
    for found, other in zip(noise, expected, strict=True):
        assert found.tobytes() == other.tobytes()


@pytest.mark.parametrize("count", [3, MOST_TABLES + 1])
def test_other_distributions_are_looked_up_by_the_same_indices(count: int) -> None:
    keys = [VoteKey(4, 0, vote) for vote in range(count)]
    sigma = np.linspace(0.1, 1.0, count)[:, np.newaxis]
    noise = [np.empty((count, 50), np.float32)]
    fill_noise(NoiseKind.ADDITIVE, sigma, keys, noise, UNIFORM, NEWEST)
    for row, key in enumerate(keys):
        (indices,) = lanes.indices_of(key, [50])
        expected = (sigma[row, 0] * UNIFORM.values()[indices]).astype(np.float32)
        assert np.array_equal(noise[0][row], expected)


def test_a_point_begins_a_block_so_that_only_whole_blocks_before_it_count() -> None:
    key = VoteKey(3, 1, 4)
    of_five, after = lanes.indices_of(key, [5, 40])
    of_thirty, same = lanes.indices_of(key, [30, 40])
    assert np.array_equal(of_five, of_thirty[:5])
    assert np.array_equal(after, same)


def test_lanes_of_neighbouring_votes_are_all_different() -> None:
    blocks = {
        lane.tobytes()
        for seed in (0, 1, 2**32, MAX_SEED)
        for position in (0, 1, MAX_KEY_INDEX)
        for vote in (0, 1, MAX_KEY_INDEX)
        for (indices,) in [lanes.indices_of(VoteKey(seed, position, vote), [32])]
        for lane in indices.reshape(8, 4)
    }
    assert len(blocks) == 4 * 3 * 3 * 8
