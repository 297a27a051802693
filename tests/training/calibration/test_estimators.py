"""Estimators against simulated devices whose truth is known."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from noisevote.models.devices.profile import read_profile
from noisevote.training.calibration.calibrate import calibrate
from noisevote.training.calibration.column_fits import column_fits
from noisevote.training.calibration.converter import converter_of
from noisevote.training.calibration.measurements import Directives, Measurements
from noisevote.training.calibration.profile_file import profile_text
from tests.training.calibration.bench import Floats, Truth, held, measurements

PLAIN = Truth()
STRONG = Truth(frozen=0.05, a=0.02, b=0.2, c=0.0)


def held_by(truth: Truth, devices: int, shape: tuple[int, int], replicates: int) -> Counter[str]:
    """Return how many intervals hold the truth; shape is repeats and vectors."""
    counts: Counter[str] = Counter()
    for device in range(devices):
        ideal, readings = truth.readings(shape[0], np.random.default_rng([7, device]), shape[1])
        found = calibrate(measurements(ideal, readings), device, replicates)
        counts.update(name for name, holds in held(found, truth).items() if holds)
    return counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("truth", "shape"), [(PLAIN, (20, 100)), (STRONG, (8, 60))], ids=["plain", "strong"]
)
def test_intervals_hold_the_truth_on_at_least_366_of_400_devices(
    truth: Truth, shape: tuple[int, int]
) -> None:
    """Eight estimates; a correct interval fails with less than 0.2 %."""
    counts = held_by(truth, 400, shape, 200)
    print(truth, shape, dict(counts))  # noqa: T201
    assert min(counts[name] for name in counts) >= 366
    assert len(counts) == 8


@pytest.mark.parametrize("truth", [PLAIN, STRONG], ids=["plain", "strong"])
def test_intervals_hold_the_truth_on_most_devices(truth: Truth) -> None:
    """At least 18 of 24: a correct interval fails with less than 0.02 %; eight of them."""
    counts = held_by(truth, 24, (8, 60), 40)
    assert min(counts[name] for name in counts) >= 18
    assert len(counts) == 8


def test_two_repeats_are_enough_for_the_read_noise() -> None:
    """With a few readings the signal is known badly, which must not look like noise of it."""
    truth = Truth(a=0.3, b=0.0, c=0.0, frozen=0.0)
    found = calibrate(measurements(*truth.readings(2, np.random.default_rng(1), 200, 32)), 0, 40)
    assert found.noise.a.has(0.3)
    assert found.noise.a.value == pytest.approx(0.3, rel=0.05)
    assert found.noise.b.low == 0


@pytest.mark.parametrize("repeats", [2, 20])
@pytest.mark.parametrize(("bits", "levels"), [(4, 16), (8, 256)])
def test_the_step_of_a_converter_is_found_exactly(repeats: int, bits: int, levels: int) -> None:
    truth, step = Truth(a=0.1), 6 / (levels - 1)
    _, readings = truth.readings(repeats, np.random.default_rng(3))
    read = np.clip(np.floor(1.4 * readings / step), -levels / 2, levels / 2 - 1) * step
    found = converter_of(read)
    assert found.step == pytest.approx(step, rel=1e-9)
    assert found.range is not None
    assert (found.levels, found.range.bits) == (levels, bits)
    assert found.range.bound == pytest.approx(step * (levels / 2 - 1))
    assert found.clipped[0] > 0.005
    assert found.clipped[1] > 0.005


def test_a_step_is_found_in_readings_that_were_rounded_for_a_file() -> None:
    _, readings = PLAIN.readings(20, np.random.default_rng(4))
    read = np.round(np.round(readings / 0.0235294) * 0.0235294, 4)
    assert converter_of(read).step == pytest.approx(0.0235294, rel=1e-4)


def test_no_converter_is_found_where_there_is_none() -> None:
    for device in range(20):
        _, readings = PLAIN.readings(20, np.random.default_rng([5, device]))
        found = converter_of(readings)
        assert (found.step, found.clipped) == (None, (0, 0))


def test_the_converter_is_not_taken_for_read_noise() -> None:
    truth, step = Truth(b=0.0, c=0.0), 0.08
    ideal, readings = truth.readings(20, np.random.default_rng(6))
    found = calibrate(measurements(ideal, np.round(readings / step) * step), 0, 60)
    assert found.converter.step == pytest.approx(step)
    assert found.noise.a.has(truth.a)
    assert math.sqrt(truth.a**2 + step**2 / 12) > found.noise.a.high


def test_clipped_readings_change_neither_gain_nor_noise() -> None:
    truth = Truth(b=0.0, c=0.0)
    ideal, readings = truth.readings(20, np.random.default_rng(8))
    whole = calibrate(measurements(ideal, readings), 0, 40)
    clipped = calibrate(measurements(ideal, np.clip(readings, -1.5, 1.5)), 0, 40)
    assert clipped.gain.value == pytest.approx(whole.gain.value, abs=0.01)
    assert clipped.noise.a.has(truth.a)
    assert clipped.describes


def aged(nu: float, spread: float, generator: np.random.Generator) -> Measurements:
    ages = np.array([60.0, 600.0, 3600.0, 20000.0, 86400.0])
    ideal = generator.standard_normal((60, 16))
    exponents = nu + spread * generator.standard_normal(16)
    errors = 0.02 * generator.standard_normal(ideal.shape)
    means = [(ideal + errors) * ((age + 20) / 20) ** -exponents for age in ages]
    readings = np.stack(means)[:, None] + 0.05 * generator.standard_normal((5, 8, *ideal.shape))
    return Measurements(ideal, readings, ages_s=ages)


def test_the_drift_exponent_and_its_spread_are_found() -> None:
    """At least 29 of 40 intervals each: a correct one fails with less than 0.001 %."""
    holds = Counter[str]()
    for device in range(40):
        found = calibrate(aged(0.05, 0.008, np.random.default_rng([9, device])), 0, 2).drift
        assert found is not None
        holds["nu"] += found.nu.has(0.05)
        holds["spread"] += found.nu_spread.has(0.008)
        assert found.curvature_p is not None
        holds["straight"] += found.curvature_p > 0.001
    assert min(holds.values()) >= 29
    assert holds["straight"] >= 38


def test_the_gain_of_a_profile_is_that_before_the_drift() -> None:
    found = calibrate(aged(0.05, 0.0, np.random.default_rng(14)), 0, 2)
    assert found.gain.value == pytest.approx(4**-0.05, rel=0.01)
    assert read_profile(profile_text(found, "aged", "")).column.gain == pytest.approx(1, rel=0.02)


@pytest.mark.slow
def test_the_drift_exponent_is_held_on_at_least_366_of_400_devices() -> None:
    holds = Counter[str]()
    for device in range(400):
        found = calibrate(aged(0.05, 0.008, np.random.default_rng([10, device])), 0, 2).drift
        assert found is not None
        holds["nu"] += found.nu.has(0.05)
        holds["spread"] += found.nu_spread.has(0.008)
    print(dict(holds))  # noqa: T201
    assert min(holds.values()) >= 366


def test_what_warmth_does_is_found() -> None:
    generator = np.random.default_rng(11)
    ideal = generator.standard_normal((60, 64))
    offsets = 0.001 + 0.0005 * generator.standard_normal(64)
    means = [(1 - 0.002 * k) * ideal + offsets * k for k in (0, 20, 40)]
    readings = np.stack(means)[:, None] + 0.05 * generator.standard_normal((3, 8, *ideal.shape))
    warmth = np.array([25.0, 45.0, 65.0])
    found = calibrate(Measurements(ideal, readings, temperatures_c=warmth), 0, 2).temperature
    assert found is not None
    assert found.reference_c == 25
    assert found.gain_per_k.value == pytest.approx(-0.002, rel=0.02)
    assert found.offset_per_k.has(0.001)
    assert found.offset_spread_per_k.has(0.0005)


def test_standard_errors_of_lines_are_those_of_least_squares() -> None:
    generator = np.random.default_rng(15)
    ideal = 3 + generator.standard_normal((30, 4))
    mean = 2 * ideal - 1 + 0.2 * generator.standard_normal(ideal.shape)
    variance = 0.04 * np.exp(ideal)
    fits = column_fits(ideal, mean, np.ones(ideal.shape), variance)
    for column in range(4):
        of_means = np.linalg.pinv(np.vander(ideal[:, column], 2))
        line, errors = of_means @ mean[:, column], of_means**2 @ variance[:, column]
        assert (fits.gain[column], fits.offset[column]) == pytest.approx(tuple(line))
        found = fits.gain_variance[column], fits.offset_variance[column]
        assert found == pytest.approx(tuple(errors))


def weights_and_inputs(generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Return weights in array units ``[columns, rows]`` and inputs ``[vectors, rows]``."""
    normals = generator.standard_normal((24, 64))
    x = generator.uniform(-1, 1, (120, 64)) * generator.uniform(0.1, 1, (120, 1))
    return normals / np.abs(normals).max(1, keepdims=True), x


def in_array(w: Floats, x: Floats, readings: Floats) -> Measurements:
    norms = np.repeat(np.linalg.norm(x, axis=1)[:, None], len(w), 1)
    return Measurements(x @ w.T, readings[None], norms, x**2 @ np.abs(w).T)


@pytest.mark.parametrize("form", ["norm", "pcm"])
def test_read_noise_of_weights_is_told_from_that_of_outputs(form: str) -> None:
    generator = np.random.default_rng(12)
    w, x = weights_and_inputs(generator)
    w = w * np.linspace(0.1, 1, len(w))[:, None]  # mean weights differ by column
    variance = {"norm": (x**2).sum(1, keepdims=True), "pcm": x**2 @ np.abs(w).T}[form]
    z = generator.standard_normal((20, len(x), len(w)))
    readings = x @ w.T + np.sqrt(0.03**2 + 0.02**2 * variance) * z
    noise = calibrate(in_array(w, x, readings), 0, 60).noise
    assert noise.read.form == form
    assert noise.w is not None
    assert noise.w.has(0.02)
    assert noise.a.has(0.03)


@pytest.mark.parametrize("grows", [False, True])
def test_frozen_errors_of_weights_are_found_and_whether_they_grow(grows: bool) -> None:
    generator = np.random.default_rng(13)
    w, x = weights_and_inputs(generator)
    w = np.sign(w) * np.abs(w) ** np.linspace(0.3, 3, len(w))[:, None]
    std = np.sqrt(0.03**2 * np.abs(w)) if grows else np.full(w.shape, 0.02)
    held_weights = w + std * generator.standard_normal(w.shape)
    readings = x @ held_weights.T + 0.02 * generator.standard_normal((10, len(x), len(w)))
    noise = calibrate(in_array(w, x, readings), 0, 100).noise
    assert noise.grows == grows
    assert noise.weight_std is not None
    if not grows:
        assert noise.weight_std.has(0.02)
    else:
        assert noise.frozen.weight_growth == pytest.approx(0.03**2, rel=0.4)


def test_errors_of_weights_are_no_spread_of_gains_where_the_rows_are_known() -> None:
    """Of errors e the gain has the part ``e w / w^2``."""
    generator = np.random.default_rng(16)
    w, x = weights_and_inputs(generator)
    held_weights = w + 0.1 * generator.standard_normal(w.shape)
    readings = x @ held_weights.T + 0.02 * generator.standard_normal((10, len(x), len(w)))
    measured = in_array(w, x, readings)
    known = replace(measured, directives=Directives(rows=w.shape[1]))
    of_both, of_gains = (calibrate(each, 0, 4).gain_spread for each in (measured, known))
    expected = np.mean(0.1**2 / (w**2).sum(1))
    assert of_both.high**2 - of_gains.high**2 == pytest.approx(expected, rel=0.2)
