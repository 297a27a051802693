"""The draws of chips: a scheme that never changes under its name."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.devices.chips import CHIP_SCHEME, MAX_CHIP, Chip
from noisevote.models.draws.icdf16 import fill_in_numpy
from noisevote.models.noise import standard_normal_table

CHIP = Chip("0123456789abcdef", "a" * 64, 7)
parts = st.sampled_from(["program+", "program-", "nu+", "slow-", "stuck+", "gain", "offset_t"])

GOLDEN_NORMALS = [
    -1.2573330402374268,
    0.4370240867137909,
    -0.6829897165298462,
    1.5050599575042725,
    1.0299053192138672,
]
GOLDEN_UNIFORMS = [0.38239408792737994, 0.6018249507967722, 0.5480041331181205]


def test_the_first_draws_are_those_of_the_scheme() -> None:
    assert CHIP_SCHEME == "chip-sfc64-1"
    assert CHIP.normals("fc1", "program+", (5,)).tolist() == GOLDEN_NORMALS
    assert CHIP.uniforms("fc1", "stuck-", (3,)).tolist() == GOLDEN_UNIFORMS


def test_the_draws_are_made_as_the_description_says() -> None:
    text = json.dumps(["chip-sfc64-1", CHIP.profile, CHIP.weights, 7, "fc1", "nu-"])
    seed = int(hashlib.sha256(text.replace(" ", "").encode()).hexdigest()[:32], 16)
    words = np.random.SFC64(seed).random_raw(3)
    indices = [int(word) >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
    expected = standard_normal_table()[indices][:10].reshape(2, 5)
    assert np.array_equal(CHIP.normals("fc1", "nu-", (2, 5)), expected)
    assert np.array_equal(
        CHIP.uniforms("fc1", "nu-", (3,)), [(int(word) >> 11) / 2**53 for word in words]
    )


def test_draws_are_the_same_without_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [CHIP.normals("fc1", f"nu{chip}", (3, 11_003)) for chip in range(5)]
    monkeypatch.setattr("noisevote.models.devices.chips.FILL", fill_in_numpy)
    for chip, values in enumerate(drawn):
        assert np.array_equal(values, CHIP.normals("fc1", f"nu{chip}", (3, 11_003)))


@given(st.integers(0, MAX_CHIP), st.integers(0, MAX_CHIP), parts, parts, st.text(max_size=5))
def test_chip_point_and_part_each_give_other_draws(
    one: int, other: int, part: str, second: str, point: str
) -> None:
    def first(number: int, point: str, part: str) -> list[float]:
        return list(Chip("p", "w", number).normals(point, part, (8,)))

    assert (first(one, point, part) == first(other, point, part)) == (one == other)
    assert (first(one, point, part) == first(one, point, second)) == (part == second)
    assert first(one, point, part) != first(one, point + "x", part)
    assert first(one, point, part) != list(Chip("q", "w", one).normals(point, part, (8,)))
    assert first(one, point, part) != list(Chip("p", "v", one).normals(point, part, (8,)))


def test_stuck_cells_are_drawn_evenly_and_everything_else_normally() -> None:
    draws = CHIP.draws_of("fc1", (100, 1000))
    uniform, normal = draws("stuck+"), draws("slow+")
    assert 0 <= uniform.min() <= uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 4 / np.sqrt(12 * uniform.size)
    assert abs(normal.mean()) < 4 / np.sqrt(normal.size)
    assert abs(normal.std() - 1) < 4 / np.sqrt(2 * normal.size)
    assert normal.dtype == np.float32


@pytest.mark.parametrize("shape", [(), (0, 4), (1,), (3, 5, 7)])
def test_draws_have_the_shape_that_is_asked_for(shape: tuple[int, ...]) -> None:
    assert CHIP.normals("a", "gain", shape).shape == shape
    assert CHIP.uniforms("a", "stuck+", shape).shape == shape
