"""What enters the arrays of a network and what comes out, measured on inputs without noise.

The percentile comes from a histogram that takes the same memory whatever the number of inputs: its
bins are the magnitudes that share exponent and first nine bits of a number in single precision,
512 an octave, so that it is off by at most 0.2 %; within a bin values are taken to lie evenly.

An array on which several tensors lie has the largest of their percentiles: the few inputs of an
LSTM are larger than its many states, and would be cut off by a percentile of all together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.device_specs import INPUT_SHARE
from noisevote.models.engines.onnx_runtime import options_with
from noisevote.models.engines.session import INPUT_OF_ROW, NOISE_PREFIX
from noisevote.models.errors import ExportError
from noisevote.training.devices.points import ArrayPoint

Inputs = Mapping[str, NDArray[Any]]

PERCENTILE = 100 * INPUT_SHARE
DROPPED_BITS = 14
BINS = 2 ** (31 - DROPPED_BITS)
MOST_BYTES = 2**27
"""Of the values of a pass that are looked at together."""

MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class Range:
    """What was measured at a point.

    Attributes:
        percentile: 99.9 percentile of the magnitude of what enters its array; see the module.
        largest: of these magnitudes.
        rms: root mean square of its signal.
    """

    percentile: float
    largest: float
    rms: float


class Magnitudes:
    """A histogram of magnitudes; see the module."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, np.int64)
        self.largest = 0.0

    def add(self, values: NDArray[Any]) -> None:
        """Count some values, which are finite."""
        sizes = np.abs(values.astype(np.float32, copy=False)).reshape(-1)
        self.largest = max(self.largest, float(sizes.max(initial=0.0)))
        self._counts += np.bincount(sizes.view(np.uint32) >> DROPPED_BITS, minlength=BINS)

    def percentile(self, percent: float) -> float:
        """Return the magnitude that so many percent of all values do not pass."""
        before = np.cumsum(self._counts)
        wanted = percent / 100 * before[-1]
        place = int(np.searchsorted(before, wanted))
        low, high = (
            (np.arange(place, place + 2, dtype=np.uint32) << DROPPED_BITS)
            .view(np.float32)
            .astype(np.float64)
        )
        share = 1 - (before[place] - wanted) / max(self._counts[place], 1)
        return float(min(low + share * (high - low), self.largest))


class MeanSquare:
    """Sum and number of squares."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, values: NDArray[Any]) -> None:
        """Count some values."""
        self._sum += float(np.square(values, dtype=np.float64).sum())
        self._count += values.size

    @property
    def root(self) -> float:
        """Root of the mean."""
        return float(np.sqrt(self._sum / max(self._count, 1)))


def measured_ranges(
    checkpoint: Checkpoint,
    model: ModelProto,
    contents: Mapping[str, bytes],
    points: Sequence[ArrayPoint],
    inputs: Inputs,
) -> dict[str, Range]:
    """Measure ranges and signals of arrays, by point.

    Args:
        checkpoint: whose arrays.
        model: its graph of additive noise.
        contents: of its files.
        points: with arrays.
        inputs: by name ``[n, *shape]``.

    Raises:
        ExportError: a value is not finite.
    """
    entering = {point.name: {tensor: Magnitudes() for tensor in point.entering} for point in points}
    signals = {point.name: MeanSquare() for point in points}
    for values in passes(checkpoint, model, contents, points, inputs):
        for point in points:
            for tensor, names in point.entering.items():
                for name in names:
                    check_finite(values[name], point.name, checkpoint.name)
                    entering[point.name][tensor].add(values[name])
            for meeting in point.meetings:
                check_finite(values[meeting.signal], point.name, checkpoint.name)
                signals[point.name].add(values[meeting.signal])
    return {
        point.name: Range(
            max(each.percentile(PERCENTILE) for each in entering[point.name].values()),
            max(each.largest for each in entering[point.name].values()),
            signals[point.name].root,
        )
        for point in points
    }


def check_finite(values: NDArray[Any], point: str, checkpoint: str) -> None:
    """Refuse values that are no numbers.

    Raises:
        ExportError: there are some.
    """
    if not np.isfinite(values).all():
        raise ExportError(f"signals at {point} of checkpoint {checkpoint} are not finite")


def passes(
    checkpoint: Checkpoint,
    model: ModelProto,
    contents: Mapping[str, bytes],
    points: Sequence[ArrayPoint],
    inputs: Inputs,
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the values at all points, a few inputs a time."""
    names = sorted(
        {name for point in points for names in point.entering.values() for name in names}
        | {meeting.signal for point in points for meeting in point.meetings}
    )
    made = [name for name in names if name not in inputs]
    wide = ModelProto()
    wide.CopyFrom(model)
    there = {output.name for output in wide.graph.output}
    wide.graph.output.extend(ValueInfoProto(name=name) for name in made if name not in there)
    session = onnxruntime.InferenceSession(
        wide.SerializeToString(),
        options_with(weights_of(checkpoint, contents)),
        providers=["CPUExecutionProvider"],
    )
    first, rows = 0, 1
    total = len(next(iter(inputs.values())))
    while first < total:
        some = {name: array[first : first + rows] for name, array in inputs.items()}
        outputs = session.run(made, fed(checkpoint, some)) if made else []
        found = {**some, **dict(zip(made, outputs, strict=True))}
        yield found
        first += len(next(iter(some.values())))
        if checkpoint.card.tile > 1:
            size = sum(found[name].nbytes for name in names) / rows
            rows = max(1, min(MOST_ROWS, int(MOST_BYTES / size)))


def weights_of(checkpoint: Checkpoint, contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the content of the weights by file name."""
    return {checkpoint.card.weights: contents[checkpoint.card.weights]}


def fed(checkpoint: Checkpoint, inputs: Inputs) -> dict[str, NDArray[Any]]:
    """Return what the graph of additive noise takes for some inputs, a row each, without noise."""
    rows = len(next(iter(inputs.values())))
    silence = {
        NOISE_PREFIX + point.name: np.zeros((rows, *point.shape), np.float32)
        for point in checkpoint.card.noise_points
    }
    return {**inputs, INPUT_OF_ROW: np.arange(rows), **silence}
