"""Ranges of inputs are percentiles, whatever the memory that they take."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.training.devices.ranges import Magnitudes, MeanSquare

OFF = 2**-9
"""Width of a bin, relative to what lies in it."""


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=200), st.data())
def test_a_percentile_lies_in_the_bin_of_the_right_value(
    values: list[float], data: st.DataObject
) -> None:
    percent = data.draw(st.sampled_from([50.0, 90.0, 99.9, 100.0]))
    magnitudes, sizes = Magnitudes(), np.abs(np.array(values, np.float32))
    for part in np.array_split(np.array(values, np.float32), 3):
        magnitudes.add(part)
    right = np.percentile(sizes, percent, method="inverted_cdf")
    found = magnitudes.percentile(percent)
    assert found <= magnitudes.largest == sizes.max()
    assert found == pytest.approx(float(right), rel=OFF, abs=1e-38)


def test_a_percentile_of_many_values_is_that_of_all_of_them() -> None:
    generator = np.random.default_rng(0)
    parts = generator.standard_normal((20, 50_000), np.float32)
    magnitudes, squares = Magnitudes(), MeanSquare()
    for part in parts:
        magnitudes.add(part)
        squares.add(part)
    assert magnitudes.percentile(99.9) == pytest.approx(
        np.percentile(np.abs(parts), 99.9), rel=1e-3
    )
    assert squares.root == pytest.approx(np.sqrt(np.mean(parts.astype(np.float64) ** 2)), rel=1e-9)


def test_zeros_have_no_range() -> None:
    magnitudes = Magnitudes()
    magnitudes.add(np.zeros((3, 4), np.float32))
    assert magnitudes.percentile(99.9) == magnitudes.largest == 0
