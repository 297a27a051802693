"""Graphs with nothing that nobody reads, under short names: five stand beside each checkpoint."""

from collections.abc import Iterator
from itertools import count, product
from string import ascii_lowercase, digits

from onnx import GraphProto, ModelProto

from noisevote.training.export.nodes import graphs_of, names_read, rename_reads, replace_nodes


def fresh_names(model: ModelProto) -> Iterator[str]:
    """Yield short names that no value of a graph has."""
    return names_but(all_names(model.graph))


def names_but(taken: set[str]) -> Iterator[str]:
    """Yield short names that are not taken."""
    for length in count(1):
        for letters in product(digits + ascii_lowercase, repeat=length):
            if (name := "v" + "".join(letters)) not in taken:
                yield name


def all_names(graph: GraphProto) -> set[str]:
    """Return the names of all values of a graph and of those inside its nodes."""
    names = {entry.name for entry in (*graph.input, *graph.initializer)}
    for node in graph.node:
        names.update(node.input, node.output)
        for inner in graphs_of(node):
            names |= all_names(inner)
    return names


def remove_unread(model: ModelProto) -> None:
    """Remove nodes and constants that nothing reads any more."""
    graph = model.graph
    read = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if not read.isdisjoint(node.output):
            kept.append(node)
            read |= names_read(node)
    replace_nodes(graph, kept[::-1])
    held = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(held)


def shorten(model: ModelProto) -> None:
    """Write what nodes make under short names, and equal constants once.

    Of a graph of many steps, names are the most.
    """
    outputs = {output.name for output in model.graph.output}
    own = {made for node in model.graph.node for made in node.output} - outputs
    names = names_but(all_names(model.graph) - own)
    short: dict[str, str] = {}
    constants: dict[bytes, str] = {}
    nodes = []
    for node in model.graph.node:
        node.name = ""
        rename_reads(node, short)
        made = list(node.output)
        del node.output[:]
        content = node.SerializeToString()
        if node.op_type == "Constant" and made[0] not in outputs:
            if content in constants:
                short[made[0]] = constants[content]
                continue
            constants[content] = next(names)
            short[made[0]] = constants[content]
        else:
            short |= {name: next(names) for name in made if name in own and name}
        node.output.extend(short.get(name, name) for name in made)
        nodes.append(node)
    replace_nodes(model.graph, nodes)
