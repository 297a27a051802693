"""The search for the repeats of each layer that buy the most accuracy for the least energy.

Two ways to spend energy on single layers, both judged on validation images afterwards:

* greedy: from one read everywhere, take the doubling of one layer's reads that gains the most
  correct images for its energy, as measured on the same images and noise; stop when no doubling
  gains more than one standard error of the paired difference,
* predicted: the Lagrangian relaxation over the sensitivities of the layers, which are measured one
  at a time (``midpoints``): each layer alone minimises energy - price * log(kept accuracy).

Related: dynamic precision (Garg et al., arXiv 2102.06365), tailored multi-execution (Walking
Noise, arXiv 2212.10430).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.models.cost import Hardware, cost_of
from noisevote.models.errors import InputError
from noisevote.models.noise_setting import shown_map
from noisevote.models.specs import PointSpec
from noisevote.training.measure.sensitivity import Sensitivity

LADDER = (1, 2, 4, 8, 16, 32, 64)
PRICES = tuple(np.geomspace(1e-3, 1e4, 57).tolist())

Repeats = dict[str, int]
Measure = Callable[[Repeats], NDArray[np.bool_]]
"""Returns whether one vote with these repeats is right, for each image."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What reads cost, and how much may be spent.

    Attributes:
        points: the network's noise points.
        energy: energy of one evaluation of each, by name; units do not matter.
        cap: energy of one vote at most, in passes without repeats.
    """

    points: Sequence[PointSpec]
    energy: Mapping[str, float]
    cap: float

    @property
    def names(self) -> list[str]:
        """The noise points."""
        return [point.name for point in self.points]

    def passes(self, repeats: Mapping[str, int], votes: int = 1) -> float:
        """Return the energy of votes in passes without repeats."""
        hardware = Hardware(dict.fromkeys(self.names, 1.0), self.energy)
        return cost_of(votes, self.points, hardware, repeats).passes_of_energy


@dataclass(frozen=True, slots=True)
class Candidate:
    """Repeats and whether one vote with them is right, for each image."""

    repeats: Repeats
    is_right: NDArray[np.bool_]

    def gain_over(self, other: "Candidate") -> int:
        """Return by how many right images this one is ahead."""
        return int(self.is_right.sum()) - int(other.is_right.sum())

    def is_ahead_of(self, other: "Candidate") -> bool:
        """Return whether the gain is more than one standard error of the paired difference."""
        discordant = int((self.is_right != other.is_right).sum())
        return self.gain_over(other) > math.sqrt(discordant)


def greedy_path(
    budget: Budget, measure: Measure, worth: Callable[[Repeats], float]
) -> list[Candidate]:
    """Return the candidates of the greedy search, each dearer and better than the one before.

    Args:
        budget: prices and cap.
        measure: one vote on every image.
        worth: predicted logarithm of the kept accuracy; of many layers only those are tried that
            promise the most for their energy.
    """
    path = [Candidate({}, measure({}))]
    while True:
        here = path[-1]
        moves = [Candidate(move, measure(move)) for move in promising(budget, here.repeats, worth)]
        ahead = [move for move in moves if move.is_ahead_of(here)]
        if not ahead:
            return path
        spent = budget.passes(here.repeats)
        path.append(
            max(ahead, key=lambda m: m.gain_over(here) / (budget.passes(m.repeats) - spent))
        )


def promising(
    budget: Budget, repeats: Repeats, worth: Callable[[Repeats], float], most: int = 8
) -> list[Repeats]:
    """Return the moves to try: one layer's reads doubled, within the cap."""
    moves = [
        {**repeats, name: 2 * repeats.get(name, 1)}
        for name in budget.names
        if repeats.get(name, 1) < LADDER[-1]
    ]
    affordable = [move for move in moves if budget.passes(move) <= budget.cap]
    now, spent = worth(repeats), budget.passes(repeats)
    affordable.sort(key=lambda m: (now - worth(m)) / (budget.passes(m) - spent))
    return affordable[:most]


def predicted_worth(
    sensitivities: Mapping[str, Sensitivity], sigma: Mapping[str, float], repeats: Repeats
) -> float:
    """Return the logarithm of what is kept if the layers lose independently of each other."""
    return sum(
        math.log(entry.kept(sigma[name] / math.sqrt(repeats.get(name, 1))))
        for name, entry in sensitivities.items()
    )


def predicted_path(
    budget: Budget, sensitivities: Mapping[str, Sensitivity], sigma: Mapping[str, float]
) -> list[Repeats]:
    """Return the repeats that the sensitivities predict to be best, from cheap to dear.

    Source: Lagrangian relaxation of "most kept accuracy for the energy"; for every price of
    accuracy the layers decide one by one.
    """
    whole = sum(budget.energy[point.name] * point.latency for point in budget.points)
    found: dict[tuple[int, ...], Repeats] = {}
    for price in PRICES:
        chosen = {}
        for point in budget.points:
            share = budget.energy[point.name] * point.latency / whole
            entry, at = sensitivities[point.name], sigma[point.name]
            losses = [
                share * reads - price * math.log(entry.kept(at / math.sqrt(reads)))
                for reads in LADDER
            ]
            chosen[point.name] = LADDER[int(np.argmin(losses))]
        if budget.passes(chosen) <= budget.cap:
            repeats = {name: reads for name, reads in chosen.items() if reads > 1}
            found.setdefault(tuple(chosen.values()), repeats)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Votes and repeats, what they cost and what they reach.

    Attributes:
        votes: cast.
        repeats: reads averaged, by noise point.
        energy: energy in passes without repeats.
        correct: images of the validation split that are right.
    """

    votes: int
    repeats: Repeats
    energy: float
    correct: int


def pareto(points: Sequence[OperatingPoint]) -> list[OperatingPoint]:
    """Return the points that nothing as cheap reaches or beats, from cheap to dear."""
    front: list[OperatingPoint] = []
    for point in sorted(points, key=lambda p: (p.energy, -p.correct)):
        if not front or point.correct > front[-1].correct:
            front.append(point)
    return front


def cheapest(points: Sequence[OperatingPoint], needed: float) -> OperatingPoint | None:
    """Return the cheapest point with at least ``needed`` images right, or None."""
    return next((point for point in pareto(points) if point.correct >= needed), None)


def check_energy(energy: Mapping[str, float], names: Sequence[str]) -> None:
    """Refuse energies that are not those of every noise point, if there are any.

    Raises:
        InputError: a name is unknown or missing, or an energy is not positive.
    """
    if unknown := [name for name in energy if name not in names]:
        raise InputError(f"{unknown[0]!r} is no noise point; there are: {', '.join(names)}")
    if missing := [name for name in names if energy and name not in energy]:
        raise InputError(f"energy lacks {', '.join(missing)}; give all noise points or none")
    if any(not value > 0 for value in energy.values()):
        raise InputError(f"energy is {shown_map(energy)}; each must be positive")


def unique(entries: Sequence[Repeats]) -> list[Repeats]:
    """Return repeats without doubles, in order."""
    return list({shown_map(dict(sorted(entry.items()))): entry for entry in entries}.values())
