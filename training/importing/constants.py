"""The constants of graphs of strangers: found, loaded from beside the graph, and not believed."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, external_data_helper, numpy_helper

from noisevote.models.errors import ImportingError
from noisevote.models.files import regular_content
from noisevote.training.export.nodes import graphs_of

MOST_BYTES = 2 * 2**30 - 1
"""What a message of protobuf holds."""

MOST_VALUES = 2**28
"""Of a value that a graph makes of a constant shape: 1 GiB of single precision."""

HELD: dict[int, int] = {
    TensorProto.FLOAT: 4, TensorProto.DOUBLE: 8, TensorProto.FLOAT16: 2, TensorProto.BFLOAT16: 2,
    TensorProto.INT8: 1, TensorProto.UINT8: 1, TensorProto.INT16: 2, TensorProto.UINT16: 2,
    TensorProto.INT32: 4, TensorProto.UINT32: 4, TensorProto.INT64: 8, TensorProto.UINT64: 8,
    TensorProto.BOOL: 1, TensorProto.COMPLEX64: 8, TensorProto.COMPLEX128: 16,
}  # fmt: skip
"""Bytes of a number; of other types, such as half bytes, only what is held is looked at."""

GROWING = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}
"""Operators by which a small constant becomes a large value, and which input says how large."""


def load_weights(model: ModelProto, file: Path) -> None:
    """Load weights that lie beside a graph, in files of its own folder.

    Args:
        model: whose constants are to hold them.
        file: of the graph.

    Raises:
        ImportingError: one lies elsewhere, or its file is missing or too short.
    """
    contents: dict[str, bytes] = {}
    for tensor in tensors_in(model):
        if not external_data_helper.uses_external_data(tensor):
            continue
        named = external_data_helper.ExternalDataInfo(tensor)
        if named.location not in contents:
            contents[named.location] = content_beside(file, named.location, tensor.name)
        content = contents[named.location]
        first = named.offset or 0
        last = len(content) if named.length is None else first + named.length
        if not 0 <= first <= last <= len(content):
            raise ImportingError(f"{named.location} is too short for the weights {tensor.name!r}")
        tensor.raw_data = content[first:last]
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def content_beside(file: Path, location: str, name: str) -> bytes:
    """Return what a file in a graph's own folder holds.

    Raises:
        ImportingError: it lies elsewhere, also by a link, or cannot be read.
    """
    place = Path(location)
    own = {file.parent.resolve(), file.resolve().parent}
    beside = file.parent / place.name
    if place.is_absolute() or len(place.parts) != 1 or beside.resolve().parent not in own:
        raise ImportingError(
            f"the weights {name!r} lie in {location!r}; files are read from the graph's own folder "
            "only"
        )
    try:
        return regular_content(beside, MOST_BYTES)
    except OSError as error:
        raise ImportingError(
            f"the weights {name!r} lie in {location}, which cannot be read beside the graph: "
            f"{error.strerror or error}; copy that file there, too"
        ) from error


def check_constants(model: ModelProto) -> None:
    """Refuse constants that hold less than they say, and values made larger than memory.

    Raises:
        ImportingError: there is one.
    """
    for tensor in tensors_in(model):
        check_size(tensor)
    shapes = {
        tensor.name: numpy_helper.to_array(tensor).tolist()
        for tensor in tensors_in(model)
        if tensor.data_type == TensorProto.INT64 and len(tensor.dims) == 1
    }
    for node in nodes_in(model.graph):
        at = GROWING.get(node.op_type)
        if at is None or node.domain or len(node.input) <= at:
            continue
        values = prod(max(1, length) for length in shapes.get(node.input[at], []))
        if values > MOST_VALUES:
            raise ImportingError(
                f"{node.op_type} makes {values:,} values of a constant; allowed are {MOST_VALUES:,}"
            )


def check_size(tensor: TensorProto) -> None:
    """Refuse a constant that holds less or more than its shape says.

    Raises:
        ImportingError: it does.
    """
    values = prod(tensor.dims)
    if tensor.HasField("raw_data"):
        size = HELD.get(tensor.data_type)
        is_right = size is None or len(tensor.raw_data) == size * values
    else:
        fields = (tensor.float_data, tensor.double_data, tensor.int32_data, tensor.int64_data,
                  tensor.uint64_data, tensor.string_data)  # fmt: skip
        is_right = values <= 2 * max(map(len, fields))
    if not is_right or min(tensor.dims, default=1) < 0:
        raise ImportingError(
            f"the constant {tensor.name!r} of shape {list(tensor.dims)} does not hold {values:,} "
            "values: the file is damaged"
        )


def tensors_in(model: ModelProto) -> Iterator[TensorProto]:
    """Yield all constants of a file: of its graph, of those inside, of its functions."""
    yield from tensors_of(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from tensors_at(node)


def tensors_of(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield all constants of a graph and of those inside its nodes."""
    yield from graph.initializer
    for node in graph.node:
        yield from tensors_at(node)


def tensors_at(node: NodeProto) -> Iterator[TensorProto]:
    """Yield the constants that a node holds itself."""
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
    for graph in graphs_of(node):
        yield from tensors_of(graph)


def nodes_in(graph: GraphProto) -> Iterator[NodeProto]:
    """Yield all nodes of a graph and of those inside them."""
    for node in graph.node:
        yield node
        for inner in graphs_of(node):
            yield from nodes_in(inner)
