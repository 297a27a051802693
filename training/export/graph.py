"""The graph pass: turns an exported classifier into one that takes its noise as inputs.

The graph that comes out takes

* ``images`` ``[images, *input_shape]``, each image once,
* ``image_of_row`` ``[rows]``: which image each vote is cast on,
* ``noise.<point>`` ``[rows, *shape]`` for each noise point: the finished factor or summand; a
  point that is passed several times takes it step by step,

and gives ``outputs`` ``[rows, classes]``. What does not depend on noise runs once per image; what
does runs once per row. The border between the two is crossed by a ``Gather``.
"""

from collections.abc import Iterable

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, shape_inference

from noisevote.models.errors import ExportError
from noisevote.models.networks.noise_points import MARK
from noisevote.models.noise import NoiseKind
from noisevote.models.runtime import INPUT_OF_ROW, NOISE_PREFIX
from noisevote.models.specs import OUTPUTS

MARK_DOMAIN, MARK_TYPE = MARK.split("::")
PRODUCTS = frozenset({"Conv", "Gemm", "MatMul"})


def with_noise_inputs(
    model: ModelProto, kind: NoiseKind, shapes: dict[str, tuple[int, ...]]
) -> ModelProto:
    """Return a copy of ``model`` that takes its noise as inputs.

    Args:
        model: one input ``images``, one output ``outputs``, noise points marked.
        kind: whether the noise is a factor or a summand.
        shapes: shape of each noise point, in graph order.

    Raises:
        ExportError: the marks are not those of ``shapes``, or the graph mixes images in a way
            that cannot be repeated by row.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    check_marks(graph, shapes)
    nodes = []
    for node in graph.node:
        if is_mark(node):
            noise = NOISE_PREFIX + point_of(node)
            if (step := step_of(node)) is not None:
                nodes.append(noise_at_step(graph, noise, step))
                noise = nodes[-1].output[0]
            node.op_type, node.domain = kind.operation, ""
            node.input.append(noise)
            del node.attribute[:]
        nodes.append(node)
    replace_nodes(graph, nodes)
    repeat_by_row(graph, {NOISE_PREFIX + name for name in shapes})
    graph.input.append(helper.make_tensor_value_info(INPUT_OF_ROW, TensorProto.INT64, ["rows"]))
    graph.input.extend(
        helper.make_tensor_value_info(NOISE_PREFIX + name, TensorProto.FLOAT, ["rows", *shape])
        for name, shape in shapes.items()
    )
    graph.output[0].type.tensor_type.shape.dim[0].dim_param = "rows"
    del graph.value_info[:]
    versions = [entry for entry in result.opset_import if entry.domain != MARK_DOMAIN]
    del result.opset_import[:]
    result.opset_import.extend(versions)
    onnx.checker.check_model(result)
    return result


def check_marks(graph: GraphProto, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuse marks that are not those of ``shapes``, each point once or once at each step."""
    found: dict[str, list[int | None]] = {}
    for node in filter(is_mark, graph.node):
        found.setdefault(point_of(node), []).append(step_of(node))
    if list(found) != list(shapes):
        raise ExportError(f"the graph marks the noise points {list(found)}, not {list(shapes)}")
    for name, steps in found.items():
        if steps != [None] and steps != list(range(shapes[name][0])):
            raise ExportError(f"the graph marks {name!r} at the steps {steps}, not at each in turn")


def noise_at_step(graph: GraphProto, noise: str, step: int) -> NodeProto:
    """Return a node that takes one step ``[rows, ...]`` of a noise input ``[rows, steps, ...]``."""
    index = f"step.{step}"
    if all(tensor.name != index for tensor in graph.initializer):
        graph.initializer.append(helper.make_tensor(index, TensorProto.INT64, [], [step]))
    return helper.make_node("Gather", [noise, index], [f"{noise}.{step}"], axis=1)


def mark_by_rule(model: ModelProto) -> tuple[ModelProto, dict[str, tuple[int, ...]]]:
    """Mark the noise points of a classifier that knows of none.

    Rule: after every ``Conv``, ``Gemm`` and ``MatMul``, together with an ``Add`` of a constant
    (its bias) and a ``BatchNormalization`` that directly follow.

    Returns:
        The marked copy, and the shape of each noise point in graph order.

    Raises:
        ExportError: the graph has no such layer, or the shape of one is not fixed.
    """
    result = shape_inference.infer_shapes(model, strict_mode=True)
    graph = result.graph
    ends = ends_of_layers(graph)
    if not ends:
        raise ExportError(f"the graph has no {', '.join(sorted(PRODUCTS))} to put noise after")
    known = {info.name: info for info in [*graph.value_info, *graph.output]}
    shapes = {point: fixed_shape(known.get(end), end) for end, point in ends.items()}
    nodes: list[NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        for end in ends.keys() & set(node.output):
            quiet = f"{end}.quiet"
            node.output[list(node.output).index(end)] = quiet
            mark = helper.make_node(MARK_TYPE, [quiet], [end], domain=MARK_DOMAIN, point=ends[end])
            nodes.append(mark)
    replace_nodes(graph, nodes)
    result.opset_import.append(helper.make_opsetid(MARK_DOMAIN, 1))
    return result, shapes


def ends_of_layers(graph: GraphProto) -> dict[str, str]:
    """Return the output of each layer, and the layer's name, in graph order."""
    constants = constant_names(graph)
    users: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return {
        end_of_layer(node, users, constants): node.name or node.output[0]
        for node in graph.node
        if node.op_type in PRODUCTS and not constants.issuperset(node.input)
    }


def end_of_layer(node: NodeProto, users: dict[str, list[NodeProto]], constants: set[str]) -> str:
    """Return the output of a layer: of its product, its bias, or the batch norm that follows."""
    end = node.output[0]
    while len(followers := users.get(end, [])) == 1:
        follower = followers[0]
        is_bias = follower.op_type == "Add" and any(name in constants for name in follower.input)
        if not is_bias and follower.op_type != "BatchNormalization":
            break
        end = follower.output[0]
    return str(end)


def repeat_by_row(graph: GraphProto, noise_inputs: Iterable[str]) -> None:
    """Insert a ``Gather`` wherever a value of each image meets a node that runs per row."""
    fixed = constant_names(graph)
    of_rows = set(noise_inputs)
    gathered: set[str] = set()
    nodes: list[NodeProto] = []
    for node in graph.node:
        if of_rows.intersection(node.input):
            of_images = {name for name in node.input if name} - of_rows - fixed
            nodes += [
                helper.make_node("Gather", [name, INPUT_OF_ROW], [by_row(name)], axis=0)
                for name in sorted(of_images - gathered)
            ]
            gathered |= of_images
            inputs = [by_row(name) if name in of_images else name for name in node.input]
            del node.input[:]
            node.input.extend(inputs)
            of_rows.update(node.output)
        elif node.op_type in {"Shape", "Size"} and not fixed.issuperset(node.input):
            raise ExportError(
                f"{node.op_type} of {node.input[0]!r} fixes the number of images in the graph; "
                "write the network with reshape(-1, ...) so that rows can be repeated"
            )
        nodes.append(node)
    if OUTPUTS not in of_rows:
        raise ExportError("no noise point lies on the way to the outputs")
    replace_nodes(graph, nodes)


def by_row(name: str) -> str:
    """Return the name of a value of each image once it is repeated by row."""
    return f"{name}.by_row"


def constant_names(graph: GraphProto) -> set[str]:
    """Return the names of all values that depend neither on images nor on noise."""
    names = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if names.issuperset(name for name in node.input if name):
            names.update(node.output)
    return names


def fixed_shape(info: onnx.ValueInfoProto | None, name: str) -> tuple[int, ...]:
    """Return the shape of a value without its batch axis."""
    dims = [] if info is None else list(info.type.tensor_type.shape.dim)
    if not dims or not all(dim.dim_value for dim in dims[1:]):
        raise ExportError(f"the shape of {name!r} behind the batch axis is not fixed in the graph")
    return tuple(dim.dim_value for dim in dims[1:])


def is_mark(node: NodeProto) -> bool:
    """Return whether the node marks a noise point."""
    return node.domain == MARK_DOMAIN and node.op_type == MARK_TYPE


def point_of(node: NodeProto) -> str:
    """Return the name of the noise point that a node marks."""
    return str(next(entry.s.decode() for entry in node.attribute if entry.name == "point"))


def step_of(node: NodeProto) -> int | None:
    """Return the step at which a node marks its noise point; None if it is passed once."""
    return next((entry.i for entry in node.attribute if entry.name == "step"), None)


def replace_nodes(graph: GraphProto, nodes: list[NodeProto]) -> None:
    """Put ``nodes`` in the place of all nodes of the graph."""
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
