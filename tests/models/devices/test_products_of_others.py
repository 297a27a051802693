"""Matrix-vector products on a device against those that aihwkit and CrossSim computed.

Ours and theirs are the same where they differ by less than four combined standard errors; a right
one fails that with a chance of 6e-5. Deviations that differ by chip are compared where there were
200 chips or more.
"""

from functools import partial

import numpy as np
import pytest

from noisevote.models.devices.cells import aged_weights
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import Profile
from tests.models.devices.oracle import (
    IDEAL,
    Figure,
    Floats,
    W,
    X,
    converted,
    device,
    held,
    spread,
)

PCM = DeviceStore().find("pcm-nandakumar")
DAY = 86400.0


def of_wan_in_cross_sim() -> Profile:
    """CrossSim fits the same measurements otherwise than aihwkit; in uS, up to 39.26."""
    g = 39.26
    std = [1.053, 0.2374 * g, -1.167e-2 * g**2, 1.536e-4 * g**3]
    return device(cell={"g_max_us": g}, program={"std_us": {"coefficients": std}})


WRITTEN = PCM.model_copy(update={"flicker": None, "drift": None})
UNCOMPENSATED = PCM.model_copy(update={"compensation": "none"})
SONOS = DeviceStore().find("sonos-40nm")

Case = tuple[Profile, float, float, Figure, Figure | None]
CASES: dict[str, Case] = {  # device, age, mean, total deviation, that by chip
    "prog_only": (WRITTEN, 0.0, 0.00058, Figure(0.12646, 0.00088 / 1.96), None),
    "prog_drift_1d_nocomp": (
        UNCOMPENSATED, DAY, 0.00747, Figure(0.50127, 0.00347 / 1.96), None,
    ),
    "prog_drift_1d_gdc": (PCM, DAY, -0.0013, Figure(0.20727, 0.00144 / 1.96), None),
    "generic_prog_indep_0.02": (
        device(program={"std_us": 0.02}), 0.0, 0.00002,
        Figure.interval(0.11116, 0.11052, 0.11178), Figure.interval(0.10498, 0.10423, 0.10538),
    ),
    "generic_prog_prop_0.02": (
        device(program={"std_us": {"coefficients": [0, 0.02]}}), 0.0, -0.00013,
        Figure.interval(0.02709, 0.02688, 0.02729), Figure.interval(0.02708, 0.02682, 0.02724),
    ),
    "PCMJoshi": (
        DeviceStore().find("pcm-joshi"), 0.0, -0.00048,
        Figure.interval(0.13429, 0.13349, 0.13509), Figure.interval(0.13413, 0.13312, 0.13475),
    ),
    "RRAMWan": (
        of_wan_in_cross_sim(), 0.0, -0.00047,
        Figure.interval(0.25920, 0.25774, 0.26056), Figure.interval(0.25473, 0.25279, 0.25563),
    ),
    "SONOS_t0": (
        SONOS, 60.0, -0.00015,
        Figure.interval(0.04482, 0.04452, 0.04510), Figure.interval(0.04481, 0.04444, 0.04502),
    ),
    "SONOS_drift_t1d": (
        SONOS, DAY, -0.00033,
        Figure.interval(0.05721, 0.05685, 0.05760), Figure.interval(0.05682, 0.05630, 0.05708),
    ),
}  # fmt: skip


def mean_of(errors: Floats) -> float:
    return float(errors.mean())


def deviation_of(errors: Floats) -> float:
    return float(errors.std())


@pytest.mark.parametrize("name", CASES)
def test_errors_of_products_are_those_of_the_other_program(name: str) -> None:
    profile, age_s, mean, total, by_chip = CASES[name]
    errors = held(profile, 300, age_s)
    ours = Figure.of(errors, mean_of)
    assert ours.agrees_with(Figure(mean, ours.error))  # theirs are of as many chips, or more
    assert Figure.of(errors, deviation_of).agrees_with(total)
    if by_chip is not None:
        assert Figure.of(errors, spread).agrees_with(by_chip)


def test_drift_its_compensation_converters_and_read_noise_together_are_those_of_aihwkit() -> None:
    chips, reads, random = 200, 8, np.random.default_rng(1)
    inputs = converted(X, 8, 1.0)
    errors = np.empty((chips, reads, *IDEAL.shape))
    for number in range(chips):
        draws = Chip("combined", "w", number).draws_of("fc", W.shape)
        aged = aged_weights(W, PCM, draws, DAY)
        read = inputs @ aged.weights.T + 0.04 * random.standard_normal((reads, *IDEAL.shape))
        errors[number] = converted(read, 8, 10.0) * aged.alpha - IDEAL
    figure = partial(Figure.of, draws=40)
    ours = figure(errors, mean_of)
    assert ours.agrees_with(Figure(-0.00068, ours.error))
    assert figure(errors, deviation_of).agrees_with(Figure.interval(0.21624, 0.21481, 0.21769))
    fresh = figure(errors, lambda e: float(np.sqrt(e.var(1, ddof=1).mean())))
    assert fresh.agrees_with(Figure.interval(0.06918, 0.06903, 0.06934))
    by_chip = figure(errors, lambda e: spread(e.mean(1)))
    assert by_chip.agrees_with(Figure.interval(0.20159, 0.19964, 0.20267))


@pytest.mark.parametrize(
    ("profile", "age_s", "theirs"),
    [
        (SONOS, 60.0, Figure.interval(0.02684, 0.02672, 0.02696)),
        (
            device(read={"cell_std_us": {"coefficients": [0, 0.02]}}),
            0.0,
            Figure.interval(0.02715, 0.02699, 0.02731),
        ),
    ],
    ids=["SONOS_t0_read", "generic_read_prop_0.02"],
)
def test_read_noise_of_cells_is_that_of_cross_sim(
    profile: Profile, age_s: float, theirs: Figure
) -> None:
    squares = (X**2).sum(1)
    variances = []
    for number in range(20):
        draws = Chip("read", "w", number).draws_of("fc", W.shape)
        variances.append(np.outer(squares, aged_weights(W, profile, draws, age_s).variance))
    deviation = float(np.sqrt(np.mean(variances)))  # of many reads: known, not drawn
    assert Figure(deviation, 0.0).agrees_with(theirs)


@pytest.mark.parametrize(
    ("bound", "mean", "deviation"),
    [(10.0, 0.00194, 0.023344), (2.0, 0.03516, 0.293060)],
)
def test_converters_are_those_of_both_to_all_digits(
    bound: float, mean: float, deviation: float
) -> None:
    errors = converted(converted(X, 8, 1.0) @ W.T, 8, bound) - IDEAL
    assert float(errors.mean()) == pytest.approx(mean, abs=5e-6)
    assert float(errors.std()) == pytest.approx(deviation, abs=5e-7)
