"""Nodes of a graph: what they read, which values are constant, and how they are replaced."""

from collections.abc import Iterator, Mapping

from onnx import GraphProto, ModelProto, NodeProto


def constant_names(graph: GraphProto) -> set[str]:
    """Return the names of all values that depend neither on images nor on noise."""
    names = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if names.issuperset(names_read(node)):
            names.update(node.output)
    return names


def graphs_of(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs inside a node, such as the branches of an ``If``."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def names_read(node: NodeProto) -> set[str]:
    """Return the names of all values that a node reads, its inner graphs included."""
    names = {name for name in node.input if name}
    for graph in graphs_of(node):
        own = {entry.name for entry in (*graph.input, *graph.initializer)}
        for inner in graph.node:
            names |= names_read(inner) - own
            own.update(inner.output)
        names |= {output.name for output in graph.output} - own
    return names


def rename_reads(node: NodeProto, names: Mapping[str, str]) -> None:
    """Let a node and its inner graphs read values by other names."""
    for at, name in enumerate(node.input):
        node.input[at] = names.get(name, name)
    for graph in graphs_of(node):
        for inner in graph.node:
            rename_reads(inner, names)


def replace_nodes(graph: GraphProto, nodes: list[NodeProto]) -> None:
    """Put ``nodes`` in the place of all nodes of the graph."""
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def strip_provenance(model: ModelProto) -> None:
    """Remove what the exporter noted of the machine it ran on: source paths and stack traces."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
