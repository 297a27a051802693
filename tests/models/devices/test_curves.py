"""Curves of a profile: what each formula gives."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisevote.models.devices.curves import LARGEST, Curve, curve_at, on_table
from tests.models.devices.oracle import device

X = np.linspace(0, 1, 2001)


def curve(content: Any) -> Curve:
    return device(program={"std_us": content}).program.std_us


def at(content: Any, x: float) -> float:
    return float(curve_at(curve(content), np.array([x]))[0])


@pytest.mark.parametrize(
    ("content", "x", "value"),
    [
        (3, 0.5, 3.0),
        ({"coefficients": [1, 2, 4]}, 0.5, 3.0),
        ({"coefficients": []}, 0.5, 0.0),
        ({"table": [[0.2, 1], [0.4, 3]]}, 0.3, 2.0),
        ({"table": [[0.2, 1], [0.4, 3]]}, 0.1, 1.0),
        ({"table": [[0.2, 1], [0.4, 3]]}, 0.9, 3.0),
        ({"table": [[0.2, 1]]}, 0.9, 1.0),
        ({"log": [-2, 1]}, 0.5, -2 * math.log(0.5) + 1),
        ({"log": [-2, 1]}, 0.0, -2 * math.log(1e-7) + 1),
        ({"log": [-2, 1], "clip": [0, 2]}, 0.1, 2.0),
        ({"power": [0.5, -0.5]}, 0.25, 1.0),
        ({"power": [1, -1e12]}, 0.5, LARGEST),
        ({"power": [0, -1e12]}, 0.5, 0.0),
        ({"power": [-1, -1e12]}, 0.5, -LARGEST),
        ({"saturating": [2, 0.5]}, 0.5, 2 * (1 - math.exp(-1))),
    ],
)
def test_a_formula_gives_its_value(content: Any, x: float, value: float) -> None:
    assert at(content, x) == pytest.approx(value, rel=1e-12)


def test_pieces_hold_up_to_their_ends() -> None:
    pieces = curve([
        {"coefficients": [1], "below": 0.25}, {"coefficients": [2], "below": 0.5}, {"log": [0, 3]},
    ])  # fmt: skip
    expected = np.where(X < 0.25, 1.0, np.where(X < 0.5, 2.0, 3.0))
    assert np.array_equal(curve_at(pieces, X), expected)


@st.composite
def tables(draw: st.DrawFn) -> NDArray[np.float64]:
    steps = st.integers(0, 10**9 // 2)  # of 2e-9: points of a profile lie no closer than 1e-9
    places = [step * 2e-9 for step in draw(st.lists(steps, min_size=1, max_size=64, unique=True))]
    values = draw(st.lists(st.floats(-10, 10), min_size=len(places), max_size=len(places)))
    return np.array([sorted(places), values]).T


@given(tables(), st.booleans())
def test_tables_are_read_as_by_numpy(table: NDArray[np.float64], are_even: bool) -> None:
    if are_even:  # the way by buckets, which points that lie close do not take
        table[:, 0] = np.linspace(table[0, 0], table[0, 0] + 0.7, len(table))
    places, values = table.T
    steps = [places, np.nextafter(places, 2), np.nextafter(places, -1), [-0.5, 2.0]]
    x = np.concatenate([X, *steps])
    steepest = float(np.abs(np.diff(values) / np.diff(places)).max(initial=0))
    tolerance = 1e-13 * (10 + steepest)
    np.testing.assert_allclose(on_table(x, table), np.interp(x, places, values), atol=tolerance)
