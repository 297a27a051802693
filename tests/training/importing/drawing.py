"""Builds small seeded networks node by node, as exporters write them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Array = NDArray[Any]

FLOAT, HALF, DOUBLE = map(int, (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE))
INT64, INT32 = map(int, (TensorProto.INT64, TensorProto.INT32))

Declared = Mapping[str, tuple[Any, Any]]
"""Type and shape of inputs or outputs, by name."""


class Drawing:
    """A graph that grows; weights are drawn in turn, so a drawing is always the same.

    Args:
        dtype: of its weights.
    """

    def __init__(self, dtype: str = "float32") -> None:
        self.generator = np.random.default_rng(1)
        self.dtype = dtype
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def constant(self, name: str, values: Any, dtype: str | None = None) -> str:
        """Add a constant."""
        array = np.asarray(values, dtype)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """Add random weights that keep signals near 1."""
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 4
        drawn = self.generator.normal(0, fan_in**-0.5, shape)
        return self.constant(name, drawn, self.dtype)

    def batch_norm(self, signal: str, name: str, channels: int, *outputs: str) -> str:
        """Add a batch norm with statistics."""
        parts = {"scale": 1.0, "bias": 0.0, "mean": 0.0, "var": 1.0}
        names = [
            self.constant(
                f"{name}.{part}",
                middle + 0.3 * np.abs(self.generator.normal(size=channels)),
                self.dtype,
            )
            for part, middle in parts.items()
        ]
        return self("BatchNormalization", signal, *names, to=[f"{name}.y", *outputs])

    def __call__(
        self, operator: str, *inputs: str, to: str | list[str] | None = None, **attributes: Any
    ) -> str:
        """Add a node; its first output is returned."""
        outputs = [to] if isinstance(to, str) else to or [f"{operator}_{len(self.nodes)}"]
        name = attributes.pop("name", outputs[0] or outputs[-1])
        self.nodes.append(helper.make_node(operator, inputs, outputs, name, **attributes))
        return outputs[0]

    def cast(self, signal: str, to: int) -> str:
        """Add a cast to a type."""
        made = f"{signal}.cast"
        self.nodes.append(helper.make_node("Cast", [signal], [made], made, to=to))
        return made

    def model(
        self,
        inputs: Declared,
        outputs: Declared,
        opset: int = 17,
        ir: int = 8,
        **more: Any,
    ) -> ModelProto:
        """Return the network."""
        graph = helper.make_graph(
            self.nodes, "network", tensors(inputs), tensors(outputs), self.weights
        )
        versions = [helper.make_opsetid("", opset), *more.pop("domains", ())]
        return helper.make_model(
            graph, opset_imports=versions, ir_version=ir, producer_name="drawn", **more
        )


def tensors(declared: Declared) -> list[Any]:
    """Return the declarations of inputs or outputs."""
    return [helper.make_tensor_value_info(name, *entry) for name, entry in declared.items()]


def as_they_are(output: Array) -> Array:
    """Return an output as scores."""
    return output.reshape(len(output), -1).astype(np.float32)


def two_classes(output: Array) -> Array:
    """Return the probability of the second class as scores of both."""
    column = output.reshape(len(output), 1).astype(np.float32)
    return np.hstack([1 - column, column])


def signs(output: Array) -> Array:
    """Return one number, above 0 for the second class, as scores of both: the first has 0."""
    column = output.reshape(len(output), 1).astype(np.float32)
    return np.hstack([0 * column, column])


@dataclass(frozen=True)
class Specimen:
    """A network of the zoo, and what is to become of it.

    Attributes:
        kind: of network, as people say it.
        draw: builds it.
        points: the signal of the graph that noise is to meet, by the point's name, in order.
        options: of the command.
        place: where inputs are repeated by vote; None where it hangs on the CPU, whose kernels may
            give other last bits in other batches.
        output: name of the output that votes.
        scores: of that output.
        meant: builds the same network in a form that others than ONNX Runtime read, too.
        axis: along which inputs follow each other in what the graph takes.
        tolerance: of outputs, relative to the largest.
    """

    kind: str
    draw: Callable[[], ModelProto]
    points: Mapping[str, str]
    options: Sequence[str] = ()
    place: str | None = "border"
    output: str = "scores"
    scores: Callable[[Array], Array] = as_they_are
    meant: Callable[[], ModelProto] | None = None
    axis: int = 0
    tolerance: float = 1e-4
