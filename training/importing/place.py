"""Where inputs are repeated by vote: three places are tried, and what comes out is compared.

``border``: what comes before the first noise runs once an input. ``input``: all runs once a vote.
``single``: a pass holds one vote. Accepted is the first place at which the noiseless outputs are
the original's, votes do not depend on their neighbours in any bit, and noise does what it does
when votes pass one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from noisevote.models.draws.tensors import NoiseTensors
from noisevote.models.engines.session import INPUT_OF_ROW, NOISE_PREFIX
from noisevote.models.errors import ExportError, ImportingError
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.training.export.graph import with_noise_inputs
from noisevote.training.importing.layers import marked
from noisevote.training.importing.measure import Arrays, Measured, Passes

Place = Literal["border", "input", "single"]

TOLERANCE, COARSE_TOLERANCE = 1e-4, 1e-2
"""Of a noiseless output, relative to the largest of its input if that is above 1; the second where
signals are in half precision or quantised: other kernels may round them otherwise."""

TRIAL_ROWS = 8
"""Votes that are compared with each other."""

TRIAL_SIGMA = 0.5


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
    sigma = {kind: trial_sigma(kind, alone) for kind in NoiseKind}
    expected = {}
    for kind in NoiseKind:
        reference = Passes(graph_at("single", kind, model, alone))
        noise = TrialNoise(kind, sigma[kind], list(shapes_of(alone).values()))
        expected[kind] = row_by_row(reference, trial, noise)
    reasons = []
    places: dict[Place, Sequence[Measured] | None] = {
        "border": batched, "input": batched, "single": alone,
    }  # fmt: skip
    for place, layers in places.items():
        if layers is None:
            continue
        shapes, graphs, difference = shapes_of(layers), {}, 0.0
        try:
            for kind in NoiseKind:
                graphs[kind] = graph_at(place, kind, model, layers)
                passes = Passes(graphs[kind])
                noise = TrialNoise(kind, sigma[kind], list(shapes.values()))
                off = accepted(passes, place, trial, noise, expected[kind])
                difference = max(difference, off)
        except (ExportError, ImportingError) as error:
            reasons.append(f"{place}: {error}")
            continue
        return Placed(place, graphs, shapes, difference)
    raise ImportingError("the network cannot be repeated by vote. " + "; ".join(reasons))


def graph_at(
    place: Place, kind: NoiseKind, model: ModelProto, layers: Sequence[Measured]
) -> ModelProto:
    """Return the graph that takes noise, inputs repeated at a place."""
    noisy = [each for each in layers if each.layer.quiet is None]
    points = marked(model, [each.layer for each in noisy])
    layouts = {each.layer.name: each.layout for each in noisy}
    return with_noise_inputs(
        points, kind, shapes_of(layers), layouts, repeats_inputs=place != "border"
    )


def shapes_of(layers: Sequence[Measured]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each noise point, by name."""
    return {each.layer.name: each.shape for each in layers if each.layer.quiet is None}


def trial_sigma(kind: NoiseKind, layers: Sequence[Measured]) -> NDArray[np.float64]:
    """Return the sigma of trial noise at each point ``[points]``.

    A summand is to be no smaller than the signal that it meets, or it would show nothing.
    """
    noisy = [each for each in layers if each.layer.quiet is None]
    return np.array([TRIAL_SIGMA * (1 if kind.is_factor else each.rms or 1) for each in noisy])


@dataclass(frozen=True, slots=True)
class TrialNoise:
    """Noise of the votes that are compared.

    Attributes:
        kind: of it.
        sigma: at each point ``[points]``.
        shapes: of each point.
    """

    kind: NoiseKind
    sigma: NDArray[np.float64]
    shapes: list[tuple[int, ...]]

    def of(self, votes: Sequence[int]) -> list[NDArray[np.float32]]:
        """Return the noise of some votes, a tensor ``[votes, *shape]`` for each point."""
        keys = [VoteKey(0, 0, vote) for vote in votes]
        sigma = np.tile(self.sigma, (len(keys), 1))
        return NoiseTensors(self.shapes).filled(self.kind, sigma, keys)

    def silence(self) -> list[NDArray[np.float32]]:
        """Return the noise of one vote without noise."""
        return [np.full((1, *shape), self.kind.neutral, np.float32) for shape in self.shapes]


def fed(
    inputs: Arrays, of_row: NDArray[np.int64], names: Sequence[str], noise: Sequence[Any]
) -> dict[str, Any]:
    """Return what a graph takes."""
    named = {NOISE_PREFIX + name: tensor for name, tensor in zip(names, noise, strict=True)}
    return {**inputs, INPUT_OF_ROW: of_row, **named}


def noise_names(names: Sequence[str]) -> list[str]:
    """Return the noise points among the inputs of a graph, in its order: they are the last."""
    return [name.removeprefix(NOISE_PREFIX) for name in names[names.index(INPUT_OF_ROW) + 1 :]]


def row_by_row(
    passes: Passes, trial: Trial, noise: TrialNoise, is_silent: bool = False
) -> NDArray[np.float32]:
    """Return the scores of votes, one a pass."""
    names = noise_names(passes.inputs)
    found = []
    for vote, index in enumerate(trial.of_row):
        one = {name: array[[index]] for name, array in trial.inputs.items()}
        own = noise.silence() if is_silent else noise.of([vote])
        (scores,) = passes.run(fed(one, np.zeros(1, np.int64), names, own)).values()
        found.append(scores)
    return np.concatenate(found)


def accepted(
    passes: Passes, place: Place, trial: Trial, noise: TrialNoise, expected: NDArray[np.float32]
) -> float:
    """Return how far noiseless scores are from the original's.

    Raises:
        ImportingError: too far, or votes depend on each other, or noise does something else than
            when votes pass one by one.
    """
    clean = row_by_row(passes, trial, noise, is_silent=True)
    difference = apart(clean, trial.expected[trial.of_row])
    if not difference <= trial.tolerance:
        raise ImportingError(f"noiseless outputs differ from the original's by {difference:.1e}")
    if place == "single":
        return difference
    every = noise.of(range(TRIAL_ROWS))
    names = noise_names(passes.inputs)
    (together,) = passes.run(fed(trial.inputs, trial.of_row, names, every)).values()
    alone = row_by_row(passes, trial, noise)
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
