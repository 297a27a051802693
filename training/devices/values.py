"""The values of a graph that takes its noise: what makes them, what reads them, the constants."""

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import (
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    external_data_helper,
    helper,
    numpy_helper,
)
from onnxruntime import InferenceSession

from noisevote.models.engines.onnx_runtime import session_options
from noisevote.models.safetensors_header import tensors_told
from noisevote.training.export.nodes import constant_names, names_read

PASSING = {"Cast", "Identity", "Transpose"}
"""Operators between stored weights and their product that leave each number what it is."""


HELD = {TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE}
"""Types of stored weights that can lie on an array."""


class UntraceableError(Exception):
    """No device can be put on a noise point; the message says why."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the weights of a product are stored.

    Attributes:
        name: of the tensor in the weights file.
        initializer: that holds them in the graph.
        order: axis of the tensor that each axis of the weights is.
        type: of the numbers of the product, as ONNX counts them.
    """

    name: str
    initializer: str
    order: tuple[int, ...]
    type: int


class Values:
    """Of a graph whose weights lie in a safetensors file.

    Args:
        model: takes its noise; its weights are outside.
        weights: content of their file.
    """

    def __init__(self, model: ModelProto, weights: bytes) -> None:
        self.model = model
        self._weights = weights
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.constants = constant_names(model.graph)
        self.made = {output: node for node in model.graph.node for output in node.output if output}
        self.users: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in names_read(node):
                self.users.setdefault(name, []).append(node)
        self._arrays: dict[str, NDArray[np.generic]] = {}

    @cached_property
    def opset(self) -> int:
        """Version of the plain operators."""
        return next((e.version for e in self.model.opset_import if not e.domain), 1)

    @cached_property
    def tensor_at(self) -> dict[int, str]:
        """Name of each tensor of the weights file by the place of its first byte."""
        header, first = tensors_told(BytesIO(self._weights))
        return {
            first + entry["data_offsets"][0]: name
            for name, entry in header.items()
            if entry["data_offsets"][0] < entry["data_offsets"][1]
        }

    def constant(self, name: str) -> NDArray[np.generic]:
        """Return the value of a constant."""
        if name not in self._arrays:
            self._arrays[name] = self._constant(name)
        return self._arrays[name]

    def _constant(self, name: str) -> NDArray[np.generic]:
        if name in self.initializers:
            return self._initializer(self.initializers[name])
        node = self.made[name]
        read = [
            numpy_helper.from_array(np.asarray(self.constant(each)), each)
            for each in sorted(names_read(node))
        ]
        made = [ValueInfoProto(name=each) for each in node.output if each]
        graph = helper.make_graph([node], "constant", [], made, read)
        opsets, version = list(self.model.opset_import), self.model.ir_version
        model = helper.make_model(graph, opset_imports=opsets, ir_version=version)
        try:
            session = InferenceSession(
                model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
            )
            found: NDArray[np.generic] = session.run([name], {})[0]
        except Exception as error:
            raise UntraceableError(f"a constant made by {node.op_type} is not known") from error
        return found

    def _initializer(self, tensor: TensorProto) -> NDArray[np.generic]:
        if not external_data_helper.uses_external_data(tensor):
            return numpy_helper.to_array(tensor)
        place = external_data_helper.ExternalDataInfo(tensor)
        first, length = place.offset or 0, place.length or 0
        held = TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
        held.raw_data = self._weights[first : first + length]
        return numpy_helper.to_array(held)

    def attribute(self, node: NodeProto, name: str, default: Any) -> Any:
        """Return an attribute of a node."""
        for entry in node.attribute:
            if entry.name == name:
                return helper.get_attribute_value(entry)
        return default

    def axes(self, node: NodeProto, place: int, rank: int) -> set[int] | None:
        """Return the axes that a node names by an input or an attribute; None: it names none."""
        if len(node.input) > place and node.input[place]:
            given = self.constant(node.input[place]).tolist()
        else:
            given = self.attribute(node, "axes", None)
        return None if given is None else {int(axis) % rank for axis in np.atleast_1d(given)}

    def stored(self, name: str) -> Stored:
        """Return where the weights of a product are stored.

        Raises:
            UntraceableError: they are not stored as they are multiplied.
        """
        order: list[int] | None = None
        value, kind = name, None
        while value not in self.initializers:
            node = self.made[value]
            if node.op_type not in PASSING or node.domain:
                quantised = "Dequantize" in node.op_type
                how = "are quantised" if quantised else f"are made by {node.op_type}"
                raise UntraceableError(f"its weights {how}")
            if node.op_type == "Cast" and kind is None:
                kind = int(self.attribute(node, "to", TensorProto.FLOAT))
            if node.op_type == "Transpose":
                perm = self.attribute(node, "perm", None)
                before = [*(perm if perm is not None else range(self.constant(name).ndim)[::-1])]
                order = before if order is None else [before[axis] for axis in order]
            value = node.input[0]
        tensor = self.initializers[value]
        if tensor.data_type not in HELD:
            stored_as = TensorProto.DataType.Name(tensor.data_type).lower()
            raise UntraceableError(f"its weights are stored as {stored_as}")
        if not external_data_helper.uses_external_data(tensor):
            raise UntraceableError("its weights stand in the graph, not in the weights file")
        place = external_data_helper.ExternalDataInfo(tensor)
        stored = self.tensor_at[place.offset or 0]
        axes = tuple(range(len(tensor.dims)) if order is None else order)
        return Stored(stored, value, axes, tensor.data_type if kind is None else kind)

    def readers(self, initializer: str) -> list[NodeProto]:
        """Return the nodes that read stored weights, behind what only passes them on."""
        found: list[NodeProto] = []
        ahead = [initializer]
        while ahead:
            for node in self.users.get(ahead.pop(), []):
                if node.op_type in PASSING and self.constants.issuperset(node.output):
                    ahead.append(node.output[0])
                else:
                    found.append(node)
        return found
