"""Graphs as they come: opened, and put into the one form that the other files work on."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto, helper, inliner, version_converter

from noisevote.models.errors import ImportingError
from noisevote.models.files import regular_content
from noisevote.training.export.nodes import names_read, replace_nodes
from noisevote.training.export.weights import EMBEDDED_BYTES
from noisevote.training.importing.constants import (
    MOST_BYTES,
    check_constants,
    load_weights,
    nodes_in,
)

OLDEST_OPSET, LIFTED_OPSET = 7, 13
"""ONNX Runtime runs operators from the first on; older ones are converted to the second."""

INITIALISERS_APART = 4
"""From this version of the format on, weights are no inputs."""

NEWEST_FORMAT = 10
"""Version of the format that every ONNX Runtime allowed here reads; what later ones added it
refuses by its type or operator."""

PLACES = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |/\S+:\d+ (?:\w+ )*\S+\(.*?\) ")
"""Where in its sources ONNX Runtime says that an error arose."""

PLAIN_DOMAINS = ("", "ai.onnx")
"""Two ways to write that an operator is one of ONNX itself."""

PICKLES = (b"\x80", b"PK\x03\x04", b"\x89HDF")
"""How files of torch, Keras and pickles begin."""

POINTER = b"version https://git-lfs"
"""How the text begins that stands for a file which Git LFS has not brought."""

INTEGER_PRODUCTS = {
    "ConvInteger", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulInteger",
    "MatMulIntegerToFloat", "QAttention", "QGemm", "QLinearConv", "QLinearMatMul",
}  # fmt: skip

UNDER_8_BITS = re.compile(r"u?int[24]$|float[46]e")
"""Names of types that safetensors does not have."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A network as it came.

    Attributes:
        model: with all weights in it, in the usual form: initialisers are no inputs, constants
            are initialisers, functions are inlined.
        source: file name, or the callable that made it.
        digest: SHA-256 of what came.
        opset: version of its operators as it came.
    """

    model: ModelProto
    source: str
    digest: str
    opset: int

    @property
    def producer(self) -> str:
        """What wrote the graph, as it says."""
        return f"{self.model.producer_name} {self.model.producer_version}".strip()


def read_graph(path: Path) -> Graph:
    """Open an ONNX file; its weights may lie in other files of the same folder.

    Raises:
        ImportingError: it cannot be read, or is none that can be taken in.
    """
    try:
        content = regular_content(path, MOST_BYTES)
    except OSError as error:
        hint = "; name the ONNX file in it" * path.is_dir()
        raise ImportingError(f"{path} cannot be read: {error.strerror or error}{hint}") from error
    if content.startswith(PICKLES):
        raise ImportingError(
            f"{path.name} is no ONNX file, but looks like a pickle, an archive or HDF5, which are "
            "not opened. Export the network to ONNX, or give a callable that returns the torch "
            "module, as MODULE:CALLABLE"
        )
    if content.startswith(POINTER):
        raise ImportingError(
            f"{path.name} is a pointer of Git LFS, not the file: git lfs pull brings it"
        )
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # a class of protobuf
        remedy = (
            f"of a module name what to call, {path.stem}:CALLABLE"
            if path.suffix == ".py"
            else "export it anew, or copy it again"
        )
        raise ImportingError(f"{path.name} is no ONNX file, or is damaged; {remedy}") from error
    if not model.graph.node or not model.graph.output:
        raise ImportingError(
            f"{path.name} is no ONNX file, or holds an empty graph; export it anew"
        )
    try:
        load_weights(model, path)
        return graph_of(model, path.name, hashlib.sha256(content).hexdigest())
    except ImportingError:
        raise
    except Exception as error:  # what libraries raise on graphs of strangers
        raise ImportingError(f"{path.name} cannot be taken apart: {first_line(error)}") from error


def graph_of(model: ModelProto, source: str, digest: str) -> Graph:
    """Put a graph into the usual form.

    Raises:
        ImportingError: it has operators that have no place for noise, or numbers that no file of
            weights holds.
    """
    check_constants(model)
    if model.functions:
        model = inliner.inline_local_functions(model)
    check_operators(model)
    for node in nodes_in(model.graph):
        node.domain = "" if node.domain in PLAIN_DOMAINS else node.domain
    opset = next((e.version for e in model.opset_import if e.domain in PLAIN_DOMAINS), 1)
    model.ir_version = min(max(model.ir_version, INITIALISERS_APART), NEWEST_FORMAT)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    kept = [tensor for tensor in graph.input if tensor.name not in constants]
    del graph.input[:]
    graph.input.extend(kept)
    if opset < OLDEST_OPSET:
        model = version_converter.convert_version(model, LIFTED_OPSET)
        graph = model.graph
    read = {name for node in graph.node for name in names_read(node)}
    read |= {output.name for output in graph.output}
    nodes = []
    for node in graph.node:
        value = constant_of(node)
        if value is None:
            nodes.append(without_statistics(node, read))
        else:
            graph.initializer.append(value)
    replace_nodes(graph, nodes)
    check_numbers(model)
    return Graph(model, source, digest, opset)


def without_statistics(node: onnx.NodeProto, read: set[str]) -> onnx.NodeProto:
    """Return a batch norm without the outputs of training that nobody reads.

    ONNX Runtime takes them for an order to use the statistics of the batch.
    """
    if node.op_type == "BatchNormalization" and read.isdisjoint(node.output[1:]):
        is_training = any(entry.name == "training_mode" and entry.i for entry in node.attribute)
        if not is_training:
            del node.output[1:]
    return node


def constant_of(node: onnx.NodeProto) -> TensorProto | None:
    """Return the value of a node that gives a constant; None of any other."""
    if node.op_type != "Constant" or node.domain:
        return None
    (attribute,) = node.attribute
    if attribute.name == "value":
        value = TensorProto()
        value.CopyFrom(attribute.t)
        value.name = node.output[0]
        return value
    types = {
        "value_float": TensorProto.FLOAT, "value_floats": TensorProto.FLOAT,
        "value_int": TensorProto.INT64, "value_ints": TensorProto.INT64,
    }  # fmt: skip
    if attribute.name not in types:
        return None
    found = helper.get_attribute_value(attribute)
    is_list = attribute.name.endswith("s")
    values = list(found) if is_list else [found]
    shape = [len(values)] if is_list else []
    return helper.make_tensor(node.output[0], types[attribute.name], shape, values)


def check_operators(model: ModelProto) -> None:
    """Refuse graphs that have no products of real numbers to put noise after.

    Raises:
        ImportingError: this is one.
    """
    for node in nodes_in(model.graph):
        if node.op_type in INTEGER_PRODUCTS:
            raise ImportingError(
                f"{node.op_type} multiplies whole numbers, and noise needs real ones: quantise the "
                "network in QDQ format (QuantizeLinear and DequantizeLinear around real products)"
            )


def check_numbers(model: ModelProto) -> None:
    """Refuse weights that no file of weights holds.

    Raises:
        ImportingError: there are some.
    """
    for tensor in model.graph.initializer:
        kind = TensorProto.DataType.Name(tensor.data_type).lower()
        if UNDER_8_BITS.match(kind) and tensor.ByteSize() > EMBEDDED_BYTES:
            raise ImportingError(
                f"{tensor.name!r} holds numbers of less than 8 bits ({kind}), which the format of "
                "the weights does not have: quantise to 8 bits"
            )


def pruned(model: ModelProto, output: str) -> None:
    """Leave only what leads to one output."""
    graph = model.graph
    needed = {output}
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(names_read(node))
    replace_nodes(graph, nodes[::-1])
    for field in (graph.initializer, graph.input):
        kept = [entry for entry in field if entry.name in needed]
        del field[:]
        field.extend(kept)
    kept_outputs = [entry for entry in graph.output if entry.name == output]
    del graph.output[:]
    graph.output.extend(kept_outputs)
    del graph.value_info[:]


def first_line(error: Exception) -> str:
    """Return what an error says, in short."""
    said = PLACES.sub("", str(error)).strip()
    return (said.partition("\n")[0] or type(error).__name__)[:300]
