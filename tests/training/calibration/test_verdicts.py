"""A wrong model is called wrong, and nothing is claimed that was not measured."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from noisevote.models.devices.curves import Piece
from noisevote.models.devices.profile import Profile, profile_of, read_profile
from noisevote.training.calibration.calibrate import Calibration, calibrate
from noisevote.training.calibration.measurement_writer import write_measurements
from noisevote.training.calibration.measurements import Directives, Measurements
from noisevote.training.calibration.profile_file import profile_text
from noisevote.training.calibration.simulate import SimulationPlan, pink, simulated
from noisevote.training.calibration.verdict import notes_on, verdict_of
from tests.training.calibration.bench import Floats, Truth, measurements
from tests.training.support import run

TRUTH = Truth()


def device(z: Floats, seed: int = 1) -> Measurements:
    """Return readings with given standardised noise ``[repeats, vectors, columns]``."""
    generator = np.random.default_rng(seed)
    ideal = generator.standard_normal(z.shape[1:])
    means = TRUTH.means(ideal, generator)
    return measurements(ideal, means + TRUTH.deviation(means) * z)


def white(repeats: int = 20, seed: int = 2, columns: int = 16) -> Floats:
    return np.random.default_rng(seed).standard_normal((repeats, 100, columns))


def autoregressive(correlation: float, repeats: int = 20) -> Floats:
    z = white(repeats)
    for repeat in range(1, repeats):
        z[repeat] = correlation * z[repeat - 1] + math.sqrt(1 - correlation**2) * z[repeat]
    return z


def test_a_right_model_is_called_right_on_forty_devices() -> None:
    """A right model is called wrong on one device in a thousand."""
    founds = [calibrate(device(white(8, seed), seed), seed, 2) for seed in range(40)]
    assert sum(found.describes for found in founds) >= 39
    assert sum(not found.order.is_correlated for found in founds) >= 39
    assert sum(not found.order.has_common_part for found in founds) >= 39
    assert verdict_of(founds[0]).startswith("The noise model describes the read noise")
    assert "Reads are independent as far as 8 repeats tell" in verdict_of(founds[0])


def test_reads_that_remember_are_told_by_their_lag_alone() -> None:
    found = calibrate(device(autoregressive(0.5)), 0, 10)
    assert found.describes
    assert found.order.lag_1 == pytest.approx(0.467, abs=0.015)
    verdict = verdict_of(found)
    assert "Reads are not independent (lag-1 correlation 0.46): votes gain less than 1/N" in verdict
    assert "the mean of 8 reads is as good as that of" in verdict
    assert "Their memory is short" in verdict
    assert found.flicker is None


def test_jumps_of_two_in_a_hundred_readings_are_no_gaussian_noise() -> None:
    z = white()
    generator = np.random.default_rng(3)
    jumps = generator.random(z.shape) < 0.02
    found = calibrate(device(z + jumps * 10 * generator.standard_normal(z.shape)), 0, 10)
    assert found.shape.kurtosis > 5
    assert verdict_of(found).startswith("The noise model does not describe the device")


@pytest.mark.parametrize("repeats", [2, 20])
def test_heavy_tails_are_no_gaussian_noise(repeats: int) -> None:
    z = np.random.default_rng(4).standard_t(6, (repeats, 100, 16)) / math.sqrt(1.5)
    found = calibrate(device(z), 0, 10)
    assert found.shape.kurtosis > 1
    assert "the noise has heavy tails" in verdict_of(found)


def test_noise_of_another_law_is_called_wrong_on_held_out_vectors() -> None:
    """Readings that are quietest at medium signals fit no a, b and c."""
    generator = np.random.default_rng(5)
    ideal = generator.uniform(-1, 1, (100, 16))
    deviation = 0.05 + 0.1 * np.abs(np.abs(ideal) - 0.5)
    found = calibrate(measurements(ideal, ideal + deviation * white()), 0, 10)
    assert found.worst_p < 0.001 / 3
    assert "on held-out vectors the variance is" in verdict_of(found)


def test_columns_that_deviate_together_are_told() -> None:
    z = white()
    common = np.random.default_rng(6).standard_normal((20, 100, 1))
    found = calibrate(device(np.sqrt(0.8) * z + np.sqrt(0.2) * common), 0, 10)
    assert found.order.between_columns == pytest.approx(0.2, abs=0.03)
    assert "Columns that are read together deviate together" in verdict_of(found)


def test_a_device_that_wanders_while_it_is_read_is_told() -> None:
    steps = white()
    found = calibrate(device(np.cumsum(0.5 * steps, 0) + 0.3 * white(seed=7)), 0, 10)
    assert "drifts or jumps while it is read" in verdict_of(found)


def test_with_two_repeats_nothing_is_said_about_their_order() -> None:
    verdict = verdict_of(calibrate(device(white(2)), 0, 10))
    assert "Whether reads are independent was not measured; it takes 3 repeats." in verdict
    assert "independent as far" not in verdict


def test_with_few_repeats_the_kind_of_memory_is_left_open() -> None:
    verdict = verdict_of(calibrate(device(autoregressive(0.5, 8)), 0, 10))
    assert "Of which kind was not measured; it takes 16 repeats." in verdict


def test_read_noise_below_the_step_is_an_upper_bound() -> None:
    ideal, readings = TRUTH.readings(20, np.random.default_rng(8))
    found = calibrate(measurements(ideal, np.round(readings / 0.3) * 0.3), 0, 10)
    assert "a is an upper bound" in verdict_of(found)


def test_chips_that_differ_are_told() -> None:
    generator = np.random.default_rng(9)
    ideal = generator.standard_normal((60, 32))
    gains = np.repeat([0.9, 1.1], 16) + 0.02 * generator.standard_normal(32)
    readings = gains * ideal + 0.05 * generator.standard_normal((1, 8, 60, 32))
    chips = ("left",) * 16 + ("right",) * 16
    found = calibrate(Measurements(ideal, readings, chips=chips), 0, 10)
    assert "Chips differ in their mean gain" in verdict_of(found)
    same = calibrate(Measurements(ideal, readings - gains * ideal + ideal, chips=chips), 0, 10)
    assert "Chips differ" not in verdict_of(same)


def test_what_was_not_measured_is_listed() -> None:
    notes = " ".join(notes_on(calibrate(device(white()), 0, 10)))
    for part in (
        "The unit of the file was taken for the array unit",
        "Frozen errors of weights: not in the profile",
        "Read noise of weights: not told from a",
        "Drift: not measured",
        "Temperature: not measured",
        "Differences between chips: not measured",
        "no step was seen",
    ):
        assert part in notes


def test_1_over_f_noise_is_found_with_its_strength() -> None:
    """Of variance 1 for each factor e of frequencies; 10 % is six standard errors."""
    z = pink((64, 100, 16), 1.0, np.random.default_rng(10))
    generator = np.random.default_rng(11)
    ideal = generator.standard_normal((100, 16))
    noise = 0.1 * z + 0.1 * generator.standard_normal(z.shape)
    found = calibrate(measurements(ideal, ideal + noise), 0, 10)
    assert found.flicker is not None
    assert found.flicker.variance == pytest.approx(0.01, rel=0.1)
    assert "Their means behave as under 1/f noise; without #reads_gap_s and x_norm" in (
        verdict_of(found)
    )


def flickering() -> Profile:
    return profile_of(
        {
            "profile": 1,
            "name": "flickering",
            "cell": {"g_max_us": 2.0, "g_min_us": 1.0},
            "flicker": {"q": {"power": [0.01, -1.0]}, "t_read_s": 5e-7, "vote_gap_s": 1e-6},
            "read": {"a": 0.02},
        }
    )


def test_a_profile_with_1_over_f_noise_comes_back() -> None:
    simulation = simulated(flickering(), SimulationPlan(repeats=64, seed=12))
    assert simulation.directives == Directives("array units", 1.0, 1.0, 1e-6, rows=64)
    found = calibrate(simulation, 0, 20)
    profile = read_profile(profile_text(found, "again", ""))
    assert profile.flicker is not None
    assert isinstance(profile.flicker.q, Piece)
    assert profile.flicker.q.power is not None
    # q of a cell over its conductance: 0.01 of the largest one, here and there.
    assert profile.flicker.q.power[0] * profile.cell.g_max_us == pytest.approx(0.02, rel=0.1)
    assert profile.read.a < 0.03


def test_what_of_the_read_noise_is_1_over_f_noise_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_measurements(simulated(flickering(), SimulationPlan(repeats=64)), tmp_path / "m.npz")
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "calibrate-device", "m.npz", "--name", "a") == 0
    shown = " ".join(capsys.readouterr().out.split())
    text = (tmp_path / "a.toml").read_text()
    profile = read_profile(text)
    read = profile.read
    for told in ("read noise a, 1/f included", "without 1/f, as in the", f"w = {read.w:.3g}"):
        assert told in shown
    w = next(line for line in text.splitlines() if line.startswith("w = "))
    (both,) = re.findall(r"; (\S+) with the 1/f part", w)
    assert float(both) > 1.2 * read.w


def test_without_1_over_f_noise_the_table_and_the_profile_hold_the_same() -> None:
    found = calibrate(device(white()), 0, 10)
    assert found.fresh_share == 1
    assert "1/f" not in profile_text(found, "a", "")
    profile = read_profile(profile_text(found, "a", ""))
    assert profile.read.a == pytest.approx(found.noise.a.value, rel=1e-4)


@pytest.mark.parametrize(("ages", "known"), [((60.0, 86400.0), (60, 86400)), ((60.0,), None)])
def test_1_over_f_noise_is_known_for_the_ages_that_were_measured(
    ages: tuple[float, ...], known: tuple[float, float] | None
) -> None:
    """One age is no range; what a profile holds for at least, and at most, must differ."""
    plan = SimulationPlan(repeats=64, ages_s=ages, seed=12)
    found = calibrate(simulated(flickering(), plan), 0, 4)
    profile = read_profile(profile_text(found, "again", ""))
    assert profile.drift is None
    assert profile.depends_on_age
    assert profile.ages_s == known


def test_equal_repeats_are_told_as_no_noise() -> None:
    ideal, readings = TRUTH.readings(1, np.random.default_rng(13))
    found = calibrate(measurements(ideal, np.repeat(readings, 4, 0)), 0, 4)
    assert verdict_of(found) == "No read noise was seen: all repeats of a reading are equal."
    assert found.noise.a.value == 0


def test_signals_without_noise_are_no_heavy_tails() -> None:
    """Noise that is relative to the signal, and an eighth of the signals 0."""
    generator = np.random.default_rng(14)
    ideal = generator.standard_normal((96, 16))
    ideal[:12] = 0
    found = calibrate(measurements(ideal, ideal * (1 + 0.1 * white()[:, :96])), 0, 10)
    assert found.noise.b.has(0.1)
    assert found.describes


def test_small_measurements_are_not_called_wrong_by_chance() -> None:
    """Of the smallest measurements a right model is called wrong on one in a thousand."""
    founds = []
    for seed in range(100):
        ideal, readings = TRUTH.readings(2, np.random.default_rng([15, seed]), 30, 8)
        founds.append(calibrate(measurements(ideal, readings), seed, 2))
    assert sum(found.describes for found in founds) >= 98


def notes_and_text(found: Calibration) -> str:
    return " ".join([*notes_on(found), profile_text(found, "device", "")])


def test_of_drift_it_is_told_that_nothing_compensates_it() -> None:
    drifting = profile_of(
        {"profile": 1, "name": "d", "read": {"a": 0.05}, "drift": {"t0_s": 20.0, "nu": 0.05}}
    )
    found = calibrate(simulated(drifting, SimulationPlan(ages_s=(60.0, 86400.0))), 0, 4)
    text = notes_and_text(found)
    assert 'the profile has compensation = "none", as it was measured' in text
    assert '\ncompensation = "none"  # write "global" if your system rescales its outputs' in text
    rescaled = profile_text(found, "d", "").replace('"none"', '"global"')
    assert read_profile(rescaled).compensation == "global"


@pytest.mark.parametrize(
    ("nu", "note"), [(0.0, "Drift: not told from none"), (-0.05, "Drift: the gain grows")]
)
def test_without_loss_there_is_no_drift_in_the_profile(nu: float, note: str) -> None:
    generator, ages = np.random.default_rng(16), np.array([60.0, 3600.0, 86400.0])
    ideal = generator.standard_normal((60, 16))
    gains = ((ages + 20) / 20) ** -nu
    noise = 0.05 * generator.standard_normal((3, 8, 60, 16))
    found = calibrate(Measurements(ideal, gains[:, None, None, None] * ideal + noise, ages_s=ages))
    assert note in " ".join(notes_on(found))
    profile = read_profile(profile_text(found, "still", ""))
    assert profile.drift is None
    assert profile.ages_s is None
    assert "compensation" not in notes_and_text(found)
    assert profile.column.gain == pytest.approx(found.gain.value, rel=1e-4)
