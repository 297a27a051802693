"""Cells against the figures of aihwkit's noise models: mean and deviation at each conductance.

Each figure of theirs is of a million cells, of ours of 200,000; they differ by less than four
combined standard errors, which a right one fails with a chance of 6e-5, and one of all 132 with
0.8 % (once: seeds are fixed).
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.devices.aging import Life
from noisevote.models.devices.cells import parts_of
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import Profile

LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
DAY, MONTH = 86400.0, 2.592e6
COUNT, THEIRS, ROUNDING = 200_000, 1_000_000, 0.00005
PCM, HERMES, WAN = "pcm-nandakumar", "pcm-hermes-2t", "reram-wan"

PROGRAMMED = {  # mean and deviation in uS
    PCM: "0.1053 0.1540 2.4999 0.4479 6.2497 0.6815 12.4982 0.9526 18.7487 1.0772 25.0010 1.0552",
    HERMES: "0.0663 0.0969 2.0708 0.5574 5.1743 0.8895 10.3509 0.9927 15.5238 0.9123 "
    "20.7012 1.0933",
}
EXPONENTS = {
    PCM: "0.1004 0.0441 0.0601 0.0227 0.0490 0.0114 0.0490 0.0080 0.0490 0.0080 0.0490 0.0080",
    HERMES: "0.1300 0.0400 0.0719 0.0212 0.0677 0.0105 0.0564 0.0090 0.0396 0.0076 0.0174 0.0048",
}
AGED = {
    (PCM, 3600.0): "0.0665 0.1226 1.8419 0.5275 4.8526 0.7855 9.6965 1.0581 14.5457 1.2682 "
    "19.3939 1.4091",
    (PCM, DAY): "0.0508 0.0997 1.5389 0.5125 4.1656 0.7625 8.3112 1.0272 12.4682 1.2910 "
    "16.6243 1.5153",
    (PCM, MONTH): "0.0389 0.0828 1.2769 0.5037 3.5424 0.7464 7.0515 1.0069 10.5780 1.3194 "
    "14.1023 1.6076",
    (HERMES, 3600.0): "0.0478 0.0722 1.7246 0.5009 4.3510 0.8267 8.9586 1.1299 14.0274 1.3285 "
    "19.7989 1.5640",
    (HERMES, DAY): "0.0326 0.0508 1.3878 0.4348 3.5323 0.7054 7.5287 1.0347 12.4130 1.3147 "
    "18.7658 1.6033",
    (WAN, 1.0): "0.1391 0.2035 4.0037 1.5485 9.9960 2.2561 19.9982 2.0244 30.0001 1.5334 "
    "40.0014 1.1028",
    (WAN, DAY): "0.2797 0.4094 4.0530 2.3378 10.0113 3.7098 20.0023 3.9051 29.9996 3.3687 "
    "39.9998 2.6498",
}


def cells_of(profile: Profile, level: float, age_s: float) -> NDArray[np.float64]:
    """Conductances of cells with a target, at an age, in uS."""
    shape = (1, COUNT)
    draws = Chip("0", "w", 0).draws_of(f"{level:g}", shape)
    target = np.full(shape, level * profile.cell.g_max_us)
    parts = {part[:-1]: draws(part) for part in parts_of(profile) if part.endswith("+")}
    return np.asarray(Life.of(profile, age_s, 0.0).cells(target, parts).held.ravel(), np.float64)


def compare(values: NDArray[np.float64], mean: float, deviation: float) -> None:
    """Compare values with figures of another program."""
    per_value = np.sqrt(1 / values.size + 1 / THEIRS)
    std = values.std()
    excess = np.mean(((values - values.mean()) / std) ** 4)
    assert abs(values.mean() - mean) < 4 * std * per_value + ROUNDING
    assert abs(std - deviation) < 4 * std * np.sqrt((excess - 1) / 4) * per_value + ROUNDING


def rows_of(text: str) -> list[tuple[float, float, float]]:
    numbers = [float(number) for number in text.split()]
    return list(zip(LEVELS, numbers[::2], numbers[1::2], strict=True))


@pytest.mark.parametrize("name", PROGRAMMED)
def test_programmed_cells_are_those_of_aihwkit(name: str) -> None:
    profile = DeviceStore().find(name).model_copy(update={"flicker": None})
    for level, mean, deviation in rows_of(PROGRAMMED[name]):
        compare(cells_of(profile, level, 0.0), mean, deviation)


@pytest.mark.parametrize(("name", "age_s"), AGED)
def test_aged_cells_are_those_of_aihwkit(name: str, age_s: float) -> None:
    profile = DeviceStore().find(name)
    for level, mean, deviation in rows_of(AGED[name, age_s]):
        compare(cells_of(profile, level, age_s), mean, deviation)


@pytest.mark.parametrize("name", EXPONENTS)
def test_drift_exponents_are_those_of_aihwkit(name: str) -> None:
    profile = DeviceStore().find(name)
    alone = profile.model_copy(update={"flicker": None, "program": type(profile.program)()})
    life = Life.of(alone, DAY, 0.0)
    for level, mean, deviation in rows_of(EXPONENTS[name]):
        least = max(level, 1e-8)  # below that curves are level; of a cell at 0 nothing is left
        held = cells_of(alone, least, DAY) / (least * profile.cell.g_max_us)
        compare(-np.log(held) / life.drift, mean, deviation)
