"""The search for repeats, on networks whose losses are known."""

import math

import pytest

from noisevote.models.specs import PointSpec
from noisevote.models.study.store import Repeats
from noisevote.training.study.predicted_repeats import LADDER, Budget, predicted_path
from noisevote.training.study.sensitivity import Sensitivity

POINTS = [PointSpec(name=name, shape=(1,), macs=1) for name in ("costly", "cheap", "idle")]
ENERGY = {"costly": 100.0, "cheap": 1.0, "idle": 50.0}
SENSITIVITIES = {
    "costly": Sensitivity(4.0, 2.0, 0.1, 1.0),
    "cheap": Sensitivity(1.0, 2.0, 0.1, 1.0),
    "idle": Sensitivity(1e6, 2.0, 0.1, 1.0),
}
SIGMA = 1.0
BUDGET = Budget(POINTS, ENERGY, cap=20.0)


def worth(repeats: Repeats) -> float:
    """Return the logarithm of what is kept if the layers lose independently of each other."""
    return sum(
        math.log(entry.kept(SIGMA / math.sqrt(repeats.get(name, 1))))
        for name, entry in SENSITIVITIES.items()
    )


def test_predicted_repeats_are_the_best_for_their_energy() -> None:
    found = predicted_path(BUDGET, SENSITIVITIES, SIGMA)
    assert {} in found
    every = [{"costly": a, "cheap": b, "idle": c} for a in LADDER for b in LADDER for c in LADDER]
    for repeats in found:
        spent = BUDGET.passes(repeats)
        rivals = [entry for entry in every if BUDGET.passes(entry) <= spent + 1e-9]
        assert worth(repeats) == pytest.approx(max(worth(rival) for rival in rivals), abs=1e-9)


def test_the_cheap_noisy_layer_is_read_most_and_the_idle_one_once() -> None:
    found = [repeats for repeats in predicted_path(BUDGET, SENSITIVITIES, SIGMA) if repeats]
    assert set(found[0]) == {"cheap"}
    assert all("idle" not in repeats for repeats in found)
    assert found[-1]["cheap"] > found[-1].get("costly", 1)
    prices = [BUDGET.passes(repeats) for repeats in found]
    assert prices == sorted(prices)
    assert prices[-1] <= BUDGET.cap


def test_energy_counts_every_read() -> None:
    assert BUDGET.passes({}) == 1
    assert BUDGET.passes({"cheap": 52}) == pytest.approx((151 + 51) / 151)
