"""The noise points of a graph as arrays of devices see them, or why none can be put there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from noisevote.models.engines.session import NOISE_PREFIX
from noisevote.training.devices.trace import Product, Signal, joined, summed, traced
from noisevote.training.devices.values import UntraceableError, Values

LAID_ROWS = 2
"""Rows of noise that is laid out to see where its columns go."""


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """Where a signal meets noise: once for each step of a point.

    Attributes:
        node: that adds them.
        signal: name of the signal.
        noise: name of the noise, laid out as the signal.
        rank: of both.
    """

    node: NodeProto
    signal: str
    noise: str
    rank: int


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPoint:
    """A noise point on whose layer a device can be put.

    Attributes:
        name: of it.
        shape: of the noise of a vote.
        axis: of that shape along which columns follow each other.
        signal: what meets the noise; its axis is that of the signal. All steps have it.
        meetings: in the order of the graph.
    """

    name: str
    shape: tuple[int, ...]
    axis: int
    signal: Signal
    meetings: tuple[Meeting, ...]

    @property
    def columns(self) -> int:
        """Columns of its array."""
        return self.signal.columns

    @property
    def products(self) -> tuple[Product, ...]:
        """What multiplies by the weights on it."""
        return self.signal.products

    @property
    def evaluations(self) -> int:
        """Matrix-vector products of a vote."""
        return int(np.prod(self.shape)) // self.columns

    @property
    def tensors(self) -> dict[str, int]:
        """The stored weights on its array: name and axis of the columns."""
        return {product.stored.name: product.columns for product in self.products}

    @property
    def fan_in(self) -> int:
        """Rows of its array."""
        return sum({each.stored.name: each.fan_in for each in self.products}.values())

    @property
    def entering(self) -> dict[str, list[str]]:
        """Names of the values that enter it, by the stored weights that they meet."""
        found: dict[str, set[str]] = {}
        for product in self.products:
            found.setdefault(product.stored.name, set()).add(product.entering)
        return {name: sorted(values) for name, values in found.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A graph whose points were traced.

    Attributes:
        values: of it.
        points: on which a device can be put, in the order of the graph.
        without: why not on the others.
    """

    values: Values
    points: tuple[ArrayPoint, ...]
    without: dict[str, str]


def traced_points(
    model: ModelProto, weights: bytes, shapes: Mapping[str, tuple[int, ...]]
) -> Traced:
    """Trace all noise points of a graph.

    Args:
        model: takes summands as noise; its weights are outside.
        weights: content of their file.
        shapes: of the noise of a vote at each point, in the order of the graph.
    """
    values = Values(model, weights)
    found: dict[str, ArrayPoint] = {}
    without: dict[str, str] = {}
    for name, shape in shapes.items():
        try:
            found[name] = array_point(values, name, shape)
        except UntraceableError as error:
            without[name] = str(error)
    for name, reason in shared(values, found).items():
        without[name] = reason
        del found[name]
    order = {name: without[name] for name in shapes if name in without}
    return Traced(values, tuple(found.values()), order)


def array_point(values: Values, name: str, shape: tuple[int, ...]) -> ArrayPoint:
    """Trace one noise point.

    Raises:
        UntraceableError: no device can be put on it.
    """
    whole: ArrayPoint | None = None
    for meeting, places in meetings(values, name, shape):
        signal = traced(values, meeting.signal, meeting.rank)
        axis = axis_of(signal, places, meeting.rank)
        point = ArrayPoint(name, shape, axis, signal, (meeting,))
        whole = point if whole is None else with_step(whole, point)
    if whole is None:
        raise UntraceableError("nothing meets its noise")
    return whole


def with_step(whole: ArrayPoint, step: ArrayPoint) -> ArrayPoint:
    """Return a point with one more step.

    Raises:
        UntraceableError: its columns do something else there.
    """
    one, other = whole.signal, step.signal
    is_same = np.array_equal(one.offset, other.offset) and step.axis == whole.axis
    summed(one, other)  # complains of scales and columns
    if not is_same:
        raise UntraceableError("its steps have other biases")
    products = joined(one.products, other.products)
    return replace(
        whole,
        signal=replace(one, products=products),
        meetings=(*whole.meetings, *step.meetings),
    )


def meetings(
    values: Values, name: str, shape: tuple[int, ...]
) -> list[tuple[Meeting, list[NDArray[np.int32]]]]:
    """Return where a point's noise is added, and how each axis of it lies there.

    The second is, for each axis of the noise of a vote, the index along it at each place of the
    signal.

    Raises:
        UntraceableError: it is used otherwise.
    """
    rows = (LAID_ROWS, *shape)
    places: list[NDArray[np.int32]] = [
        np.broadcast_to(
            np.arange(length, dtype=np.int32).reshape(-1, *[1] * (len(shape) - axis - 1)), rows
        )
        for axis, length in enumerate(shape)
    ]
    found = []
    ahead = [(NOISE_PREFIX + name, places)]
    while ahead:
        noise, laid = ahead.pop()
        for node in values.users.get(noise, []):
            if node.op_type == "Add":
                signal = next(read for read in node.input if read != noise)
                found.append((Meeting(node, signal, noise, laid[0].ndim), laid))
            else:
                ahead.append((node.output[0], [moved(values, node, each) for each in laid]))
    order = {id(node): at for at, node in enumerate(values.model.graph.node)}
    return sorted(found, key=lambda entry: order[id(entry[0].node)])


def moved(values: Values, node: NodeProto, places: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return an array as a node of the layout of noise lays it out.

    Raises:
        UntraceableError: it is no such node.
    """
    if node.op_type == "Transpose":
        return places.transpose(values.attribute(node, "perm", None))
    if node.op_type == "Reshape":
        target = values.constant(node.input[1]).tolist()
        # Where a pass holds one vote, its signal has the shape of its noise.
        return (places[:1] if -1 not in target else places).reshape(target)
    if node.op_type == "Gather":
        along = np.moveaxis(places, values.attribute(node, "axis", 0), 0)
        step: NDArray[np.int32] = along[int(values.constant(node.input[1]))]
        return step
    raise UntraceableError(f"its noise goes through {node.op_type}")


def axis_of(signal: Signal, places: list[NDArray[np.int32]], rank: int) -> int:
    """Return the axis of the noise of a vote along which the columns of a signal lie.

    Raises:
        UntraceableError: votes lie along the columns.
    """
    if signal.axis == 0:
        raise UntraceableError("its columns lie where votes follow each other")
    along = np.arange(signal.columns, dtype=np.int32).reshape(-1, *[1] * (rank - signal.axis - 1))
    for axis, laid in enumerate(places):
        is_as_long = laid.shape[signal.axis] == signal.columns
        if is_as_long and np.array_equal(laid, np.broadcast_to(along, laid.shape)):
            return axis
    raise UntraceableError("its columns lie along no axis of its noise")


def shared(values: Values, points: Mapping[str, ArrayPoint]) -> dict[str, str]:
    """Return the points whose weights or products are used elsewhere, too, and where."""
    users: dict[str, set[str]] = {}
    for name, point in points.items():
        for product in point.products:
            users.setdefault(product.node.output[0], set()).add(name)
    found = {}
    for name, point in points.items():
        own = {product.node.output[0] for product in point.products}
        readers = [
            node
            for product in point.products
            for held in holders(values, product.stored.name)
            for node in values.readers(held)
        ]
        others = {node.op_type for node in readers if own.isdisjoint(node.output)}
        with_others = {other for made in own for other in users[made]} - {name}
        if with_others:
            found[name] = f"its product is that of {', '.join(sorted(with_others))}, too"
        elif others:
            found[name] = f"its weights are used by another {' and '.join(sorted(others))}, too"
    return found


def holders(values: Values, stored: str) -> list[str]:
    """Return the initialisers of a graph that hold a stored tensor."""
    return [
        name
        for name, tensor in values.initializers.items()
        for entry in tensor.external_data
        if entry.key == "offset" and values.tensor_at.get(int(entry.value)) == stored
    ]
