"""What is known of a network's layers on arrays of analog devices: a part of the card."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Annotated, Literal

from pydantic import Field

from noisevote.models.specs import CardPart, Count, FileName, Name, PointSpec

Level = Literal["column", "read", "weight", "converter", "full"]
"""What a device graph can do; the first is the cheapest."""

ROWS: dict[Level, tuple[str, ...]] = {
    "column": ("gain", "offset", "deviation"),
    "read": ("gain", "offset", "a2", "c", "b2", "alpha", "beta"),
    "weight": ("gain", "offset", "a2", "c", "b2", "alpha", "beta", "w2"),
    "converter": (
        *("gain", "offset", "a2", "c", "b2", "alpha", "beta"),
        *("step", "low", "high", "half"),
    ),
    "full": (
        *("gain", "offset", "a2", "c", "b2", "alpha", "beta", "w2"),
        *("step", "low", "high", "half"),
    ),
}
"""Rows of the table ``device.<point>`` that the graph of a level takes, in order."""

DEVICE_PREFIX, DAC_PREFIX = "device.", "dac."
"""Of the inputs of device graphs: the table of a point ``[rows, columns]``, and step, smallest and
largest input of the converter before its layer ``[3]``."""

CONVERTING: tuple[Level, ...] = ("converter", "full")
"""Levels whose graphs convert, and so take ``dac.<point>``, too."""

NotNegative = Annotated[float, Field(ge=0)]


INPUT_SHARE = 0.999
"""Of the magnitudes that enter an array, those up to its ``input_range``."""


class WeightSpec(CardPart):
    """A tensor of the weights file that lies on an array."""

    name: str
    """Name of the tensor in the weights file."""
    columns: Annotated[int, Field(ge=0, le=7)]
    """Axis of the tensor along which the columns of the array follow each other."""


class ArraySpec(CardPart):
    """The array that holds the weights of the layer before a noise point."""

    weights: Annotated[tuple[WeightSpec, ...], Field(min_length=1)]
    """What lies on it; several tensors where their products are summed."""
    axis: Annotated[int, Field(ge=0, le=7)]
    """Axis of the noise of a vote along which the columns follow each other."""
    columns: Count
    """Its columns: output channels, neurons."""
    fan_in: Count
    """Its rows: inputs of each column."""
    evaluations: Count
    """Matrix-vector products of a vote: positions, steps."""
    input_range: Annotated[float, Field(gt=0)]
    """99.9 percentile of the magnitude of what enters it, on validation inputs without noise; of
    several tensors the largest of theirs."""
    input_max: Annotated[float, Field(gt=0)]
    """Largest magnitude of what enters it, on the same."""
    rms: NotNegative
    """Root mean square of the signal at its noise point, on the same."""


class DevicesSpec(CardPart):
    """How the network lies on arrays of analog devices."""

    graphs: dict[Level, FileName]
    """File name of the graph of each level."""
    scales: FileName
    """File of what follows the products: ``<point>.scale`` and ``<point>.offset``, ``[columns]``
    each, so that the signal is scale times product plus offset."""
    arrays: Annotated[dict[Name, ArraySpec], Field(min_length=1)]
    """The array of each noise point that can lie on one."""
    without: dict[Name, str] = Field(default_factory=dict)
    """Why the other noise points cannot."""
    measured_on: str
    """On which inputs ranges and signals were measured."""
    command: str
    """Command that measured them."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files."""
        return (*self.graphs.values(), self.scales)


def complaints_about_devices(
    devices: DevicesSpec | None, points: Iterable[PointSpec], others: Iterable[str], known: set[str]
) -> Iterator[str]:
    """Yield what contradicts the rest of a card, or itself.

    Args:
        devices: of the card.
        points: the noise points of the card.
        others: names of the card's other files.
        known: names of the files whose digests the card holds.
    """
    if devices is None:
        return
    shapes = {point.name: point.shape for point in points}
    told = [*devices.arrays, *devices.without]
    if sorted(told) != sorted(shapes):
        odd = sorted({*told} ^ shapes.keys()) or sorted({n for n in told if told.count(n) > 1})
        yield f"devices tells of {', '.join(odd)} not once; it tells of each noise point once"
    if lacking := [level for level in ROWS if level not in devices.graphs]:
        yield f"devices has no graph for {', '.join(lacking)}"
    if len({*devices.files, *others}) < len(devices.files) + len({*others}):
        yield "devices has a file that stands twice"
    if unknown := {*devices.files} - known:
        yield f"devices names {', '.join(sorted(unknown))}, without a digest"
    yield from about_arrays(devices.arrays, shapes)


def about_arrays(
    arrays: Mapping[str, ArraySpec], shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """Yield which arrays do not fit the noise of their points ``shapes``."""
    holders: dict[str, str] = {}
    for point, array in arrays.items():
        shape = shapes.get(point, ())
        length = shape[array.axis] if array.axis < len(shape) else None
        if length != array.columns:
            yield (
                f"the array of {point} has {array.columns} columns along axis {array.axis} of "
                f"its noise {list(shape)}"
            )
        elif array.evaluations * array.columns != prod(shape):
            yield (
                f"the array of {point} gives {array.columns} values in each of "
                f"{array.evaluations} evaluations; its noise has {prod(shape)}"
            )
        if array.input_range > array.input_max:
            yield f"the array of {point} has an input_range above its input_max"
        for part in array.weights:
            if holders.setdefault(part.name, point) != point:
                yield f"{part.name} lies on the arrays of {holders[part.name]} and {point}"
