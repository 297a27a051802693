"""The search for repeats, on networks whose losses are known."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisevote.models.errors import InputError
from noisevote.models.specs import PointSpec
from noisevote.training.cli.options import changed
from noisevote.training.experiments.energy_curves import EnergyPlan
from noisevote.training.measure.energy_search import (
    LADDER,
    Budget,
    OperatingPoint,
    Repeats,
    cheapest,
    check_energy,
    greedy_path,
    pareto,
    predicted_path,
    predicted_worth,
)
from noisevote.training.measure.results import paired
from noisevote.training.measure.sensitivity import Sensitivity

POINTS = [PointSpec(name=name, shape=(1,), macs=1) for name in ("costly", "cheap", "idle")]
ENERGY = {"costly": 100.0, "cheap": 1.0, "idle": 50.0}
SENSITIVITIES = {
    "costly": Sensitivity(4.0, 2.0, 0.1, 1.0),
    "cheap": Sensitivity(1.0, 2.0, 0.1, 1.0),
    "idle": Sensitivity(1e6, 2.0, 0.1, 1.0),
}
SIGMA = dict.fromkeys(ENERGY, 1.0)
BUDGET = Budget(POINTS, ENERGY, cap=20.0)


def worth(repeats: Repeats) -> float:
    return predicted_worth(SENSITIVITIES, SIGMA, repeats)


def measure(repeats: Repeats) -> NDArray[np.bool_]:
    """Images that are right as long as what is kept is above their threshold."""
    return np.linspace(0, 1, 1000, endpoint=False) < math.exp(worth(repeats))


def test_greedy_search_reads_the_cheap_noisy_layer_first_and_the_idle_one_never() -> None:
    path = greedy_path(BUDGET, measure, worth)
    assert path[0].repeats == {}
    assert set(path[1].repeats) == {"cheap"}
    assert all("idle" not in candidate.repeats for candidate in path)
    prices = [BUDGET.passes(candidate.repeats) for candidate in path]
    assert prices == sorted(prices)
    assert prices[-1] <= BUDGET.cap
    assert all(b.gain_over(a) > 0 for a, b in pairwise(path))
    assert path[-1].repeats["cheap"] > path[-1].repeats.get("costly", 1)


def test_greedy_search_stops_where_gains_are_chance() -> None:
    generator = np.random.default_rng(0)

    def coin(_: Repeats) -> NDArray[np.bool_]:
        return generator.random(2000) < 0.5

    # A gain by chance above one standard error has a probability of 16 % for each of three moves;
    # five steps in a row one below 1 %.
    assert len(greedy_path(BUDGET, coin, worth)) <= 5


def test_predicted_repeats_are_the_best_for_their_energy() -> None:
    found = predicted_path(BUDGET, SENSITIVITIES, SIGMA)
    assert {} in found
    every = [{"costly": a, "cheap": b, "idle": c} for a in LADDER for b in LADDER for c in LADDER]
    for repeats in found:
        spent = BUDGET.passes(repeats)
        rivals = [entry for entry in every if BUDGET.passes(entry) <= spent + 1e-9]
        assert worth(repeats) == pytest.approx(max(worth(rival) for rival in rivals), abs=1e-9)


def test_energy_counts_every_read_of_every_vote() -> None:
    assert BUDGET.passes({}, votes=3) == 3
    assert BUDGET.passes({"cheap": 52}, votes=1) == pytest.approx((151 + 51) / 151)


operating_points = st.lists(
    st.builds(
        OperatingPoint,
        votes=st.just(1),
        repeats=st.just({}),
        energy=st.integers(1, 20).map(float),
        correct=st.integers(0, 30),
    ),
    min_size=1,
)


@given(operating_points, st.integers(0, 30))
def test_front_holds_what_nothing_as_cheap_beats(points: list[OperatingPoint], needed: int) -> None:
    front = pareto(points)
    for point in points:
        assert any(p.energy <= point.energy and p.correct >= point.correct for p in front)
    for one in front:
        assert not any(p.energy <= one.energy and p.correct > one.correct for p in points)
    found = cheapest(points, needed)
    enough = [point.energy for point in points if point.correct >= needed]
    assert (found.energy if found else None) == (min(enough) if enough else None)


@pytest.mark.parametrize(
    ("energy", "message"),
    [({"fc9": 1.0}, "'fc9' is no noise point"), ({"fc1": 1.0}, "energy lacks fc2"),
     ({"fc1": 1.0, "fc2": 0.0}, "each must be positive")],
)  # fmt: skip
def test_energy_is_that_of_every_layer_or_of_none(energy: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_energy(energy, ["fc1", "fc2"])
    check_energy({}, ["fc1", "fc2"])


def test_interval_of_a_paired_difference_narrows_where_images_agree() -> None:
    generator = np.random.default_rng(1)
    one = generator.random(1000) < 0.9
    same = paired(one, one)
    other = paired(one, generator.random(1000) < 0.9)
    assert same["difference"] == 0.0

    def width(row: dict[str, object]) -> float:
        low, high = row["difference_low"], row["difference_high"]
        assert isinstance(low, float)
        assert isinstance(high, float)
        assert low <= high
        return high - low

    assert width(same) < width(other) / 5


def test_energies_are_read_from_the_text_of_an_option() -> None:
    plan = changed(EnergyPlan(), {"energy": "conv1=3,fc1=1", "votes": None})
    assert plan == EnergyPlan(energy={"conv1": 3.0, "fc1": 1.0})
    with pytest.raises(InputError, match="energy is 'conv1': Value error"):
        changed(EnergyPlan(), {"energy": "conv1"})
    with pytest.raises(InputError, match="sigma is -1: Input should be greater than or equal to 0"):
        changed(EnergyPlan(), {"sigma": -1})
    with pytest.raises(InputError, match="votes is 0: Input should be greater than or equal to 1"):
        changed(EnergyPlan(), {"votes": 0})
