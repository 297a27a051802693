"""The products of a graph: which get noise, where it stands, and which get none and why."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from onnx import GraphProto, ModelProto, NodeProto, helper

from noisevote.models.errors import ImportingError
from noisevote.training.export.graph import MARK_DOMAIN, MARK_TYPE
from noisevote.training.export.nodes import constant_names, graphs_of, names_read, replace_nodes

NOISE_AFTER = ("Conv", "Gemm", "MatMul")
PRODUCTS = (*NOISE_AFTER, "ConvTranspose", "Einsum")
RECURRENT = ("GRU", "LSTM", "RNN")
FOLLOWING = {"Add", "Sub", "Mul", "Div"}
"""With a constant for each channel: bias and scale of the layer before them."""

UNWANTED = str.maketrans(dict.fromkeys("=, \t\n", "_"))
"""Signs by which a request or an option tells points apart."""

LONGEST = 180
"""Letters of a name that are kept, the last: what tells layers apart stands there."""

CALL = ":"
"""Between the name of a layer and the number of a further call of it."""

MATRIX_AXES = 2

SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch's exporter notes the modules around a node, the innermost before the operator."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which products get noise.

    Attributes:
        after: operators of layers with weights.
        include: patterns of names; what fits gets noise, too.
        exclude: patterns of names; what fits gets none.
        activations: whether products of two signals get noise, as in attention.
        only: names; nothing else gets noise. None: there is no such list.
    """

    after: tuple[str, ...] = NOISE_AFTER
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    activations: bool = False
    only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """A product of the graph.

    Attributes:
        name: by which its owner knows it.
        node: that multiplies.
        end: name of the signal that noise meets: of the product, or of the bias, scale or batch
            norm that follows it alone.
        has_weights: whether one side is constant.
        quiet: why it gets no noise; None if it gets some.
    """

    name: str
    node: NodeProto
    end: str
    has_weights: bool
    quiet: str | None = None

    @property
    def operator(self) -> str:
        """Operator of the graph."""
        return str(self.node.op_type)

    @property
    def is_chosen_out(self) -> bool:
        """Whether the user excluded it."""
        return self.quiet is not None and self.quiet.startswith("--exclude")


def layers_in(model: ModelProto, rule: Rule) -> list[Layer]:
    """Return the products of a graph, in its order.

    Raises:
        ImportingError: a pattern fits none of them.
    """
    graph = model.graph
    constants = constant_names(graph)
    users: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in names_read(node):
            users.setdefault(name, []).append(node)
    ends = {output.name for output in graph.output}
    channels = channel_constants(graph, constants)
    names: set[str] = set()
    found = []
    for node, has_weights, reason in products_in(graph, constants):
        name = unique(name_of(node, graph, constants), names)
        end = made_by(node) if reason else end_of(node, users, channels, ends)
        found.append(Layer(name, node, end, has_weights, reason))
    check_patterns((*rule.include, *rule.exclude), found)
    return [replace(layer, quiet=why_quiet(layer, rule)) for layer in found]


def products_in(
    graph: GraphProto, constants: set[str]
) -> Iterator[tuple[NodeProto, bool, str | None]]:
    """Yield each node that multiplies, whether by weights, and why noise cannot follow it."""
    weights = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        sides = [name for name in node.input if name][:2]
        if constants.issuperset(node.output):
            continue
        if node.op_type in PRODUCTS and not node.domain:
            yield node, bool(constants.intersection(sides)), None
        elif node.op_type in RECURRENT and not node.domain:
            yield node, True, f"its products are inside the operator {node.op_type}"
        elif node.domain and any(weights.get(name, 0) >= MATRIX_AXES for name in node.input):
            yield node, True, f"the operator {node.domain}.{node.op_type} is not taken apart"
        elif any(has_products(part) for part in graphs_of(node)):
            yield node, True, f"its products are inside the operator {node.op_type}"


def has_products(graph: GraphProto) -> bool:
    """Return whether a graph multiplies anywhere."""
    return any(
        node.op_type in (*PRODUCTS, *RECURRENT) or any(map(has_products, graphs_of(node)))
        for node in graph.node
    )


def channel_constants(graph: GraphProto, constants: set[str]) -> set[str]:
    """Return the constants that have a value for each channel, as biases and scales do.

    A scalar belongs to what follows, as the 3 of a hard sigmoid does; a matrix, too, as what is
    learned of places.
    """
    longer = {e.name: sum(length > 1 for length in e.dims) for e in graph.initializer}
    scalars = {entry.name for entry in graph.initializer if not entry.dims}
    found = {name for name, axes in longer.items() if axes <= 1} - scalars
    for node in graph.node:
        if node.output[0] in constants and node.input:
            first = node.input[0]
            if first in found or (first in constants and first not in longer):
                found.add(node.output[0])
    return found


def made_by(node: NodeProto) -> str:
    """Return the first value that a node gives; it may leave some out."""
    return next(str(name) for name in node.output if name)


def end_of(
    node: NodeProto, users: dict[str, list[NodeProto]], channels: set[str], ends: set[str]
) -> str:
    """Return the signal of a layer: of its product, or of what follows that alone."""
    end = node.output[0]
    while end not in ends and len(followers := users.get(end, [])) == 1:
        (follower,) = followers
        is_scale = follower.op_type in FOLLOWING and not channels.isdisjoint(follower.input)
        if follower.op_type == "Div" and follower.input[1] == end:
            break
        if not is_scale and follower.op_type != "BatchNormalization":
            break
        end = follower.output[0]
    return str(end)


def name_of(node: NodeProto, graph: GraphProto, constants: set[str]) -> str:
    """Return by which name the owner of a network knows a layer.

    That of its weights, as torch calls them, else of the module that its exporter noted, else of
    its node, else of its output.
    """
    made = {output: before for before in graph.node for output in before.output}
    for name in node.input:
        while name in constants and name in made and made[name].input:
            name = made[name].input[0]
        if name in constants and name.endswith(".weight"):
            return str(name.removesuffix(".weight"))
    noted = {entry.key: entry.value for entry in node.metadata_props}.get(SCOPES, "[]")
    if len(scopes := re.findall(r"'([^']*)'", noted)) > 1 and scopes[-2]:
        return str(scopes[-2])
    path = re.sub(rf"/{node.op_type}(_\d+)?$", "", node.name)
    if path.startswith("/"):  # torch's first exporter writes the modules around a node so
        path = re.sub(r"/([^/]+)/(?=\1\.)", "/", path).replace("/", ".")
    return path.strip("/.") or made_by(node)


def unique(name: str, names: set[str]) -> str:
    """Return a name that no other layer has, and remember it."""
    name = name.translate(UNWANTED)[-LONGEST:]
    number, found = 1, name
    while found in names:
        number += 1
        found = f"{name}{CALL}{number}"
    names.add(found)
    return found


def check_patterns(patterns: Sequence[str], layers: Sequence[Layer]) -> None:
    """Refuse a pattern that fits nothing.

    Raises:
        ImportingError: there is one.
    """
    names = [layer.name for layer in layers]
    for pattern in patterns:
        if not any(fits(layer, [pattern]) for layer in layers):
            near = get_close_matches(pattern, names, n=5, cutoff=0.3) or names[:5]
            raise ImportingError(
                f"{pattern!r} fits none of the {len(names)} products; the nearest names are "
                f"{', '.join(near) or 'none'}"
            )


def fits(layer: Layer, patterns: Sequence[str]) -> bool:
    """Return whether a pattern fits the name of a layer or of its node."""
    return any(
        fnmatchcase(name, pattern) for pattern in patterns for name in (layer.name, layer.node.name)
    )


def why_quiet(layer: Layer, rule: Rule) -> str | None:
    """Return why a layer gets no noise; None if it gets some."""
    if layer.quiet is not None:
        return layer.quiet
    if rule.only is not None and layer.name.partition(CALL)[0] not in rule.only:
        return "it is none of the layers that were hardened"
    if fits(layer, rule.exclude):
        return "--exclude"
    if fits(layer, rule.include):
        return None
    if not layer.has_weights:
        return None if rule.activations else "a product of two signals; see --activations"
    return None if layer.operator in rule.after else f"{layer.operator} is not in --noise-after"


def marked(model: ModelProto, layers: Sequence[Layer]) -> ModelProto:
    """Return a copy with the noise points of all layers that are not quiet marked."""
    result = ModelProto()
    result.CopyFrom(model)
    points = {layer.end: layer.name for layer in layers if layer.quiet is None}
    nodes = []
    for node in result.graph.node:
        nodes.append(node)
        for at, end in enumerate(node.output):
            if end in points:
                node.output[at] = f"{end}.quiet"
                nodes.append(
                    helper.make_node(
                        MARK_TYPE, [node.output[at]], [end], domain=MARK_DOMAIN, point=points[end]
                    )
                )
    replace_nodes(result.graph, nodes)
    result.opset_import.append(helper.make_opsetid(MARK_DOMAIN, 1))
    return result
