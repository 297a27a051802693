"""Weights of a graph in a safetensors file beside it, so that no weight is stored twice."""

from collections.abc import Iterable
from pathlib import Path

from onnx import ModelProto, TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from noisevote.models.errors import ExportError
from noisevote.models.safetensors_header import tensors_told
from noisevote.training.export.nodes import replace_nodes

EMBEDDED_BYTES = 4096
"""Of the largest constant that a graph holds itself."""


def write_weights(tensors: Iterable[TensorProto], path: Path) -> None:
    """Write constants of a graph to a safetensors file, in the types that they have."""
    save_file({tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}, path)
    path.chmod(0o644)  # safetensors writes for the owner alone; a container runs as another user


def point_into_weights(model: ModelProto, weights: Path) -> None:
    """Let the graph's initialisers point into the safetensors file instead of holding values.

    Source: ONNX external data.
    """
    with weights.open("rb") as file:
        header, first = tensors_told(file)
    casts = []
    for tensor in model.graph.initializer:
        entry = header.get(tensor.name)
        if entry is None:
            if tensor.ByteSize() > EMBEDDED_BYTES:
                raise ExportError(f"{tensor.name!r} is not among the network's weights")
            continue
        begin, end = entry["data_offsets"]
        external = TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
        if entry["dtype"] == "F16" and tensor.data_type == TensorProto.FLOAT:
            casts.append(
                helper.make_node(
                    "Cast", [tensor.name + ".half"], [tensor.name], to=TensorProto.FLOAT
                )
            )
            external.name += ".half"
            external.data_type = TensorProto.FLOAT16
        external.data_location = TensorProto.EXTERNAL
        offset = first + begin
        for key, value in (("location", weights.name), ("offset", offset), ("length", end - begin)):
            external.external_data.add(key=key, value=str(value))
        tensor.CopyFrom(external)
    replace_nodes(model.graph, [*casts, *model.graph.node])
