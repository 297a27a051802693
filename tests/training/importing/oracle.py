"""What a noisy vote is, computed without the graph pass.

The graph as it came is run node by node by onnx's own NumPy implementation, on one input; behind
the signals that a test names, the noise of the vote is applied.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from noisevote.models.draws.lanes import COEFFICIENTS
from noisevote.models.noise import NoiseKind, VoteKey

Array = NDArray[Any]


def normals_of(key: VoteKey, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """Return the standard normals of a vote for each noise point, as new checkpoints draw them.

    Eight streams give four indices each, again and again; a point begins with the first stream.
    """
    seed = key.seed + key.position * 2**64 + key.vote * 2**96
    lanes = [np.random.SFC64(seed + (lane + 1) * 2**128) for lane in range(8)]
    found = []
    for shape in shapes:
        size = int(np.prod(shape))
        blocks = [[lane.random_raw() for lane in lanes] for _ in range(-(-size // 32))]
        odd = 2 * np.array(blocks, "<u8").view("<i2").ravel()[:size].astype(np.int64) + 1
        mantissa, exponent = np.frexp(np.abs(odd))
        powers = (2 * mantissa)[:, np.newaxis] ** np.arange(4, -1, -1)
        normals = np.sign(odd) * (COEFFICIENTS[exponent - 1] * powers).sum(axis=1)
        found.append(normals.reshape(shape))
    return found


def noisy(kind: NoiseKind, signal: Array, normals: Array, sigma: float) -> Array:
    """Return a signal after its noise."""
    deviation = np.float32(sigma) * normals.reshape(signal.shape)
    met = signal * (1 + deviation) if kind is NoiseKind.MULTIPLICATIVE else signal + deviation
    return met.astype(signal.dtype)


def vote(
    model: ModelProto, inputs: Mapping[str, Array], output: str, deviations: Mapping[str, Any]
) -> Array:
    """Return an output of a graph.

    Args:
        model: as it came.
        inputs: one input, as the graph takes it.
        output: its name.
        deviations: what is to happen to signals, by their names.
    """
    evaluator = ReferenceEvaluator(model)
    values: dict[str, Any] = {"": None, **evaluator.rt_inits_, **inputs}
    for node in evaluator.rt_nodes_:
        more = {"context": values} if node.need_context() else {}
        made = node.run(*(values[name] for name in node.input), **more)
        for name, value in zip(node.output, made, strict=False):
            values[name] = deviations[name](value) if name in deviations else value
    return np.asarray(values[output])
