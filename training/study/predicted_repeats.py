"""The repeats of each layer that its sensitivity predicts to be best for their energy.

Layers are taken to lose independently of each other: each alone minimises energy - price *
log(kept accuracy). Related: dynamic precision (Garg et al., arXiv 2102.06365), tailored
multi-execution (Walking Noise, arXiv 2212.10430).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from noisevote.models.cost import Hardware, cost_of
from noisevote.models.specs import PointSpec
from noisevote.models.study.store import Repeats
from noisevote.training.study.sensitivity import Sensitivity

LADDER = (1, 2, 4, 8, 16, 32, 64)
"""Reads of a layer that are looked at."""

PRICES = tuple(np.geomspace(1e-3, 1e4, 57).tolist())
"""Of accuracy, in passes for a factor e of what is kept of it, from miserly to lavish."""


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

    def passes(self, repeats: Mapping[str, int]) -> float:
        """Return the energy of one vote in passes without repeats."""
        hardware = Hardware({point.name: 1.0 for point in self.points}, self.energy)
        return cost_of(1, self.points, hardware, repeats).passes_of_energy


def predicted_path(
    budget: Budget, sensitivities: Mapping[str, Sensitivity], sigma: float
) -> list[Repeats]:
    """Return the repeats that the sensitivities predict to be best, from cheap to dear.

    Source: Lagrangian relaxation of "most kept accuracy for the energy"; for every price of
    accuracy the layers decide one by one.

    Args:
        budget: what reads cost.
        sensitivities: of all noise points, by name.
        sigma: of one read, at all of them.
    """
    whole = sum(budget.energy[point.name] * point.latency for point in budget.points)
    found: dict[tuple[int, ...], Repeats] = {}
    for price in PRICES:
        chosen = {}
        for point in budget.points:
            share = budget.energy[point.name] * point.latency / whole
            entry = sensitivities[point.name]
            losses = [
                share * reads - price * math.log(entry.kept(sigma / math.sqrt(reads)))
                for reads in LADDER
            ]
            chosen[point.name] = LADDER[int(np.argmin(losses))]
        if budget.passes(chosen) <= budget.cap:
            repeats = {name: reads for name, reads in chosen.items() if reads > 1}
            found.setdefault(tuple(chosen.values()), repeats)
    return list(found.values())
