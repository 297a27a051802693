"""Batch norms of an imported network, estimated anew under the noise that it is to meet.

Noise widens the signals of later layers, so that the mean and variance that a batch norm learned
without it do not fit. They are estimated layer by layer, each with those before it anew.

Source: of the idea for analog noise, V. Joshi et al., Nature Communications 11 (2020) 2473,
"adaptive batch normalization statistics".
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper

from noisevote.models.draws.tensors import NoiseTensors
from noisevote.models.errors import ImportingError
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.training.importing.measure import Arrays, Passes
from noisevote.training.importing.place import Placed, fed, noise_names

SCALE, MEAN, VARIANCE = 1, 3, 4
"""Places of a batch norm's constants among what it reads."""

VOTES_SEED = 1
"""Of the noise under which they are estimated; the checks of an import take 0."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Under what batch norms are estimated.

    Attributes:
        inputs: by name ``[n, *shape]``, one vote on each.
        kind: of the noise.
        sigma: of the noise at every point.
        rows: votes of a pass.
    """

    inputs: Arrays
    kind: NoiseKind
    sigma: float
    rows: int


def with_batch_norms(placement: Placed, estimate: Estimate) -> Placed:
    """Return the graphs with the statistics of their batch norms estimated anew.

    Raises:
        ImportingError: they have no batch norms of their own.
    """
    graphs = {kind: type(graph).FromString(graph.SerializeToString()) for kind, graph in
              placement.graphs.items()}  # fmt: skip
    noisy = graphs[estimate.kind].graph
    constants = {tensor.name for tensor in noisy.initializer}
    norms = [
        node
        for node in noisy.node
        if node.op_type == "BatchNormalization"
        and constants.issuperset((node.input[MEAN], node.input[VARIANCE]))
    ]
    if not norms:
        raise ImportingError(
            "--batch-norm-sigma: the graph has no batch norms of its own; they were folded into "
            "the layers before them, export without that"
        )
    shapes = list(placement.shapes.values())
    for node in norms:
        mean, variance = moments(Passes(graphs[estimate.kind], [node.input[0]]), node, shapes,
                                 estimate)  # fmt: skip
        for graph in graphs.values():
            for tensor in graph.graph.initializer:
                if tensor.name in (node.input[MEAN], node.input[VARIANCE]):
                    value = mean if tensor.name == node.input[MEAN] else variance
                    dtype = numpy_helper.to_array(tensor).dtype
                    tensor.CopyFrom(numpy_helper.from_array(value.astype(dtype), tensor.name))
    return replace(placement, graphs=graphs)


def moments(
    passes: Passes, node: NodeProto, shapes: list[tuple[int, ...]], estimate: Estimate
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of each channel that a batch norm reads, under noise."""
    total, squares, count = np.zeros(1), np.zeros(1), 0
    for signal in signals_of(passes, node.input[0], shapes, estimate):
        wide = signal.astype(np.float64)
        others = tuple(axis for axis in range(wide.ndim) if axis != 1)
        total = total + wide.sum(axis=others)
        squares = squares + (wide**2).sum(axis=others)
        count += wide.size // wide.shape[1]
    mean = total / count
    return mean, np.maximum(squares / count - mean**2, 0)


def signals_of(
    passes: Passes, name: str, shapes: list[tuple[int, ...]], estimate: Estimate
) -> Iterator[NDArray[Any]]:
    """Yield what a batch norm reads, pass by pass, one noisy vote on each input."""
    names = noise_names(passes.inputs)
    tensors = NoiseTensors(shapes)
    inputs = estimate.inputs
    total = min(map(len, inputs.values()))
    for first in range(0, total, estimate.rows):
        part = {key: array[first : first + estimate.rows] for key, array in inputs.items()}
        count = min(map(len, part.values()))
        keys = [VoteKey(VOTES_SEED, first + row, 0) for row in range(count)]
        sigma = np.full((count, len(names)), estimate.sigma)
        noise = tensors.filled(estimate.kind, sigma, keys)
        yield passes.run(fed(part, np.arange(count), names, noise))[name]
