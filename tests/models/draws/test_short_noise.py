"""Noise in bfloat16: that of float32, rounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.draws.icdf16 import FILL, fill_in_numpy
from noisevote.models.draws.numbers import to_bfloat16
from noisevote.models.draws.tables import MOST_TABLES
from noisevote.models.draws.tensors import fill_noise
from noisevote.models.noise import NoiseKind, VoteKey, noise_table
from tests.models.draws.test_icdf16 import filled


def test_short_noise_is_the_noise_rounded_to_the_nearest_bfloat16() -> None:
    keys = [VoteKey(seed, 1, 2) for seed in range(5)]
    sigma = np.array([[0.3, 1.0], [0.3, 1.0], [0.5, 0.0], [2.0, 0.1], [0.0, 0.0]])
    for kind in NoiseKind:
        long = filled(kind, sigma.tolist(), keys)
        short = [np.empty(tensor.shape, np.uint16) for tensor in long]
        fill_noise(kind, sigma, keys, short)
        for found, expected in zip(short, long, strict=True):
            assert np.array_equal(found, to_bfloat16(expected))
            held = (found.astype(np.uint32) << 16).view(np.float32)
            assert np.all(np.abs(held - expected) <= np.abs(expected) * 2.0**-8)


@pytest.mark.parametrize("count", [MOST_TABLES - 1, MOST_TABLES + 1])
def test_short_noise_of_many_sigmas_is_rounded_as_well(count: int) -> None:
    keys = [VoteKey(3, 0, row) for row in range(count)]
    sigma = np.linspace(0.1, 1.0, count)[:, np.newaxis].repeat(2, axis=1)
    long = filled(NoiseKind.MULTIPLICATIVE, sigma.tolist(), keys)
    short = [np.empty(tensor.shape, np.uint16) for tensor in long]
    fill_noise(NoiseKind.MULTIPLICATIVE, sigma, keys, short)
    for found, expected in zip(short, long, strict=True):
        assert np.array_equal(found, to_bfloat16(expected))


def test_short_noise_is_the_same_without_compiled_code() -> None:
    table = to_bfloat16(noise_table(NoiseKind.MULTIPLICATIVE, 0.7))
    keys = np.array([[2**53 - 1, 5, 7], [1, 2, 3]], np.uint64)
    table_of = np.zeros((2, 2), np.intp)
    made = []
    for fill in (FILL, fill_in_numpy):
        tensors = [np.empty((2, 11), np.uint16), np.empty((2, 70_001), np.uint16)]
        fill(keys, [table], table_of, tensors)
        made.append(tensors)
    assert all(np.array_equal(*pair) for pair in zip(*made, strict=True))


@given(st.floats(width=32, allow_nan=False, min_value=-(2.0**120), max_value=2.0**120))
def test_bfloat16_is_the_nearest_number_of_8_bits(value: float) -> None:
    bits = int(to_bfloat16(np.array([value], np.float32))[0])
    near = [
        float((np.array([bits + step], np.uint32) << 16).view(np.float32)[0])
        for step in (-1, 0, 1)
        if (bits + step) & 0x7FFF and 0 <= bits + step < 2**16
    ]
    held = float((np.array([bits], np.uint32) << 16).view(np.float32)[0])
    assert abs(held - value) <= min((abs(one - value) for one in near), default=0.0) or value == 0
