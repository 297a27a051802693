"""Differences of votes on the same samples, against simulated ones whose truth is known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom, norm

from noisevote.models.study.differences import Differences, OfChips, paired, samples_of

SETS, SAMPLES, ALPHA = 600, 200, 0.05
ERROR = 1e-3
"""Chance that a test fails where intervals and p-values err just as often as they may."""


def drawn(
    random: np.random.Generator, easy: NDArray[np.float64], chips: int, spread: float, better: float
) -> dict[int | None, NDArray[np.float64]]:
    """Right answers on each sample, by chip: chips of their own that differ by ``spread``."""
    found: dict[int | None, NDArray[np.float64]] = {}
    for chip in range(chips):
        right = norm.cdf(easy + better + spread * random.normal())
        found[chip if chips > 1 else None] = (random.random(len(easy)) < right).astype(float)
    return found


def difference(one: dict, other: dict) -> Differences:  # type: ignore[type-arg]
    of_samples = np.mean([*other.values()], axis=0) - np.mean([*one.values()], axis=0)
    of_chips = tuple(np.array([of.mean() for of in side.values()]) for side in (one, other))
    return Differences(of_samples, of_chips)


@pytest.mark.parametrize(
    ("chips", "spread", "better"),
    [
        pytest.param((1, 1), 0.0, 0.0, id="noise of a strength"),
        pytest.param((1, 1), 0.0, 0.3, id="a difference"),
        pytest.param((5, 5), 0.3, 0.0, id="chips of two devices"),
        pytest.param((2, 5), 0.3, 0.2, id="fewer chips of one"),
    ],
)
def test_intervals_hold_the_truth_and_p_values_say_the_same(
    chips: tuple[int, int], spread: float, better: float
) -> None:
    random = np.random.default_rng(2)
    deviation = np.sqrt(2 + spread**2)
    truth = norm.cdf((1 + better) / deviation) - norm.cdf(1 / deviation)
    held, above = 0, 0
    for _ in range(SETS):
        easy = 1 + random.normal(size=SAMPLES)
        one = drawn(random, easy, chips[0], spread, 0.0)
        found = difference(one, drawn(random, easy, chips[1], spread, better))
        low, high = found.interval
        held += low <= truth <= high
        above += found.lower <= truth
        assert (found.p_value < ALPHA) == (not low <= 0 <= high)
    least = binom.ppf(ERROR, SETS, 1 - ALPHA)
    assert held >= least
    assert above >= least


def test_more_chips_that_agree_show_more() -> None:
    right = {True: np.arange(300) < 285, False: np.arange(300) < 225}
    found = [
        difference(*(dict.fromkeys(range(count), 1.0 * right[side]) for side in (True, False)))
        for count in (2, 3, 5)
    ]
    assert all(of.p_value < 1e-10 for of in found)
    assert len({of.interval for of in found}) == 1


def test_one_chip_says_nothing_of_others() -> None:
    one = Differences(np.zeros(10), (np.array([0.1]),))
    assert not one.tells_of_other_chips
    assert Differences(np.zeros(10), (np.array([0.1, 0.2]),)).tells_of_other_chips


def test_chips_that_both_have_are_paired() -> None:
    ours: OfChips = {chip: np.array([1.0, 0.0, 1.0, float(chip)]) for chip in range(3)}
    theirs: OfChips = {chip: np.array([0.0, 1.0]) for chip in range(2)}
    found = paired(ours, theirs, (np.array([1, 2]), np.array([0, 1])))
    assert found.of_samples.tolist() == [0.0, 0.0]
    assert found.of_chips[0].tolist() == [0.0, 0.0]
    clean = paired(ours, {None: np.array([1.0, 1.0])}, (np.array([0, 3]), np.array([0, 1])))
    assert clean.of_chips[0].tolist() == [-0.5, 0.0, 0.5]
    assert samples_of(ours) == 4
