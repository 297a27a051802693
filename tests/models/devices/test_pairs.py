"""Pairs of cells, and memory that is kept: what is exchanged, negated, written over."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from noisevote.models.devices.kept import MOST_BYTES, Kept
from noisevote.models.devices.pairs import exchanged, signed

WEIGHTS = np.array([[0.5, -0.5, 0.0], [-1.0, 1.0, -1e-30]], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_cell_of_the_sign_of_a_weight_is_active(dtype: type) -> None:
    plus, minus = np.random.default_rng(1).standard_normal((2, 2, 3)).astype(dtype)
    active, idle = exchanged({"nu+": plus, "nu-": minus}, WEIGHTS)
    assert np.array_equal(active["nu"], np.where(WEIGHTS < 0, minus, plus))
    assert np.array_equal(idle["nu"], np.where(WEIGHTS < 0, plus, minus))
    assert active["nu"].dtype == dtype


def test_what_a_pair_holds_gets_the_sign_of_its_weight() -> None:
    held = np.array([[1.0, 2.0, -3.0], [4.0, -5.0, 6.0]], np.float32)
    assert signed(held.copy(), WEIGHTS).tolist() == [[1, -2, -3], [-4, -5, -6]]


def test_memory_is_kept_by_name_and_thread_unless_it_is_much() -> None:
    kept = Kept()
    first = kept.array("a", (3, 4))
    assert np.shares_memory(first, kept.array("a", (2, 5)))
    assert not np.shares_memory(first, kept.array("b", (3, 4)))
    with ThreadPoolExecutor(1) as other:
        assert not np.shares_memory(first, other.submit(kept.array, "a", (3, 4)).result())
    assert kept.array("a", (100, 10)).shape == (100, 10)
    much = (MOST_BYTES // 4 + 1,)
    assert not np.shares_memory(kept.array("a", much), kept.array("a", much))


def test_no_more_is_kept_than_a_bound_in_all() -> None:
    kept, shape = Kept(), (MOST_BYTES // 4 * 2 // 3,)
    first = kept.array("first", shape)
    assert not np.shares_memory(kept.array("second", shape), kept.array("second", shape))
    assert np.shares_memory(first, kept.array("first", shape))
