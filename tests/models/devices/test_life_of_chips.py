"""Laws of what chips hold: what stays, what grows, what changes nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisevote.models.devices.aging import Life, tables_around
from noisevote.models.devices.cells import BLOCK, AgedWeights, aged_weights, parts_of
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.kept import Kept
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import Profile
from tests.models.devices.oracle import W, device

STORE = DeviceStore()
DRIFT = {"t0_s": 20.0, "nu": 0.05, "nu_std": 0.02}
ages = st.floats(0, 1e9)


def of_chip(
    profile: Profile, age_s: float = 0.0, chip: int = 0, window_s: float = 0.0
) -> AgedWeights:
    draws = Chip(profile.digest, "w", chip).draws_of("fc", W.shape)
    return aged_weights(W, profile, draws, age_s, window_s)


def drawn(_part: str) -> NDArray[Any]:
    raise AssertionError("nothing is drawn")


@pytest.mark.parametrize("mapping", ["pair", "single"])
def test_a_device_without_errors_changes_nothing(mapping: str) -> None:
    profile = device(cell={"g_max_us": 32.0, "g_min_us": 2.0}, array={"mapping": mapping})
    aged = aged_weights(W, profile, drawn, 1e6)
    np.testing.assert_allclose(aged.weights, W, atol=1e-7)
    assert aged.alpha.tolist() == [1.0] * 10
    assert aged.variance.tolist() == [0.0] * 10
    assert not profile.has_frozen_cells


@given(ages, ages)
def test_cells_only_lose_by_drift(first: float, second: float) -> None:
    young, old = sorted([first, second])
    profile = device(drift=DRIFT)
    lost = np.abs(of_chip(profile, young).weights) - np.abs(of_chip(profile, old).weights)
    assert lost.min() >= 0


@given(st.floats(1, 1e9), st.floats(1, 1e9))
def test_a_chip_has_the_same_drift_exponents_at_all_ages(first: float, second: float) -> None:
    profile = device(drift=DRIFT)
    exponents = [
        -np.log(np.abs(of_chip(profile, age).weights) / np.abs(W)) / np.log1p(age / 20)
        for age in (first, second)
    ]
    np.testing.assert_allclose(exponents[0], exponents[1], atol=1e-4)


def test_slow_noise_of_a_chip_keeps_its_pattern_and_grows_with_age() -> None:
    profile = device(flicker={"q": 0.01, "t_read_s": 1e-6})
    hour, day = (of_chip(profile, age, window_s=1e-3).weights - W for age in (3600.0, 86400.0))
    grown = np.sqrt(np.log(86400 / 1e-3) / np.log(3600 / 1e-3))
    np.testing.assert_allclose(day, grown * hour, atol=1e-6)


def test_what_votes_share_less_of_is_fresh_in_each() -> None:
    profile = device(flicker={"q": 0.01, "t_read_s": 1e-6})
    apart, close = (of_chip(profile, 86400.0, window_s=window) for window in (1.0, 1e-5))
    assert np.std(apart.weights - W) < np.std(close.weights - W)
    assert (apart.variance > close.variance).all()
    expected = 0.01**2 * np.log(1.0 / 2e-6) * (W**2).mean(1)
    np.testing.assert_allclose(apart.variance, expected, rtol=1e-6)


def test_an_age_before_the_first_read_has_no_slow_noise() -> None:
    profile = device(flicker={"q": 0.01, "t_read_s": 1.0})
    aged = of_chip(profile, 0.0, window_s=1e-6)
    np.testing.assert_allclose(aged.weights, W, atol=1e-7)
    assert aged.variance.tolist() == [0.0] * 10


@pytest.mark.parametrize("name", STORE.names())
@settings(max_examples=15)
@given(chip=st.integers(0, 2**53 - 1), other=st.integers(0, 2**53 - 1))
def test_chips_differ_where_the_profile_says_so(name: str, chip: int, other: int) -> None:
    profile = STORE.find(name)
    age_s = profile.age_of(None)
    one, again, second = (of_chip(profile, age_s, number) for number in (chip, chip, other))
    assert np.array_equal(one.weights, again.weights)
    is_same = np.array_equal(one.weights, second.weights)
    assert is_same == (chip == other or not profile.has_frozen_cells)


def test_a_chip_is_the_same_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = STORE.find("pcm-hermes-2t")
    whole = of_chip(profile, 3600.0)
    assert W.size < BLOCK
    monkeypatch.setattr("noisevote.models.devices.cells.BLOCK", 130)
    parts = of_chip(profile, 3600.0)
    assert np.array_equal(whole.weights, parts.weights)
    np.testing.assert_allclose(whole.variance, parts.variance)


@pytest.mark.parametrize("name", STORE.names())
def test_cells_in_single_precision_are_those_in_double(name: str) -> None:
    profile = STORE.find(name)
    largest = profile.cell.g_max_us
    target = largest * np.geomspace(1e-9, 1, 20_000).reshape(4, -1)
    draws = Chip(profile.digest, "w", 3).draws_of("fc", target.shape)
    parts = {part[:-1]: draws(part) for part in parts_of(profile) if part.endswith("+")}
    for age_s in (profile.age_of(None), profile.age_of(profile.age_range_s[1])):
        life = Life.of(profile, age_s, 1e-4)
        double, single = (life.cells(target.astype(of), parts) for of in (np.float64, np.float32))
        assert single.held.dtype == np.float32
        for one, other in zip(single, double, strict=True):
            np.testing.assert_allclose(one, other, rtol=3e-6, atol=2e-6 * largest)


def test_the_same_memory_can_take_the_draws_and_weights_of_many_chips() -> None:
    profile, kept, out = STORE.find("pcm-hermes-2t"), Kept(), np.empty(W.shape, np.float32)
    for chip in range(3):
        draws = Chip(profile.digest, "w", chip).draws_of("fc", W.shape, kept)
        aged = aged_weights(W, profile, draws, 3600.0, out=out)
        assert aged.weights is out
        assert np.array_equal(out, of_chip(profile, 3600.0, chip).weights)


def test_weights_in_other_units_are_those_in_array_units() -> None:
    profile, largest = STORE.find("pcm-hermes-2t"), np.linspace(0.5, 7.0, len(W))
    draws = Chip(profile.digest, "w", 0).draws_of("fc", W.shape)
    aged = aged_weights(W * largest[:, None], profile, draws, 3600.0, largest=largest)
    same = of_chip(profile, 3600.0)
    np.testing.assert_allclose(aged.weights / largest[:, None], same.weights, atol=1e-6)
    np.testing.assert_allclose(aged.alpha, same.alpha, rtol=1e-6)
    np.testing.assert_allclose(aged.variance, same.variance, rtol=1e-5)


def test_compensation_gives_the_mean_weight_back() -> None:
    drift = {**DRIFT, "nu_std": 0.0}
    for kind in ("global", "column"):
        aged = of_chip(device(drift=drift, compensation=kind), 86400.0)
        np.testing.assert_allclose(aged.alpha[:, None] * aged.weights, W, atol=1e-6)
    spread = {kind: of_chip(device(drift=DRIFT, compensation=kind), 86400.0) for kind in
              ("none", "global", "column")}  # fmt: skip
    assert set(spread["none"].alpha) == {1.0}
    assert len(set(spread["global"].alpha)) == 1
    back = np.abs(spread["column"].alpha[:, None] * spread["column"].weights).mean(1)
    np.testing.assert_allclose(back, np.abs(W).mean(1), rtol=1e-6)


def test_columns_of_nothing_are_left_alone_by_compensation() -> None:
    profile = device(drift=DRIFT, compensation="column")
    draws = Chip("0", "w", 0).draws_of("fc", (3, 5))
    assert aged_weights(np.zeros((3, 5)), profile, draws, 1e6).alpha.tolist() == [1.0] * 3
    dead = device(program={"stuck_off": 1.0}, compensation="column")
    assert of_chip(dead, 1e6).alpha.tolist() == [1.0] * 10


def test_stuck_cells_come_in_their_shares_and_drift() -> None:
    shape = (100, 1000)
    profile = device(program={"stuck_off": 0.1, "stuck_on": 0.05}, drift={**DRIFT, "nu_std": 0.0})
    draws = Chip("0", "w", 0).draws_of("fc", shape)
    written = aged_weights(np.full(shape, 0.5), profile, draws, 0.0).weights
    old = aged_weights(np.full(shape, 0.5), profile, draws, 86400.0).weights
    for value, share in ((0.5, 0.85 * 0.95), (0.0, 0.1 * 0.95), (1.0, 0.05 * 0.95)):
        found = float(np.mean(np.abs(written - value) < 1e-6))
        assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / written.size)
    np.testing.assert_allclose(old, written * (86420 / 20) ** -0.05, atol=1e-6)


def test_between_tables_of_ages_numbers_are_linear_in_the_logarithm_of_the_age() -> None:
    assert tables_around([1.0, 100.0, 1e4], 10.0) == (0, 1, 0.5)
    assert tables_around([1.0, 100.0, 1e4], 100.0)[2] in {0.0, 1.0}  # type: ignore[index]
    assert tables_around([1.0, 100.0], 0.1) == (0, 0, 0.0)
    assert tables_around([1.0, 100.0], 1e3) == (1, 1, 0.0)
    assert tables_around([], 1e3) is None
    profile = device(
        cell={"g_max_us": 10.0}, array={"mapping": "single"},
        aged=[{"t_s": 1.0, "shift_us": 0.0}, {"t_s": 100.0, "shift_us": 1.0}],
    )  # fmt: skip
    shifts = [of_chip(profile, age_s).weights - W for age_s in (1.0, 10.0, 100.0)]
    for shift, expected in zip(shifts, (0.0, 0.1, 0.2), strict=True):
        np.testing.assert_allclose(shift, expected, atol=1e-6)


def test_relaxation_moves_all_cells_alike_and_spreads_them() -> None:
    profile = device(
        cell={"g_max_us": 100.0}, array={"mapping": "single"},
        relaxation={"mean_us": -0.1, "std_us": [0.0, 0.0]},
    )  # fmt: skip
    np.testing.assert_allclose(of_chip(profile, 0.0).weights, W, atol=1e-6)
    moved = of_chip(profile, np.e**10).weights - W
    np.testing.assert_allclose(moved[W > -0.9], -1.0 / 50, atol=1e-6)
    wide = profile.model_copy(
        update={"relaxation": profile.relaxation.model_copy(update={"std_us": (1.0, 0.5)})}  # type: ignore[union-attr]
    )
    moved = (of_chip(wide, np.e**2).weights - W)[W > -0.8]
    assert float(moved.std() * 50) == pytest.approx(2.0, rel=0.2)


def test_weight_read_noise_counts_each_row_and_by_magnitude_where_it_is_said() -> None:
    same = of_chip(device(read={"w": 0.02}))
    np.testing.assert_allclose(same.variance, 0.02**2)
    by_weight = of_chip(device(read={"w": 0.02, "w_form": "pcm"}))
    np.testing.assert_allclose(by_weight.variance, 0.02**2 * np.abs(W).mean(1), rtol=1e-6)


def test_read_noise_of_cells_is_the_mean_of_both_cells_over_a_column() -> None:
    profile = device(
        cell={"g_max_us": 12.0, "g_min_us": 2.0}, read={"cell_std_us": {"coefficients": [0, 1.2]}}
    )
    big, small = (2 + 10 * np.abs(W)) / 10, 2 / 10
    expected = (0.1**2 * (big**2 + small**2)).mean(1)
    np.testing.assert_allclose(of_chip(profile).variance, expected, rtol=1e-6)


def test_only_the_parts_that_a_profile_has_are_drawn() -> None:
    assert parts_of(device()) == ()
    assert parts_of(device(program={"std_us": 1.0})) == ("program+", "program-")
    assert parts_of(STORE.find("reram-cmo")) == ("program+", "relaxation+", "slow+")
    assert parts_of(STORE.find("sonos-40nm")) == ("program+", "program-")


def test_weights_that_are_no_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\); needed is \[columns, rows\]"):
        aged_weights(np.zeros(3), device(), drawn, 0.0)
