"""What a network gives: the output that votes, brought to scores ``[n, classes]``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from noisevote.models.errors import ImportingError
from noisevote.training.export.nodes import rename_reads, replace_nodes
from noisevote.training.importing.inputs import INPUTS


@dataclass(frozen=True, slots=True)
class Scores:
    """The output that votes.

    Attributes:
        name: in the graph.
        classes: number of classes.
        is_single: whether it is one number an input, of two classes.
        is_share: whether that number is the probability of the second class, 0 to 1; else it is
            above 0 where the second class is.
        is_plain: whether it is ``[n, classes]`` in single precision as it stands.
    """

    name: str
    classes: int
    is_single: bool = False
    is_share: bool = False
    is_plain: bool = False

    def rows(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the graph that came gave as scores ``[n, classes]``."""
        if not self.is_single:
            return output.reshape(-1, self.classes).astype(np.float32)
        column = output.reshape(-1, 1).astype(np.float32)
        return np.hstack([(1 if self.is_share else column) - column, column])


def scores_in(
    model: ModelProto,
    outputs: Mapping[str, Any],
    count: int,
    asked: str | None,
    is_binary: bool,
    is_share: bool,
) -> Scores:
    """Choose the output that votes.

    Args:
        model: in the usual form.
        outputs: what the graph gave for ``count`` inputs, by name.
        count: inputs passed.
        asked: name of the output that the user chose, if any.
        is_binary: whether one number an input decides between two classes.
        is_share: whether outputs are probabilities.

    Raises:
        ImportingError: none of the outputs has one score a class, or several have.
    """
    if asked is not None and asked not in outputs:
        raise ImportingError(f"--output names {asked!r}; the graph gives {', '.join(outputs)}")
    considered = {name: value for name, value in outputs.items() if asked in {None, name}}
    described = "; ".join(f"{name} {described_output(value)}" for name, value in outputs.items())
    fitting = {
        name: columns
        for name, value in considered.items()
        if (columns := columns_of(value, count)) is not None
    }
    if is_binary:
        single = [name for name, columns in fitting.items() if columns == 1]
        if len(single) != 1:
            raise ImportingError(f"--binary needs one number an input; the graph gives {described}")
        node = next((n for n in reversed(model.graph.node) if single[0] in n.output), None)
        of_sigmoid = node is not None and node.op_type == "Sigmoid"
        return Scores(single[0], 2, True, is_share or of_sigmoid)
    several = [name for name, columns in fitting.items() if columns > 1]
    if len(several) == 1:
        value = considered[several[0]]
        is_plain = value.ndim == 2 and value.dtype == np.float32
        return Scores(several[0], fitting[several[0]], is_plain=is_plain)
    if several:
        raise ImportingError(
            f"several outputs have one score a class: {', '.join(several)}; choose one with "
            "--output"
        )
    if fitting:
        raise ImportingError(
            f"the graph gives one number an input ({described}); say --binary if it decides "
            "between two classes"
        )
    if any(not isinstance(value, np.ndarray) for value in considered.values()):
        raise ImportingError(
            f"the graph gives no tensor of scores ({described}); of scikit-learn, export with "
            "options={'zipmap': False}"
        )
    raise ImportingError(
        f"no output has one score a class for each input; the graph gives {described}"
    )


def columns_of(value: object, count: int) -> int | None:
    """Return the scores an input of an output ``[n, classes]``, ones behind; None of any other."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.ndim == 0:
        return None
    if value.shape[0] != count or any(length != 1 for length in value.shape[2:]):
        return None
    return 1 if value.ndim == 1 else int(value.shape[1])


def described_output(value: object) -> str:
    """Return the shape and type of an output, for a message."""
    if isinstance(value, np.ndarray):
        return f"{list(value.shape)} {value.dtype}"
    return f"a {type(value).__name__}"


def scores_as_rows(graph: GraphProto, scores: Scores) -> None:
    """Let the output of a graph be scores ``[n, classes]`` in single precision, by its name."""
    end = scores.name
    if not scores.is_plain:
        raw = f"{end}.raw"
        for node in graph.node:
            rename_reads(node, {end: raw})
            for at, name in enumerate(node.output):
                node.output[at] = raw if name == end else name
        replace_nodes(graph, [*graph.node, *nodes_to_rows(graph, scores, raw)])
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info(end, TensorProto.FLOAT, [INPUTS, scores.classes])
    )


def nodes_to_rows(graph: GraphProto, scores: Scores, raw: str) -> list[NodeProto]:
    """Return the nodes that make scores of an output; the graph gets their constants."""
    columns = 1 if scores.is_single else scores.classes
    shape = helper.make_tensor(f"{raw}.columns", TensorProto.INT64, [2], [-1, columns])
    graph.initializer.append(shape)
    rows = f"{raw}.rows" if scores.is_single else scores.name
    nodes = [
        helper.make_node("Cast", [raw], [f"{raw}.float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", [f"{raw}.float", shape.name], [rows]),
    ]
    if not scores.is_single:
        return nodes
    minuend = rows
    if scores.is_share:
        one = helper.make_tensor(f"{raw}.one", TensorProto.FLOAT, [], [1.0])
        graph.initializer.append(one)
        minuend = one.name
    first = f"{raw}.first"
    return [
        *nodes,
        helper.make_node("Sub", [minuend, rows], [first]),
        helper.make_node("Concat", [first, rows], [scores.name], axis=1),
    ]
