"""The graph pass: turns a classifier into one that takes its noise as inputs.

The graph that comes out takes

* the inputs of the classifier ``[inputs, *shape]``, each input once,
* ``image_of_row`` ``[rows]``: which input each vote is cast on,
* ``noise.<point>`` ``[rows, *shape]`` for each noise point: the finished factor or summand; a
  point that is passed several times takes it step by step,

and gives its output ``[rows, classes]``. What does not depend on noise runs once per input; what
does runs once per row. The border between the two is crossed by a ``Gather``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from noisevote.models.engines.session import INPUT_OF_ROW, NOISE_PREFIX
from noisevote.models.errors import ExportError
from noisevote.models.noise import NoiseKind
from noisevote.models.specs import MARK
from noisevote.training.export.nodes import constant_names, names_read, rename_reads, replace_nodes

MARK_DOMAIN, MARK_TYPE = MARK.split("::")
ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Layout:
    """How votes lie in the signal that noise meets.

    Attributes:
        axis: of the signal along which votes follow each other.
        fold: whether a vote has several places along that axis, which are the axis ``axis`` of its
            noise: ``outer`` where they stand side by side, ``inner`` where the votes do.
        is_whole: whether a pass holds one vote, whose signal has the shape of its noise.
        type: of the signal's numbers, as ONNX counts them; noise is in single precision.
    """

    axis: int = 0
    fold: Literal["outer", "inner"] | None = None
    is_whole: bool = False
    type: int = TensorProto.FLOAT


PLAIN = Layout()


def with_noise_inputs(
    model: ModelProto,
    kind: NoiseKind,
    shapes: Mapping[str, tuple[int, ...]],
    layouts: Mapping[str, Layout] | None = None,
    repeats_inputs: bool = False,
) -> ModelProto:
    """Return a copy of ``model`` that takes its noise as inputs.

    Args:
        model: of one output, noise points marked.
        kind: whether the noise is a factor or a summand.
        shapes: shape of each noise point, in graph order.
        layouts: how votes lie in the signals of points, where it is not along the first axis.
        repeats_inputs: whether all of the graph runs once per row.

    Raises:
        ExportError: the marks are not those of ``shapes``, a name is taken, or the graph mixes
            inputs in a way that cannot be repeated by row.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    check_marks(graph, shapes)
    check_names(graph, shapes)
    nodes = []
    for node in graph.node:
        if is_mark(node):
            point = point_of(node)
            noise = NOISE_PREFIX + point
            if (step := step_of(node)) is not None:
                nodes.append(noise_at_step(graph, noise, step))
                noise = nodes[-1].output[0]
            layout = PLAIN if layouts is None else layouts.get(point, PLAIN)
            nodes += (before := laid_out(graph, noise, shapes[point], layout))
            noise = before[-1].output[0] if before else noise
            nodes += met(node, kind, noise, layout.type)
        else:
            nodes.append(node)
    replace_nodes(graph, nodes)
    if repeats_inputs:
        repeat_inputs(graph)
    else:
        repeat_by_row(graph, {NOISE_PREFIX + name for name in shapes})
    graph.input.append(helper.make_tensor_value_info(INPUT_OF_ROW, TensorProto.INT64, [ROWS]))
    graph.input.extend(
        helper.make_tensor_value_info(NOISE_PREFIX + name, TensorProto.FLOAT, [ROWS, *shape])
        for name, shape in shapes.items()
    )
    graph.output[0].type.tensor_type.shape.dim[0].dim_param = ROWS
    del graph.value_info[:]
    versions = [entry for entry in result.opset_import if entry.domain != MARK_DOMAIN]
    del result.opset_import[:]
    result.opset_import.extend(versions)
    try:
        onnx.checker.check_model(result)
    except onnx.checker.ValidationError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(f"the graph that takes noise is not sound: {reason}") from error
    return result


def check_marks(graph: GraphProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse marks that are not those of ``shapes``, each point once or once at each step."""
    found: dict[str, list[int | None]] = {}
    for node in filter(is_mark, graph.node):
        found.setdefault(point_of(node), []).append(step_of(node))
    if list(found) != list(shapes):
        raise ExportError(f"the graph marks the noise points {list(found)}, not {list(shapes)}")
    for name, steps in found.items():
        if steps != [None] and steps != list(range(shapes[name][0])):
            raise ExportError(f"the graph marks {name!r} at the steps {steps}, not at each in turn")


def check_names(graph: GraphProto, points: Iterable[str]) -> None:
    """Refuse a graph that has names for itself which the inputs of its votes are to bear."""
    own = {entry.name for entry in (*graph.input, *graph.initializer)}
    own.update(name for node in graph.node for name in (*node.input, *node.output))
    for name in (INPUT_OF_ROW, *(NOISE_PREFIX + point for point in points)):
        if name in own:
            raise ExportError(
                f"the graph calls a value {name!r}, as an input of votes is to be called; give it "
                "another name"
            )


def noise_at_step(graph: GraphProto, noise: str, step: int) -> NodeProto:
    """Return a node that takes one step ``[rows, ...]`` of a noise input ``[rows, steps, ...]``."""
    index = f"step.{step}"
    if all(tensor.name != index for tensor in graph.initializer):
        graph.initializer.append(helper.make_tensor(index, TensorProto.INT64, [], [step]))
    return helper.make_node("Gather", [noise, index], [f"{noise}.{step}"], axis=1)


def laid_out(
    graph: GraphProto, noise: str, shape: tuple[int, ...], layout: Layout
) -> list[NodeProto]:
    """Return the nodes that lay noise out as votes lie in the signal; none if it lies so.

    Args:
        graph: takes the constants that they need.
        noise: name of the noise ``[rows, *shape]``.
        shape: of the noise of one vote.
        layout: how votes lie in the signal.
    """
    nodes = []
    place = layout.axis + (layout.fold == "inner")
    if place and not layout.is_whole:
        order = moved_to(place, len(shape) + 1)
        nodes.append(helper.make_node("Transpose", [noise], [f"{noise}.moved"], perm=order))
        noise = nodes[-1].output[0]
    if layout.fold or layout.is_whole:
        axis = layout.axis
        target = shape if layout.is_whole else (*shape[:axis], -1, *shape[axis + 1 :])
        to = helper.make_tensor(f"{noise}.shape", TensorProto.INT64, [len(target)], list(target))
        graph.initializer.append(to)
        nodes.append(helper.make_node("Reshape", [noise, to.name], [f"{noise}.shaped"]))
    return nodes


def moved_to(axis: int, rank: int) -> list[int]:
    """Return the order of axes that brings the first one to the place of ``axis``."""
    return [*range(1, axis + 1), 0, *range(axis + 1, rank)]


def met(node: NodeProto, kind: NoiseKind, noise: str, type_of_signal: int) -> list[NodeProto]:
    """Turn a mark into the meeting of its signal with noise; return the nodes that do it."""
    node.op_type, node.domain = kind.operation, ""
    node.input.append(noise)
    del node.attribute[:]
    if type_of_signal == TensorProto.FLOAT:
        return [node]
    (signal, _), (end,) = node.input, node.output
    node.input[0], node.output[0] = f"{end}.single", f"{end}.noisy"
    return [
        helper.make_node("Cast", [signal], [node.input[0]], to=TensorProto.FLOAT),
        node,
        helper.make_node("Cast", [node.output[0]], [end], to=type_of_signal),
    ]


def repeat_inputs(graph: GraphProto) -> None:
    """Insert a ``Gather`` behind each input, so that all of the graph runs once per row."""
    names = {tensor.name: by_row(tensor.name) for tensor in graph.input}
    for node in graph.node:
        rename_reads(node, names)
    gathers = [
        helper.make_node("Gather", [tensor.name, INPUT_OF_ROW], [by_row(tensor.name)], axis=0)
        for tensor in graph.input
    ]
    replace_nodes(graph, [*gathers, *graph.node])


def repeat_by_row(graph: GraphProto, noise_inputs: Iterable[str]) -> None:
    """Insert a ``Gather`` wherever a value of each image meets a node that runs per row."""
    fixed = constant_names(graph)
    of_rows = set(noise_inputs)
    gathered: set[str] = set()
    nodes: list[NodeProto] = []
    for node in graph.node:
        if of_rows.intersection(reads := names_read(node)):
            of_images = reads - of_rows - fixed
            nodes += [
                helper.make_node("Gather", [name, INPUT_OF_ROW], [by_row(name)], axis=0)
                for name in sorted(of_images - gathered)
            ]
            gathered |= of_images
            rename_reads(node, {name: by_row(name) for name in of_images})
            of_rows.update(node.output)
        elif node.op_type in {"Shape", "Size"} and not fixed.issuperset(node.input):
            raise ExportError(
                f"{node.op_type} of {node.input[0]!r} fixes the number of images in the graph; "
                "write the network with reshape(-1, ...) so that rows can be repeated"
            )
        nodes.append(node)
    if graph.output[0].name not in of_rows:
        raise ExportError("no noise point lies on the way to the outputs")
    replace_nodes(graph, nodes)


def by_row(name: str) -> str:
    """Return the name of a value of each image once it is repeated by row."""
    return f"{name}.by_row"


def is_mark(node: NodeProto) -> bool:
    """Return whether the node marks a noise point."""
    return node.domain == MARK_DOMAIN and node.op_type == MARK_TYPE


def point_of(node: NodeProto) -> str:
    """Return the name of the noise point that a node marks."""
    return str(next(entry.s.decode() for entry in node.attribute if entry.name == "point"))


def step_of(node: NodeProto) -> int | None:
    """Return the step at which a node marks its noise point; None if it is passed once."""
    return next((entry.i for entry in node.attribute if entry.name == "step"), None)
