"""What flows through a graph: shapes, the axis of the inputs, and the size of signals, measured.

Shapes are not inferred: batches of two sizes pass the graph, and what grows with them is the axis
along which inputs follow each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper

from noisevote.models.engines import session_options
from noisevote.models.errors import ImportingError
from noisevote.training.export.graph import Layout
from noisevote.training.importing.layers import MATRIX_AXES, RECURRENT, Layer, made_by
from noisevote.training.importing.read import first_line

Arrays = Mapping[str, NDArray[Any]]

FATAL = 4
"""Severity from which ONNX Runtime writes to the terminal: a pass that is tried may fail."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A layer and what was measured of it.

    Attributes:
        layer: of the graph.
        shape: of the noise of one vote.
        layout: how votes lie in its signal.
        macs: multiply-accumulates a vote.
        rms: root mean square of its signal without noise.
        largest: magnitude in it.
    """

    layer: Layer
    shape: tuple[int, ...]
    layout: Layout
    macs: int
    rms: float
    largest: float


class Passes:
    """A graph that can be run.

    Args:
        model: with its weights.
        outputs: names of what it is to give; by default its outputs.

    Raises:
        ImportingError: ONNX Runtime does not take it.
    """

    def __init__(self, model: ModelProto, outputs: Iterable[str] = ()) -> None:
        copy = ModelProto()
        copy.CopyFrom(model)
        there = {output.name for output in copy.graph.output}
        more = [name for name in dict.fromkeys(outputs) if name not in there]
        copy.graph.output.extend(ValueInfoProto(name=name) for name in more)
        self.inputs = [tensor.name for tensor in copy.graph.input]
        self.names = [output.name for output in copy.graph.output]
        options = session_options()
        options.log_severity_level = FATAL
        try:
            self._session = onnxruntime.InferenceSession(
                copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ImportingError(
                f"ONNX Runtime does not take the graph: {first_line(error)}"
            ) from error

    def run(self, inputs: Arrays) -> dict[str, Any]:
        """Return all outputs by name.

        Raises:
            ImportingError: the pass fails.
        """
        try:
            return dict(zip(self.names, self._session.run(None, dict(inputs)), strict=True))
        except Exception as error:
            raise ImportingError(f"a pass of the graph fails: {first_line(error)}") from error


def rows(inputs: Arrays, count: int) -> dict[str, NDArray[Any]]:
    """Return the first inputs."""
    return {name: array[:count] for name, array in inputs.items()}


def measured(
    model: ModelProto, layers: Sequence[Layer], inputs: Arrays, counts: Sequence[int]
) -> list[Measured]:
    """Measure what flows through layers.

    Args:
        model: takes rows.
        layers: of it.
        inputs: by name ``[n, *shape]``.
        counts: sizes of the batches that pass: two, or 1 alone where a pass takes one input.

    Raises:
        ImportingError: the number of inputs shows in no axis of a layer's signal.
    """
    constants = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    sides = {layer.name: [name for name in layer.node.input if name] for layer in layers}
    wanted = {layer.end for layer in layers} | {made_by(layer.node) for layer in layers}
    wanted |= {name for names in sides.values() for name in names}
    wanted -= constants.keys() | inputs.keys()
    passes = Passes(model, sorted(wanted))
    runs = [{**passes.run(rows(inputs, count)), **rows(inputs, count)} for count in counts]
    # The first input is another one, so that what differs is its own.
    last_rows = rows(inputs, counts[-1])
    swapped = {name: np.concatenate([a[-1:], a[1:]]) for name, a in last_rows.items()}
    other = passes.run(swapped)
    found = []
    for layer in layers:
        last = runs[-1]
        shapes = [
            constants[name] if name in constants else getattr(last[name], "shape", ())
            for name in sides[layer.name]
        ]
        signals = [run[layer.end] for run in runs]
        shape, layout = laid(layer, signals, other[layer.end], counts)
        total = macs_of(layer, last[made_by(layer.node)].shape, shapes)
        values = signals[-1].astype(np.float64)
        found.append(
            Measured(
                layer,
                shape,
                layout,
                max(1, total // counts[-1]),
                sqrt(float(np.mean(values**2))),
                float(np.abs(values).max(initial=0.0)),
            )
        )
    return found


def laid(
    layer: Layer,
    signals: Sequence[NDArray[Any]],
    changed: NDArray[Any],
    counts: Sequence[int],
) -> tuple[tuple[int, ...], Layout]:
    """Return the shape of a vote's noise and how votes lie in the signal."""
    kind = helper.np_dtype_to_tensor_dtype(signals[0].dtype)
    shape = signals[-1].shape
    if layer.quiet is not None or len(counts) == 1:
        return shape, Layout(is_whole=True, type=kind)
    few, many = signals
    growing = [
        axis
        for axis, (less, more) in enumerate(zip(few.shape, many.shape, strict=True))
        if less != more
    ]
    if len(growing) != 1 or shape[growing[0]] % counts[1]:
        raise ImportingError(
            f"{layer.name} gives {list(few.shape)} for {counts[0]} inputs and {list(shape)} for "
            f"{counts[1]}: no axis follows the inputs"
        )
    (axis,) = growing
    times = shape[axis] // counts[1]
    inner = (*shape[:axis], *([times] if times > 1 else []), *shape[axis + 1 :])
    if times == 1:
        return inner or (1,), Layout(axis, None if inner else "outer", type=kind)
    return inner, Layout(axis, fold_of(signals[-1], changed, axis, times), type=kind)


def fold_of(
    signal: NDArray[Any], changed: NDArray[Any], axis: int, times: int
) -> Literal["outer", "inner"]:
    """Return which places along an axis are those of one vote.

    Args:
        signal: of several inputs.
        changed: of the same, the first one another.
        axis: that inputs share with another axis.
        times: places of an input along it.
    """
    others = tuple(at for at in range(signal.ndim) if at != axis)
    places = np.flatnonzero((signal != changed).any(axis=others))
    return "outer" if places.max(initial=0) < times else "inner"


def macs_of(layer: Layer, made: tuple[int, ...], sides: Sequence[tuple[int, ...]]) -> int:
    """Return the multiply-accumulates of a pass.

    Args:
        layer: that multiplies.
        made: shape of the product.
        sides: shapes of what the node reads.
    """
    attributes = {
        entry.name: helper.get_attribute_value(entry)
        for entry in layer.node.attribute
        if not (entry.HasField("g") or entry.graphs)
    }
    operator = layer.operator
    if operator == "Conv":
        return prod(made) * prod(sides[1][1:])
    if operator == "ConvTranspose":
        return prod(sides[0]) * prod(sides[1][1:])
    if operator in {"Gemm", "MatMul"}:
        inner = sides[0][-2] if attributes.get("transA") else sides[0][-1]
        return prod(made) * inner
    if operator == "Einsum":
        letters = attributes["equation"].decode().partition("->")[0].replace(" ", "").split(",")
        lengths: dict[str, int] = {}
        for names, side in zip(letters, sides, strict=True):
            lengths |= dict(zip(names, side, strict=False))
        return prod(lengths.values())
    if operator in RECURRENT:
        steps = sides[0][:2]
        return prod(steps) * (prod(sides[1]) + prod(sides[2]))
    weights = [prod(side) for side in sides if len(side) >= MATRIX_AXES]
    return max(weights, default=1) * max(1, prod(made[1:-1]))
