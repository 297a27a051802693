"""What flows through a graph: shapes, the axis of the inputs, and the size of signals, measured.

Shapes are not inferred: batches of two sizes pass the graph, and what grows with them is the axis
along which inputs follow each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod, sqrt
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper

from noisevote.models.engines.onnx_runtime import session_options
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
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    reads = {name for layer in layers for name in layer.node.input if name}
    made = {name for layer in layers for name in (layer.end, made_by(layer.node))}
    few = rows(inputs, counts[0])
    # Of all but the ends, which may be large, shapes alone are kept.
    passes = Passes(model, sorted((reads | made) - shapes.keys() - inputs.keys()))
    passed = {**passes.run(few), **few}
    shapes |= {name: getattr(value, "shape", ()) for name, value in passed.items()}
    del passes, passed
    ends = Passes(model, sorted({layer.end for layer in layers}))
    signals = ends.run(rows(inputs, counts[-1]))
    found = []
    for layer in layers:
        values = signals[layer.end]
        shape, layout = laid(layer, shapes[layer.end], values, counts)
        sides = [shapes[name] for name in layer.node.input if name]
        macs = macs_of(layer, shapes[made_by(layer.node)], sides) // counts[0]
        rms = sqrt(float(np.mean(np.square(values, dtype=np.float64))))
        largest = float(np.abs(values).max(initial=0.0))
        found.append(Measured(layer, shape, layout, max(1, macs), rms, largest))
    if not any(map(is_folded, found)):
        return found
    # The first input is another one, so that what differs is its own.
    last = rows(inputs, counts[-1])
    swapped = {name: np.concatenate([a[-1:], a[1:]]) for name, a in last.items()}
    other = ends.run(swapped)
    return [
        replace(each, layout=refolded(each, signals[each.layer.end], other[each.layer.end]))
        if is_folded(each)
        else each
        for each in found
    ]


def laid(
    layer: Layer, few: tuple[int, ...], signal: NDArray[Any], counts: Sequence[int]
) -> tuple[tuple[int, ...], Layout]:
    """Return the shape of a vote's noise and how votes lie in the signal.

    Args:
        layer: whose signal it is.
        few: shape of the signal of the smaller batch.
        signal: of the larger one.
        counts: sizes of both.
    """
    kind = helper.np_dtype_to_tensor_dtype(signal.dtype)
    shape = signal.shape
    if layer.quiet is not None or len(counts) == 1:
        return shape, Layout(is_whole=True, type=kind)
    growing = [
        axis for axis, (less, more) in enumerate(zip(few, shape, strict=True)) if less != more
    ]
    if len(growing) != 1 or shape[growing[0]] % counts[1]:
        raise ImportingError(
            f"{layer.name} gives {list(few)} for {counts[0]} inputs and {list(shape)} for "
            f"{counts[1]}: no axis follows the inputs"
        )
    (axis,) = growing
    times = shape[axis] // counts[1]
    inner = (*shape[:axis], *([times] if times > 1 else []), *shape[axis + 1 :])
    if times == 1:
        return inner or (1,), Layout(axis, None if inner else "outer", type=kind)
    return inner, Layout(axis, "outer", type=kind)


def is_folded(each: Measured) -> bool:
    """Return whether votes share an axis of a signal with places of their own."""
    return each.layout.fold is not None and each.shape != (1,)


def refolded(each: Measured, signal: NDArray[Any], changed: NDArray[Any]) -> Layout:
    """Return the layout of a layer whose votes share an axis: which of its places are a vote's.

    Args:
        each: the layer, measured.
        signal: of several inputs.
        changed: of the same, the first one another.
    """
    axis = each.layout.axis
    others = tuple(at for at in range(signal.ndim) if at != axis)
    places = np.flatnonzero((signal != changed).any(axis=others))
    is_outer = places.max(initial=0) < each.shape[axis]
    return replace(each.layout, fold="outer" if is_outer else "inner")


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
