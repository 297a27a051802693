"""A profile's converter clips what was seen to be clipped, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.devices.profile import Profile, profile_of, read_profile
from noisevote.training.calibration.calibrate import Calibration, calibrate
from noisevote.training.calibration.converter import Converter
from noisevote.training.calibration.profile_file import profile_text
from noisevote.training.calibration.simulate import SimulatedDevice, SimulationPlan, simulated
from noisevote.training.calibration.verdict import verdict_of
from tests.training.calibration.bench import Floats, Truth, measurements

TRUTH = Truth(gain=1.0, offset=0.0, a=0.1)


def read_as(profile: Profile, outputs: Floats) -> Floats:
    """Return what a profile's converter makes of outputs."""
    return SimulatedDevice(profile, SimulationPlan(), np.random.default_rng(0)).converted(outputs)


def calibrated(readings: Floats, ideal: Floats) -> tuple[Calibration, Profile]:
    found = calibrate(measurements(ideal, readings), 0, 2)
    return found, read_profile(profile_text(found, "again", ""))


def test_a_range_that_was_not_reached_stays_open() -> None:
    truth = profile_of(
        {
            "profile": 1,
            "name": "wide",
            "read": {"a": 0.1},
            "adc": {"bits": 10, "bound": 40.0},
        }
    )
    measured = simulated(truth, SimulationPlan(repeats=4))
    found = calibrate(measured, 0, 2)
    text = profile_text(found, "again", "")
    again = read_profile(text)
    largest = float(np.abs(measured.measured).max())
    assert largest < 20
    outputs = np.linspace(-100, 100, 999) * largest
    step = 40 / 511
    assert np.abs(read_as(again, outputs) - outputs).max() < 0.51 * step
    few = np.linspace(-40, 40, 999)
    assert np.abs(read_as(again, few) - read_as(truth, few)).max() < 1.01 * step
    assert "left open, with bits to spare: the converter's range was not reached" in text
    assert "range was not reached (readings reach from" in verdict_of(found)


@pytest.mark.parametrize("steps", [31, 32, 63, 100])
def test_a_range_that_was_reached_is_the_measured_one(steps: int) -> None:
    ideal, readings = TRUTH.readings(4, np.random.default_rng(1))
    step = 1.6 / steps
    found, again = calibrated(np.clip(np.rint(readings / step), -steps, steps) * step, ideal)
    assert found.converter.range is not None
    assert found.converter.range.is_measured
    assert read_as(again, np.array([-9.0, 9.0])) == pytest.approx([-1.6, 1.6], abs=1.01 * step)
    assert "range was not reached" not in verdict_of(found)


def test_clipping_at_the_nearer_end_alone_leaves_the_range_open() -> None:
    ideal, readings = TRUTH.readings(4, np.random.default_rng(2))
    step = 1 / 32
    rounded = np.maximum(np.rint(readings / step) * step, -1)
    found, again = calibrated(rounded, ideal)
    assert found.converter.clipped[0] > 0.05
    assert read_as(again, np.array([99.0])) == pytest.approx([99], abs=step)
    assert "clips at the end nearer to 0 (readings reach from -1 to" in verdict_of(found)


@given(
    step=st.floats(1e-3, 1),
    low=st.integers(-3000, 0),
    high=st.integers(1, 3000),
    clips=st.tuples(st.booleans(), st.booleans()),
)
def test_all_that_was_read_is_read_again(
    step: float, low: int, high: int, clips: tuple[bool, bool]
) -> None:
    """Up to half a step where that is finer, and a whole one below two's complement's -1."""
    shares = (0.1 * clips[0], 0.1 * clips[1])
    held = Converter(step, high - low + 1, low * step, high * step, shares).range
    assert held is not None
    most = 2 ** (held.bits - 1) - 1
    places = np.array([low, high, (low + high) // 2]) * step
    again = np.clip(np.rint(places / held.bound * most), -most, most) * held.bound / most
    assert np.abs(again - places).max() <= 1.001 * step
    if held.is_measured:
        assert held.bound <= 1.001 * max(-low, high) * step
    else:
        assert held.bound >= 1000 * max(-low, high) * step


def test_a_converter_of_more_bits_than_a_profile_can_hold_is_left_out() -> None:
    assert Converter(1.0, 2**24, -(2.0**23), 2.0**24, (0, 0)).range is None
