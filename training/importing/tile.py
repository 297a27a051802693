"""How many votes a pass is to hold, measured."""

import time
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from noisevote.models.card import MAX_TILE
from noisevote.models.draws.schemes import NEWEST
from noisevote.models.draws.tensors import NoiseTensors
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.verification import MAX_TILE_VALUES
from noisevote.training.importing.measure import Arrays, Passes, rows
from noisevote.training.importing.place import TRIAL_SIGMA, Placed, fed, noise_names

MOST_NOISE_BYTES = 64 * 2**20
"""Of the noise of a pass."""

TILES = (1, 2, 4, 8, 16, 32)
NEAR_BEST = 1.05
TIMINGS = 5


@dataclass(frozen=True, slots=True)
class Tile:
    """How many votes a pass is to hold, and what a vote costs then.

    Attributes:
        rows: votes of a pass.
        seconds: a vote, its noise drawn.
        clean_seconds: a pass of the network as it came, on one input.
    """

    rows: int
    seconds: float
    clean_seconds: float


def tile_for(placement: Placed, original: Passes, clean: Arrays, inputs: Arrays) -> Tile:
    """Measure how many votes a pass is to hold: the fewest that cost nearly the least.

    Args:
        placement: accepted.
        original: the network as it came.
        clean: one input of it.
        inputs: of the graph that takes noise.
    """
    kind, graph = next(iter(placement.graphs.items()))
    passes = Passes(graph)
    names = noise_names(passes.inputs)
    shapes = list(placement.shapes.values())
    tensors = NoiseTensors(shapes, NEWEST)
    row_bytes = 4 * sum(map(prod, shapes))
    one = rows(inputs, 1)
    values = sum(array.size for array in one.values())
    most = min(MOST_NOISE_BYTES // row_bytes, MAX_TILE_VALUES // (2 * values))
    most = 1 if placement.place == "single" else max(1, most)
    costs = {}
    for count in TILES:
        if count <= min(most, MAX_TILE):
            sigma = np.full((count, len(names)), TRIAL_SIGMA)
            keys = [VoteKey(0, 0, vote) for vote in range(count)]
            of_row = np.zeros(count, np.int64)
            costs[count] = (
                quickest(
                    lambda: passes.run(fed(one, of_row, names, tensors.filled(kind, sigma, keys)))  # noqa: B023
                )
                / count
            )
    seconds = quickest(lambda: original.run(clean))
    while True:
        best = min(costs.values())
        chosen = next(count for count, cost in costs.items() if cost <= NEAR_BEST * best)
        if chosen == 1 or is_same_alone(passes, inputs, tensors, kind, chosen):
            return Tile(chosen, costs[chosen], seconds)
        del costs[chosen]


def is_same_alone(
    passes: Passes, inputs: Arrays, tensors: NoiseTensors, kind: NoiseKind, count: int
) -> bool:
    """Return whether votes on several inputs are the same in a pass of so many and alone."""
    names = noise_names(passes.inputs)
    indices = np.arange(count) % len(next(iter(inputs.values())))
    several = {name: array[indices] for name, array in inputs.items()}
    sigma = np.full((count, len(names)), TRIAL_SIGMA)
    keys = [VoteKey(0, 0, vote) for vote in range(count)]
    noise = [tensor.copy() for tensor in tensors.filled(kind, sigma, keys)]
    (together,) = passes.run(fed(several, np.arange(count), names, noise)).values()
    for row, scores in enumerate(together):
        one = {name: array[[row]] for name, array in several.items()}
        own = [tensor[[row]] for tensor in noise]
        (alone,) = passes.run(fed(one, np.zeros(1, np.int64), names, own)).values()
        if not np.array_equal(alone[0], scores):
            return False
    return True


def quickest(work: Any) -> float:
    """Return the seconds of the quickest of a few calls."""
    work()
    found = []
    for _ in range(TIMINGS):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)
