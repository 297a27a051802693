"""Where inputs are repeated by vote: three places are tried, and what comes out is compared.

``border``: what comes before the first noise runs once an input. ``input``: all runs once a vote.
``single``: a pass holds one vote. Accepted is the first place at which the noiseless outputs are
the original's, votes do not depend on their neighbours in any bit, and noise does what it does
when votes pass one by one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from noisevote.models.card import MAX_TILE
from noisevote.models.errors import ExportError, ImportingError
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.noise_fill import NoiseTensors
from noisevote.models.runtime import INPUT_OF_ROW, NOISE_PREFIX
from noisevote.training.export.graph import with_noise_inputs
from noisevote.training.importing.layers import marked
from noisevote.training.importing.measure import Arrays, Measured, Passes, rows

Place = Literal["border", "input", "single"]

TOLERANCE, HALF_TOLERANCE = 1e-4, 1e-2
"""Of a noiseless output, relative to the largest of its input if that is above 1; the second where
signals are in half precision."""

TRIAL_ROWS = 8
"""Votes that are compared with each other."""

TRIAL_SIGMA = 0.5

MOST_NOISE_BYTES = 64 * 2**20
"""Of the noise of a pass."""

TILES = (1, 2, 4, 8, 16, 32)
NEAR_BEST = 1.05
TIMINGS = 5


@dataclass(frozen=True, slots=True)
class Placed:
    """A graph that takes its noise, accepted.

    Attributes:
        place: where inputs are repeated.
        graphs: for each kind of noise, with all weights.
        shapes: of the noise of a vote, by point.
        difference: largest one of a noiseless output from the original's, relative to the largest
            output of its input if that is above 1.
    """

    place: Place
    graphs: dict[NoiseKind, ModelProto]
    shapes: dict[str, tuple[int, ...]]
    difference: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What a placement is tried with.

    Attributes:
        inputs: by name ``[n, *shape]``.
        expected: scores of the original ``[n, classes]``.
        tolerance: of a noiseless score.
    """

    inputs: Arrays
    expected: NDArray[np.float32]
    tolerance: float

    @property
    def of_row(self) -> NDArray[np.int64]:
        """The input of each vote that is tried, in no order."""
        return np.arange(TRIAL_ROWS, dtype=np.int64)[::-1] * 3 % len(self.expected)


def placed(
    model: ModelProto,
    batched: Sequence[Measured] | None,
    alone: Sequence[Measured],
    trial: Trial,
) -> Placed:
    """Return a graph that takes its noise, at the first place that is accepted.

    Args:
        model: takes rows.
        batched: its layers, measured on batches; None where a pass takes one input.
        alone: the same, measured on one input.
        trial: what it is tried with.

    Raises:
        ImportingError: no place is.
    """
    reference = graphs_at("single", model, alone)
    noise = trial_noise(alone)
    expected = {
        kind: row_by_row(Passes(graph), trial, noise[kind]) for kind, graph in reference.items()
    }
    reasons = []
    places: dict[Place, Sequence[Measured] | None] = {
        "border": batched, "input": batched, "single": alone,
    }  # fmt: skip
    for place, layers in places.items():
        if layers is None:
            continue
        try:
            graphs = reference if layers is alone else graphs_at(place, model, layers)
            difference = max(
                accepted(graph, kind, place, layers, trial, noise[kind], expected[kind])
                for kind, graph in graphs.items()
            )
        except (ExportError, ImportingError) as error:
            reasons.append(f"{place}: {error}")
            continue
        shapes = {each.layer.name: each.shape for each in layers if each.layer.quiet is None}
        return Placed(place, graphs, shapes, difference)
    raise ImportingError("the network cannot be repeated by vote. " + "; ".join(reasons))


def graphs_at(
    place: Place, model: ModelProto, layers: Sequence[Measured]
) -> dict[NoiseKind, ModelProto]:
    """Return the graphs that take noise, inputs repeated at a place."""
    noisy = [each for each in layers if each.layer.quiet is None]
    points = marked(model, [each.layer for each in noisy])
    shapes = {each.layer.name: each.shape for each in noisy}
    layouts = {each.layer.name: each.layout for each in noisy}
    return {
        kind: with_noise_inputs(points, kind, shapes, layouts, repeats_inputs=place != "border")
        for kind in NoiseKind
    }


def trial_noise(layers: Sequence[Measured]) -> dict[NoiseKind, list[NDArray[np.float32]]]:
    """Return noise of a few votes for each point, of each kind."""
    noisy = [each for each in layers if each.layer.quiet is None]
    tensors = NoiseTensors([each.shape for each in noisy])
    sigma = np.tile([[TRIAL_SIGMA]], (TRIAL_ROWS, len(noisy)))
    # A summand is to be no smaller than the signal that it meets, or it would show nothing.
    scaled = sigma * np.array([each.rms or 1.0 for each in noisy])
    keys = [VoteKey(0, 0, vote) for vote in range(TRIAL_ROWS)]
    deviations = {kind: sigma if kind.is_factor else scaled for kind in NoiseKind}
    return {
        kind: [tensor.copy() for tensor in tensors.filled(kind, deviations[kind], keys)]
        for kind in NoiseKind
    }


def fed(
    inputs: Arrays, of_row: NDArray[np.int64], names: Sequence[str], noise: Sequence[Any]
) -> dict[str, Any]:
    """Return what a graph takes."""
    named = {NOISE_PREFIX + name: tensor for name, tensor in zip(names, noise, strict=True)}
    return {**inputs, INPUT_OF_ROW: of_row, **named}


def points_of(graph: ModelProto) -> list[str]:
    """Return the noise points of a graph, in its order."""
    names = [tensor.name for tensor in graph.graph.input]
    return [name.removeprefix(NOISE_PREFIX) for name in names if name.startswith(NOISE_PREFIX)]


def row_by_row(
    passes: Passes, trial: Trial, noise: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the scores of votes, one a pass."""
    names = [name.removeprefix(NOISE_PREFIX) for name in passes.inputs if NOISE_PREFIX in name]
    found = []
    for row, index in enumerate(trial.of_row):
        one = {name: array[[index]] for name, array in trial.inputs.items()}
        own = [tensor[[row]] for tensor in noise]
        (scores,) = passes.run(fed(one, np.zeros(1, np.int64), names, own)).values()
        found.append(scores)
    return np.concatenate(found)


def accepted(
    graph: ModelProto,
    kind: NoiseKind,
    place: Place,
    layers: Sequence[Measured],
    trial: Trial,
    noise: Sequence[NDArray[np.float32]],
    expected: NDArray[np.float32],
) -> float:
    """Return how far noiseless scores are from the original's.

    Raises:
        ImportingError: too far, or votes depend on each other, or noise does something else than
            when votes pass one by one.
    """
    passes = Passes(graph)
    names = points_of(graph)
    shapes = [each.shape for each in layers if each.layer.quiet is None]
    own = [tensor.reshape(len(tensor), *shape) for tensor, shape in zip(noise, shapes, strict=True)]
    silent = [np.full_like(tensor, kind.neutral) for tensor in own]
    clean = row_by_row(passes, trial, silent)
    difference = apart(clean, trial.expected[trial.of_row])
    if not difference <= trial.tolerance:
        raise ImportingError(f"noiseless outputs differ from the original's by {difference:.1e}")
    if place == "single":
        return difference
    (together,) = passes.run(fed(trial.inputs, trial.of_row, names, own)).values()
    alone = row_by_row(passes, trial, own)
    if together.shape != alone.shape or not np.array_equal(together, alone):
        off = apart(together, alone) if together.shape == alone.shape else np.inf
        raise ImportingError(f"votes depend on their neighbours by {off:.1e}")
    off = apart(alone, expected)
    if not off <= trial.tolerance:
        raise ImportingError(f"noisy outputs differ from those of votes alone by {off:.1e}")
    return difference


def apart(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest difference, relative to the largest score of its row if above 1."""
    if found.shape != expected.shape:
        return float("inf")
    scale = np.maximum(np.abs(expected).max(axis=1, keepdims=True), 1)
    return float((np.abs(found - expected) / scale).max())


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
    passes, names = Passes(graph), points_of(graph)
    shapes = list(placement.shapes.values())
    tensors = NoiseTensors(shapes)
    row_bytes = 4 * sum(map(prod, shapes))
    most = 1 if placement.place == "single" else max(1, MOST_NOISE_BYTES // row_bytes)
    one = rows(inputs, 1)
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
    best = min(costs.values())
    chosen = next(count for count, cost in costs.items() if cost <= NEAR_BEST * best)
    return Tile(chosen, costs[chosen], quickest(lambda: original.run(clean)))


def quickest(work: Any) -> float:
    """Return the seconds of the quickest of a few calls."""
    work()
    found = []
    for _ in range(TIMINGS):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)
