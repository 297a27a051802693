"""What stands between a product of weights and its noise, followed back through a graph.

The signal that noise meets is ``scale * product + offset``, a number of each for every column of
the array: bias, batch norm and constants that follow the product, folded. Several products may be
summed, as those of the input and the state of an LSTM. What is no such signal is refused with the
reason in words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from noisevote.models.engines.session import INPUT_OF_ROW
from noisevote.training.devices.values import Stored, UntraceableError, Values

Array = NDArray[np.float64]

MATRIX_AXES = 2
SIDE_BY_SIDE = {"Identity", "Cast"}
PRODUCTS = {"Conv", "Gemm", "MatMul"}


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """A node that multiplies what enters it by stored weights.

    Attributes:
        node: of the graph.
        stored: its weights.
        columns: axis of the stored tensor along which columns follow each other.
        fan_in: inputs of a column.
    """

    node: NodeProto
    stored: Stored
    columns: int
    fan_in: int

    @property
    def entering(self) -> str:
        """Name of what enters it."""
        return str(self.node.input[0])

    @property
    def is_single(self) -> bool:
        """Whether it multiplies in single precision."""
        return self.stored.type == TensorProto.FLOAT


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """A value that is ``scale * product + offset``.

    Attributes:
        scale: ``[columns]``.
        offset: ``[columns]``.
        axis: of the value along which columns follow each other.
        products: whose sum it is made of.
    """

    scale: Array
    offset: Array
    axis: int
    products: tuple[Product, ...]

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return len(self.scale)


def traced(values: Values, name: str, rank: int) -> Signal:
    """Follow a value back to its products.

    Args:
        values: of the graph.
        name: of the value.
        rank: of the value.

    Raises:
        UntraceableError: it is no such signal.
    """
    node = values.made.get(name)
    if node is None or node.domain:
        what = "an input" if node is None else f"what {node.domain}.{node.op_type} gives"
        raise UntraceableError(f"{what} is no product of stored weights")
    if node.op_type in PRODUCTS:
        return product_signal(values, node, rank)
    if node.op_type in SIDE_BY_SIDE or is_by_row(node):
        return traced(values, node.input[0], rank)
    if node.op_type in {"Add", "Sub", "Mul", "Div"}:
        return arithmetic(values, node, rank)
    if node.op_type == "BatchNormalization":
        return normalised(values, node, rank)
    if node.op_type == "Slice":
        return sliced(values, node, rank)
    if node.op_type == "Squeeze":
        return squeezed(values, node, rank)
    raise UntraceableError(f"devices are not put on {node.op_type}")


def is_by_row(node: NodeProto) -> bool:
    """Return whether a node repeats values of inputs by row."""
    return node.op_type == "Gather" and node.input[1] == INPUT_OF_ROW


def product_signal(values: Values, node: NodeProto, rank: int) -> Signal:
    """Return the signal of a node that multiplies, and may add.

    Raises:
        UntraceableError: it does not multiply by stored weights on its right side.
    """
    signal = multiplied(values, node, rank)
    is_gemm = node.op_type == "Gemm"
    if is_gemm:
        signal = scaled(signal, values.attribute(node, "alpha", 1.0))
    factor = values.attribute(node, "beta", 1.0) if is_gemm else 1.0
    added = next((name for name in node.input[2:] if name), None)
    if added is None:
        return signal
    if added not in values.constants:
        return summed(signal, scaled(traced(values, added, rank), factor))
    bias = values.constant(added)
    # That of a convolution lies along its channels, which are not its last axis.
    wide = bias if is_gemm else bias.reshape(-1, *[1] * (rank - 2))
    return shifted(signal, factor * by_column(wide, signal, rank))


def multiplied(values: Values, node: NodeProto, rank: int) -> Signal:
    """Return the signal of a product alone.

    Raises:
        UntraceableError: it is not by stored weights on its right side.
    """
    entering, factor = node.input[0], node.input[1]
    if entering in values.constants:
        raise UntraceableError("its weights stand on the left of its product")
    if factor not in values.constants:
        raise UntraceableError("it multiplies two signals")
    if values.attribute(node, "transA", 0):
        raise UntraceableError("its inputs are transposed in the product")
    stored = values.stored(factor)
    shape = values.constant(factor).shape
    is_conv = node.op_type == "Conv"
    if len(shape) != rank if is_conv else (len(shape) != MATRIX_AXES or rank < MATRIX_AXES):
        raise UntraceableError(f"its weights have the shape {list(shape)}")
    column = 0 if is_conv else 1 - values.attribute(node, "transB", 0)
    count = shape[column]
    product = Product(node, stored, stored.order[column], prod(shape) // count)
    return Signal(np.ones(count), np.zeros(count), 1 if is_conv else rank - 1, (product,))


def arithmetic(values: Values, node: NodeProto, rank: int) -> Signal:
    """Return the signal of a sum, difference, product or quotient of two.

    Raises:
        UntraceableError: of two signals but a sum, or of something else for each place.
    """
    operator, (left, right) = node.op_type, node.input
    constant = next((name for name in (right, left) if name in values.constants), None)
    if constant is None:
        if operator == "Add":
            return summed(traced(values, left, rank), traced(values, right, rank))
        raise UntraceableError(f"{operator} of two signals stands between product and noise")
    signal = traced(values, left if constant == right else right, rank)
    by = by_column(values.constant(constant), signal, rank)
    if operator == "Add":
        return shifted(signal, by)
    if operator == "Mul":
        return scaled(signal, by)
    if operator == "Sub":
        return shifted(signal, -by) if constant == right else shifted(scaled(signal, -1.0), by)
    if constant == left:
        raise UntraceableError("a constant is divided by its product")
    return Signal(signal.scale / by, signal.offset / by, signal.axis, signal.products)


def by_column(constant: NDArray[np.generic], signal: Signal, rank: int) -> Array:
    """Return a constant as a number for each column ``[columns]``.

    Raises:
        UntraceableError: it has one for each place, or makes a signal of more columns.
    """
    wide = constant.reshape((1,) * (rank - constant.ndim) + constant.shape)
    shape = list(wide.shape)
    if len(shape) > rank or shape[signal.axis] not in {1, signal.columns}:
        raise UntraceableError(f"a constant of shape {list(constant.shape)} widens its signal")
    if wide.size != shape[signal.axis]:
        raise UntraceableError(
            f"a constant of shape {list(constant.shape)} has values for places, not for columns"
        )
    return np.broadcast_to(wide.reshape(-1).astype(np.float64), (signal.columns,))


def normalised(values: Values, node: NodeProto, rank: int) -> Signal:
    """Return the signal of a batch norm, whose statistics are constants."""
    signal = traced(values, node.input[0], rank)
    if not values.constants.issuperset(node.input[1:]) or values.attribute(
        node, "training_mode", 0
    ):
        raise UntraceableError("its batch norm is not constant")
    if signal.axis != 1:
        raise UntraceableError("its batch norm does not go by column")
    scale, shift, mean, variance = (
        values.constant(name).astype(np.float64) for name in node.input[1:5]
    )
    epsilon = float(values.attribute(node, "epsilon", 1e-5))
    factor = scale / np.sqrt(variance + epsilon)
    return shifted(scaled(signal, factor), shift - mean * factor)


def sliced(values: Values, node: NodeProto, rank: int) -> Signal:
    """Return the signal of a part, such as a step; all columns are in it."""
    signal = traced(values, node.input[0], rank)
    axes = values.axes(node, 3, rank)
    if axes is None or signal.axis in axes:
        raise UntraceableError("its columns are taken apart before the noise")
    return signal


def squeezed(values: Values, node: NodeProto, rank: int) -> Signal:
    """Return the signal of what loses axes of length 1."""
    gone = values.axes(node, 1, rank + squeezed_axes(values, node))
    if gone is None:
        raise UntraceableError("a Squeeze does not name its axes")
    signal = traced(values, node.input[0], rank + len(gone))
    if signal.axis in gone:
        raise UntraceableError("a Squeeze takes its columns away")
    return replace(signal, axis=signal.axis - sum(axis < signal.axis for axis in gone))


def squeezed_axes(values: Values, node: NodeProto) -> int:
    """Return how many axes a ``Squeeze`` names."""
    named = values.axes(node, 1, MOST_AXES)
    return 0 if named is None else len(named)


MOST_AXES = 64
"""Beyond those of any value."""


def scaled(signal: Signal, by: Array | float) -> Signal:
    """Return a signal times a number for each column."""
    return replace(signal, scale=signal.scale * by, offset=signal.offset * by)


def shifted(signal: Signal, by: Array) -> Signal:
    """Return a signal plus a number for each column."""
    return replace(signal, offset=signal.offset + by)


def summed(one: Signal, other: Signal) -> Signal:
    """Return the sum of two signals.

    Raises:
        UntraceableError: their columns or scales are others.
    """
    if (one.axis, one.columns) != (other.axis, other.columns):
        raise UntraceableError("the products that are summed have other columns")
    if not np.array_equal(one.scale, other.scale):
        raise UntraceableError("the products that are summed have other scales")
    return Signal(
        one.scale, one.offset + other.offset, one.axis, joined(one.products, other.products)
    )


def joined(one: Sequence[Product], other: Sequence[Product]) -> tuple[Product, ...]:
    """Return products, each node once."""
    outputs = {product.node.output[0] for product in one}
    return (*one, *(each for each in other if each.node.output[0] not in outputs))
