"""What a network gives: the output that votes, brought to scores ``[n, classes]``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper

from noisevote.models.errors import ImportingError
from noisevote.training.export.graph import replace_nodes
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
    """

    name: str
    classes: int
    is_single: bool = False
    is_share: bool = False

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
        return Scores(several[0], fitting[several[0]])
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
    return f"a {type(value).__name__} of {type(value[0]).__name__}" if value else "nothing"  # type: ignore[index]


def scores_as_rows(graph: GraphProto, scores: Scores) -> None:
    """Let the output of a graph be scores ``[n, classes]`` in single precision."""
    end = scores.name
    columns = 1 if scores.is_single else scores.classes
    shape = helper.make_tensor(f"{end}.columns", TensorProto.INT64, [2], [-1, columns])
    graph.initializer.append(shape)
    rows = f"{end}.rows"
    nodes = [
        helper.make_node("Cast", [end], [f"{end}.float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", [f"{end}.float", shape.name], [rows]),
    ]
    if scores.is_single:
        first, minuend = f"{end}.first", rows
        if scores.is_share:
            one = helper.make_tensor(f"{end}.one", TensorProto.FLOAT, [], [1.0])
            graph.initializer.append(one)
            minuend = one.name
        nodes += [
            helper.make_node("Sub", [minuend, rows], [first]),
            helper.make_node("Concat", [first, rows], [f"{end}.both"], axis=1),
        ]
    replace_nodes(graph, [*graph.node, *nodes])
    made = nodes[-1].output[0]
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info(made, TensorProto.FLOAT, [INPUTS, scores.classes])
    )
