"""The graph pass of devices: from the graph of additive noise to one for each level.

Where a signal y met its noise z, a device acts, column by column, as ``models.device_specs.ROWS``
has its table::

    v  = gain (y - beta) + offset
    sd = sqrt(a2 + c |v| + b2 v^2 + w2 X)      X: sum of the squares of what enters the column
    q  = v + sd z;  ADC: clip(floor(q / step + half) step, low, high), none where step is 0
    y' = alpha q + beta

and the level ``column`` is ``y gain + offset + deviation z``. What enters a product goes through
the DAC: ``clip(round(x / step) step, low, high)``, to even. All that comes before the first noise
stays where it runs once an input. Noise points without an array keep their summand.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from noisevote.models.device_specs import CONVERTING, DAC_PREFIX, DEVICE_PREFIX, ROWS, Level
from noisevote.models.errors import ExportError
from noisevote.training.devices.lean import fresh_names, remove_unread, shorten
from noisevote.training.devices.points import ArrayPoint, Meeting, Traced
from noisevote.training.devices.trace import PRODUCTS, Product, is_by_row
from noisevote.training.devices.values import Values
from noisevote.training.export.nodes import replace_nodes

OLDEST_OPSET = 11
"""Of the operators by which devices act."""

AXES_ARE_INPUT = 18
"""From which version on ``ReduceSumSquare`` reads its axes, and ``Split`` is told of its parts."""

FINEST_STEP, WIDEST = 2.0**-60, float(np.finfo(np.float32).max)
"""Of a converter that is off: 24 bits of any signal beyond 2^-36 pass it as they are. To choose
between two signals would cost as much as half a conversion."""


def device_graph(traced: Traced, level: Level) -> ModelProto:
    """Return the graph of a level; its weights are outside.

    Args:
        traced: graph of additive noise and its points.
        level: what the graph is to do.

    Raises:
        ExportError: its operators are too old.
    """
    opset = traced.values.opset
    if opset < OLDEST_OPSET:
        raise ExportError(
            f"the graph has operators of version {opset}; devices need {OLDEST_OPSET} or later: "
            "export the network anew"
        )
    return Pass(traced, level).graph()


class Pass:
    """The pass over one graph for one level.

    Args:
        traced: graph of additive noise and its points.
        level: what the graph is to do.
    """

    def __init__(self, traced: Traced, level: Level) -> None:
        self._values: Values = traced.values
        self._points = traced.points
        self._level = level
        self._converts = level in CONVERTING
        self._reads_inputs = "w2" in ROWS[level]
        self._model = ModelProto()
        self._model.CopyFrom(traced.values.model)
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, str] = {}
        self._names = fresh_names(self._model)
        self._rows: dict[str, dict[str, str]] = {}
        self._dac: dict[str, dict[str, str]] = {}
        self._entering: dict[str, str] = {}
        self._squares: dict[str, str] = {}
        self._multiplying = {
            product.node.output[0]: (point, product)
            for point in self._points
            for product in point.products
        }

    def graph(self) -> ModelProto:
        """Return the graph."""
        graph = self._model.graph
        met = {m.node.output[0]: (p, m) for p in self._points for m in p.meetings}
        for point in self._points:
            self._take_tables(point)
        for node in graph.node:
            made = node.output[0]
            if made in met:
                self._act(*met[made], made)
                continue
            if made in self._multiplying:
                point, product = self._multiplying[made]
                node.input[0] = self._convert_inputs(point, product)
            self._nodes.append(node)
        replace_nodes(graph, self._nodes)
        graph.input.extend(self._inputs())
        remove_unread(self._model)
        shorten(self._model)
        return self._model

    def _inputs(self) -> Iterator[object]:
        rows = len(ROWS[self._level])
        for point in self._points:
            yield helper.make_tensor_value_info(
                DEVICE_PREFIX + point.name, TensorProto.FLOAT, [rows, point.columns]
            )
        for point in self._points if self._converts else ():
            yield helper.make_tensor_value_info(DAC_PREFIX + point.name, TensorProto.FLOAT, [3])

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        made = next(self._names)
        self._nodes.append(helper.make_node(operator, list(inputs), [made], **attributes))
        return made

    def _split(self, name: str, count: int) -> list[str]:
        """Return the parts of a value along its first axis, each of length 1."""
        made = [next(self._names) for _ in range(count)]
        counted: dict[str, Any] = (
            {"num_outputs": count} if self._values.opset >= AXES_ARE_INPUT else {}
        )
        self._nodes.append(helper.make_node("Split", [name], made, axis=0, **counted))
        return made

    def _constant(self, values: object, dtype: type = np.float32) -> str:
        """Return the name of a constant, made if it is not there."""
        array: NDArray[Any] = np.asarray(values, dtype)
        key = f"{array.dtype}{array.shape}{array.tobytes()!r}"
        if key not in self._constants:
            self._constants[key] = name = next(self._names)
            self._model.graph.initializer.append(numpy_helper.from_array(array, name))
        return self._constants[key]

    def _take_tables(self, point: ArrayPoint) -> None:
        """Take the rows of a point's table apart, each laid out as its signal."""
        rows = ROWS[self._level]
        table = DEVICE_PREFIX + point.name
        behind = point.meetings[0].rank - point.signal.axis - 1
        if behind:
            shape = [len(rows), point.columns, *[1] * behind]
            table = self._add("Reshape", table, self._constant(shape, np.int64))
        self._rows[point.name] = row = dict(zip(rows, self._split(table, len(rows)), strict=True))
        if "beta" in row:
            without_gain = self._add("Mul", row["gain"], row["beta"])
            row["offset"] = self._add("Sub", row["offset"], without_gain)
        if self._converts:
            row |= self._with_step(row)
            dac = {
                name: self._add("Gather", DAC_PREFIX + point.name, self._constant(at, np.int64))
                for at, name in enumerate(("step", "low", "high"))
            }
            self._dac[point.name] = self._with_step(dac)

    def _with_step(self, converter: dict[str, str]) -> dict[str, str]:
        """Return step and bounds of a converter, which do nothing where it is off."""
        is_on = self._add("Greater", converter["step"], self._constant(0))
        off = {"step": FINEST_STEP, "low": -WIDEST, "high": WIDEST}
        return {
            name: self._add("Where", is_on, converter[name], self._constant(value))
            for name, value in off.items()
        }

    def _convert_inputs(self, point: ArrayPoint, product: Product) -> str:
        """Return what enters a product, behind the DAC if there is one."""
        entering = product.entering
        if not self._converts:
            return entering
        key = f"{point.name} {entering}"
        if key not in self._entering:
            dac, given = self._dac[point.name], self._single(entering, product)
            levels = self._add("Round", self._add("Div", given, dac["step"]))
            stepped = self._add("Mul", levels, dac["step"])
            found = self._add("Clip", stepped, dac["low"], dac["high"])
            if not product.is_single:
                found = self._add("Cast", found, to=product.stored.type)
            self._entering[key] = found
        return self._entering[key]

    def _single(self, name: str, product: Product) -> str:
        """Return what enters or leaves a product in single precision."""
        return name if product.is_single else self._add("Cast", name, to=TensorProto.FLOAT)

    def _act(self, point: ArrayPoint, meeting: Meeting, made: str) -> None:
        """Let a device act where a signal meets noise; ``made`` is what comes out."""
        row, signal = self._rows[point.name], meeting.signal
        before = self._values.made[signal]
        # Once an input what does not depend on the noise, where that is still before the border.
        parts = self._signal_parts(row, before.input[0] if is_by_row(before) else signal)
        if is_by_row(before):
            parts = [self._add("Gather", part, before.input[1], axis=0) for part in parts]
        if self._level == "column":
            noise = self._add("Mul", row["deviation"], meeting.noise)
            self._end("Add", parts[0], noise, made)
            return
        mean, deviation = parts
        found = self._add("Add", mean, self._add("Mul", deviation, meeting.noise))
        if self._converts:
            steps = self._add("Add", self._add("Div", found, row["step"]), row["half"])
            levels = self._add("Mul", self._add("Floor", steps), row["step"])
            found = self._add("Min", self._add("Max", levels, row["low"]), row["high"])
        self._end("Add", self._add("Mul", row["alpha"], found), row["beta"], made)

    def _end(self, operator: str, left: str, right: str, made: str) -> None:
        self._nodes.append(helper.make_node(operator, [left, right], [made]))

    def _signal_parts(self, row: dict[str, str], signal: str) -> list[str]:
        """Return what a signal becomes without noise and, but for ``column``, its deviation."""
        mean = self._add("Add", self._add("Mul", signal, row["gain"]), row["offset"])
        if self._level == "column":
            return [mean]
        size = self._add("Abs", mean)
        slope = self._add("Add", self._add("Mul", size, row["b2"]), row["c"])
        variance = self._add("Add", self._add("Mul", slope, size), row["a2"])
        if self._reads_inputs:
            squares = self._add("Mul", self._squares_of(signal), row["w2"])
            variance = self._add("Add", variance, squares)
        return [mean, self._add("Sqrt", variance)]

    def _squares_of(self, name: str) -> str:
        """Return X of a signal: 1 long along its columns, but of a grouped convolution."""
        if name not in self._squares:
            self._squares[name] = self._squares_made(self._values.made[name])
        return self._squares[name]

    def _squares_made(self, node: NodeProto) -> str:
        signals = [read for read in node.input if read and read not in self._values.constants]
        if node.op_type in PRODUCTS:
            found = self._squares_entering(node)
            added = signals[1:]
            return self._add("Add", found, self._squares_of(added[0])) if added else found
        if node.op_type in {"Slice", "Squeeze"} or is_by_row(node):
            copy = NodeProto()
            copy.CopyFrom(node)
            copy.input[0], copy.output[0], copy.name = (
                self._squares_of(node.input[0]), next(self._names), "",
            )  # fmt: skip
            self._nodes.append(copy)
            return str(copy.output[0])
        if len(signals) == 1:
            return self._squares_of(signals[0])
        return self._add("Add", *map(self._squares_of, signals))

    def _squares_entering(self, node: NodeProto) -> str:
        """Return X of a product: of all that enters a column at each place."""
        point, product = self._multiplying[node.output[0]]
        entering = self._single(self._convert_inputs(point, product), product)
        if node.op_type != "Conv":
            # Sums one by one. ReduceSum is faster, and gives other bits in other batches.
            if self._values.opset >= AXES_ARE_INPUT:
                last = self._constant([-1], np.int64)
                return self._add("ReduceSumSquare", entering, last, keepdims=1)
            return self._add("ReduceSumSquare", entering, axes=[-1], keepdims=1)
        shape = self._values.constant(node.input[1]).shape
        groups = int(self._values.attribute(node, "group", 1))
        squares = self._add("Mul", entering, entering)
        if groups == 1 and prod(shape[2:]) > 1:
            channels = (1, shape[1], *[1] * len(shape[2:]))
            squares = self._add("Conv", squares, self._ones(channels))
            shape = (1, 1, *shape[2:])
        found = self._add("Conv", squares, self._ones(shape if groups > 1 else (1, *shape[1:])))
        self._nodes[-1].attribute.extend(node.attribute)
        return found

    def _ones(self, shape: tuple[int, ...]) -> str:
        """Return a kernel of ones; made when the graph is loaded, since it may be large."""
        one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
        return self._add("ConstantOfShape", self._constant(shape, np.int64), value=one)
