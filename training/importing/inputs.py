"""What a network takes: inputs are brought to rows ``[n, *shape]`` in a type that cards know."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from noisevote.models.errors import ImportingError
from noisevote.models.specs import MAX_NAME, InputSpec
from noisevote.training.export.graph import moved_to
from noisevote.training.export.nodes import rename_reads, replace_nodes

Value = TypeVar("Value")

TAKEN: dict[int, Literal["float32", "int64", "int32", "uint8"]] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float32",
    TensorProto.BFLOAT16: "float32",
    TensorProto.DOUBLE: "float32",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.UINT8: "uint8",
    TensorProto.BOOL: "uint8",
}
"""In which type a card has inputs of a graph's type."""

ONNX_TYPES = {
    "float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
}  # fmt: skip

SHOWN = 40
"""Letters of a name that a message shows."""

INPUTS = "inputs"
"""What the axis is called along which inputs follow each other."""

INPUT = re.compile(
    r"(?:(?P<name>.+)=)?(?P<shape>\d+(?:x\d+)*)(?::(?P<type>float32|int64|int32|uint8))?"
)
RANGE = re.compile(r"(?:(?P<name>.+)=)?(?P<low>[^:=]+):(?P<high>[^:=]+)")


@dataclass(frozen=True, slots=True)
class Taken:
    """An input of the graph as it came.

    Attributes:
        spec: as the card has it.
        type: of its numbers in the graph, as ONNX counts them.
        axis: along which inputs follow each other.
        is_fixed: whether the graph says that a pass takes one input.
    """

    spec: InputSpec
    type: int
    axis: int
    is_fixed: bool

    def seeing(self, rows: NDArray[Any]) -> "Taken":
        """Return the same input, which notes between what samples lie."""
        seen = float(rows.min()), float(rows.max())
        return replace(self, spec=self.spec.model_copy(update={"seen": seen}))

    def as_original(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows ``[n, *shape]`` as the graph that came takes them."""
        moved = np.moveaxis(rows, 0, self.axis)
        return moved.astype(helper.tensor_dtype_to_np_dtype(self.type))


def inputs_of(
    model: ModelProto,
    shapes: Mapping[str | None, tuple[int, ...]],
    ranges: Mapping[str | None, tuple[float, float]],
) -> tuple[Taken, ...]:
    """Return what a graph takes.

    Args:
        model: in the usual form.
        shapes: of one input, by name, where the graph leaves it open; None stands for the only one.
        ranges: smallest and largest value, likewise.

    Raises:
        ImportingError: a name is unknown, a shape is open, or a type is not taken.
    """
    names = [tensor.name for tensor in model.graph.input]
    if not names:
        raise ImportingError("the graph takes no inputs")
    shape_of = by_name(shapes, names, "--input")
    range_of = by_name(ranges, names, "--range")
    return tuple(
        input_of(
            tensor, shape_of.get(tensor.name), range_of.get(tensor.name) or ids_of(model, tensor)
        )
        for tensor in model.graph.input
    )


def by_name(
    given: Mapping[str | None, Value], names: Sequence[str], option: str
) -> dict[str, Value]:
    """Return what an option gives for each name."""
    found = {}
    for name, value in given.items():
        if name is None and len(names) > 1:
            raise ImportingError(
                f"the graph takes {', '.join(names)}: say which, {option} {names[0]}=..."
            )
        if name is not None and name not in names:
            raise ImportingError(f"{option} names {name!r}; the graph takes {', '.join(names)}")
        found[name or names[0]] = value
    return found


def input_of(
    tensor: ValueInfoProto, shape: tuple[int, ...] | None, limits: tuple[float, float] | None
) -> Taken:
    """Return what the graph takes as one of its inputs.

    Raises:
        ImportingError: its shape is open, its type is not taken, or its name is too long.
    """
    name, of_tensor = tensor.name, tensor.type.tensor_type
    if len(name) > MAX_NAME:
        raise ImportingError(
            f"the input {name[:SHOWN]}... has a name of {len(name):,} letters; allowed are "
            f"{MAX_NAME}"
        )
    dtype = TAKEN.get(of_tensor.elem_type)
    if dtype is None:
        kinds = {number: kind.lower() for kind, number in TensorProto.DataType.items()}
        found = kinds.get(of_tensor.elem_type, "an unknown type") if of_tensor.elem_type else None
        raise ImportingError(
            f"{name} is {f'a tensor of {found}' if found else 'no tensor'}; taken are tensors of "
            + ", ".join(kinds[number] for number in TAKEN)
            + "; export the network from where it takes these"
        )
    dims = [dim.dim_value for dim in of_tensor.shape.dim]
    free = [axis for axis, length in enumerate(dims) if length == 0]
    axis = free[0] if len(free) == 1 and dims[0] > 1 else 0
    inner = inner_shape(name, [length for at, length in enumerate(dims) if at != axis], shape)
    if dims and dims[axis] > 1:
        raise ImportingError(
            f"{name} is {text(dims)}, so {dims[axis]} inputs a pass are fixed: export with a free "
            "first axis, or with 1"
        )
    if of_tensor.elem_type == TensorProto.BOOL:
        limits = limits or (0.0, 1.0)
    if dtype != "float32" and limits is None:
        raise ImportingError(
            f"{name} takes whole numbers ({dtype}); say which are allowed, for instance "
            f"--range {name}=0:1 for a mask"
        )
    spec = InputSpec(name=name, dtype=dtype, shape=inner, range=limits)
    return Taken(spec, of_tensor.elem_type, axis, bool(dims) and dims[axis] == 1)


def inner_shape(
    name: str, declared: Sequence[int], given: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Return the shape of one input: as the graph declares it, its open axes as given.

    Raises:
        ImportingError: an axis is still open, or both contradict each other.
    """
    if given is None:
        shape = tuple(declared)
    elif not declared or (
        len(declared) == len(given)
        and all(length in {0, wanted} for length, wanted in zip(declared, given, strict=True))
    ):
        shape = given
    else:
        raise ImportingError(f"--input says {name} is {text(given)}; the graph {text(declared)}")
    if not shape:
        raise ImportingError(
            f"{name} has no axis beside that of the inputs; give its shape: --input {name}=64"
        )
    if 0 in shape:
        raise ImportingError(
            f"{name} leaves axes open, {text(shape)}, and noise needs a fixed shape: give it, for "
            f"instance --input {name}={'x'.join(str(length or 32) for length in shape)}"
        )
    return shape


def ids_of(model: ModelProto, tensor: ValueInfoProto) -> tuple[float, float] | None:
    """Return the range of token ids: of what rows of a table are gathered by; else None."""
    tables = {entry.name: entry.dims for entry in model.graph.initializer}
    followed = {tensor.name}
    for node in model.graph.node:
        if node.op_type == "Gather" and node.input[0] in tables and node.input[1] in followed:
            if len(tables[node.input[0]]) > 1:
                return 0.0, float(tables[node.input[0]][0] - 1)
        elif node.op_type in {"Cast", "Identity", "Reshape"} and node.input[0] in followed:
            followed.add(node.output[0])
    return None


def text(shape: Sequence[int]) -> str:
    """Return a shape as options have it."""
    return "x".join(str(length or "?") for length in shape)


@dataclass(frozen=True, slots=True)
class Asked:
    """An input as ``--input [NAME=]3x224x224[:int64]`` has it.

    Attributes:
        shape: of one input.
        dtype: of its numbers, which the graph of an ONNX file tells itself.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"


def parsed_inputs(given: Sequence[str]) -> dict[str | None, Asked]:
    """Return what ``--input`` says, by name; None stands for the only input.

    Raises:
        ImportingError: one is written in another way.
    """
    found: dict[str | None, Asked] = {}
    for entry in given:
        match = INPUT.fullmatch(entry)
        shape = tuple(map(int, match["shape"].split("x"))) if match else ()
        if match is None or 0 in shape:
            raise ImportingError(
                f"--input {entry} is no shape; write NAME=3x224x224, without the axis of inputs"
            )
        refuse_twice(match["name"], found, entry, "--input")
        found[match["name"]] = Asked(shape, match["type"] or "float32")
    return found


def parsed_ranges(given: Sequence[str]) -> dict[str | None, tuple[float, float]]:
    """Return the ranges of ``--range [NAME=]LOW:HIGH``, by name.

    Raises:
        ImportingError: one is written in another way.
    """
    found: dict[str | None, tuple[float, float]] = {}
    for entry in given:
        match = RANGE.fullmatch(entry)
        try:
            low, high = (float(match["low"]), float(match["high"])) if match else (1.0, 0.0)
        except ValueError:
            low, high = 1.0, 0.0
        if match is None or not -np.inf < low < high < np.inf:
            raise ImportingError(f"--range {entry} is no range; write LOW:HIGH, for instance 0:1")
        refuse_twice(match["name"], found, entry, "--range")
        found[match["name"]] = (low, high)
    return found


def inputs_as_rows(graph: GraphProto, taken: Sequence[Taken]) -> None:
    """Let the inputs of a graph be rows: moved and cast to what its nodes expect."""
    by = {each.spec.name: each for each in taken}
    before: list[NodeProto] = []
    renamed: dict[str, str] = {}
    for tensor in graph.input:
        each = by[tensor.name]
        name = tensor.name
        if each.axis:
            order = moved_to(each.axis, len(each.spec.shape) + 1)
            before.append(helper.make_node("Transpose", [name], [f"{name}.moved"], perm=order))
            name = f"{name}.moved"
        if each.type != ONNX_TYPES[each.spec.dtype]:
            before.append(helper.make_node("Cast", [name], [f"{name}.cast"], to=each.type))
            name = f"{name}.cast"
        renamed[tensor.name] = name
        rows: list[str | int | None] = [INPUTS, *each.spec.shape]
        tensor.CopyFrom(
            helper.make_tensor_value_info(tensor.name, ONNX_TYPES[each.spec.dtype], rows)
        )
    for node in graph.node:
        rename_reads(node, renamed)
    replace_nodes(graph, [*before, *graph.node])


def refuse_twice(name: str | None, found: Container[str | None], entry: str, option: str) -> None:
    """Refuse an option that says another thing of the same input.

    Raises:
        ImportingError: it has said something already.
    """
    if name in found:
        raise ImportingError(f"{option} {entry}: an input of that name is told twice")
