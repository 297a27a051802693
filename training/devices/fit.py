"""A checkpoint is made ready for devices: graphs, scales of columns, ranges of inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from safetensors.numpy import save

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint, sha256_of
from noisevote.models.device_specs import ROWS, ArraySpec, DevicesSpec, Level, WeightSpec
from noisevote.models.errors import ExportError, NoisevoteError
from noisevote.models.noise import NoiseKind
from noisevote.training.devices.graph import device_graph
from noisevote.training.devices.points import ArrayPoint, Traced, traced_points
from noisevote.training.devices.ranges import Range, measured_ranges
from noisevote.training.devices.trial import Trial
from noisevote.training.export.card_file import update_card

SCALES_FILE = "devices.safetensors"
IMAGES = 1000
"""Inputs on which ranges are measured, unless others are asked for."""

DIGITS = 6
"""Of ranges and signals on the card."""


@dataclass(frozen=True, slots=True)
class DeviceFiles:
    """What a checkpoint needs for devices, before it is written.

    Attributes:
        spec: for its card.
        files: content by name.
    """

    spec: DevicesSpec
    files: dict[str, bytes]

    def put_on(self, card: Card) -> Card:
        """Return a card that tells of them."""
        digests = {name: sha256_of(content) for name, content in self.files.items()}
        return card.model_copy(update={"devices": self.spec, "digests": card.digests | digests})


def fit_devices(
    checkpoint: Checkpoint, inputs: Mapping[str, NDArray[Any]], about: str, command: str
) -> DevicesSpec:
    """Make a checkpoint ready for devices, in its place.

    Args:
        checkpoint: to be made ready; the rest of its card and its other files stay.
        inputs: to measure ranges on, by name ``[n, *shape]``; at least one.
        about: what these are, as :func:`measured_on` says it.
        command: for the card.

    Raises:
        ExportError: no device can be put on any noise point, a graph does not do what it should,
            or the checkpoint has changed meanwhile or cannot be written.
        CheckpointError: its files are not those that the card describes.
    """
    made = device_files(checkpoint, inputs, about, command)
    update_card(checkpoint, made.put_on, made.files)
    return made.spec


def told_fit(
    checkpoint: Checkpoint, inputs: Mapping[str, NDArray[Any]], about: str, command: str
) -> str:
    """Make a checkpoint ready for devices if it can be, and say in a line what came of it.

    See :func:`fit_devices`.
    """
    try:
        devices = fit_devices(checkpoint, inputs, about, command)
    except NoisevoteError as error:
        return f"not ready for devices: {error}"
    except Exception as error:  # noqa: BLE001 - what libraries raise on graphs of strangers; the rest serves
        return f"not ready for devices: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    points = len(devices.arrays) + len(devices.without)
    return f"ready for devices: {len(devices.arrays)} of {points} noise points lie on arrays"


def device_files(
    checkpoint: Checkpoint, inputs: Mapping[str, NDArray[Any]], about: str, command: str
) -> DeviceFiles:
    """Return what a checkpoint needs for devices; see :func:`fit_devices`."""
    card = checkpoint.card
    if NoiseKind.ADDITIVE not in card.graphs:
        raise ExportError(f"checkpoint {card.name} has no graph for additive noise")
    contents = checkpoint.verified()
    model = onnx.load_model_from_string(contents[card.graphs[NoiseKind.ADDITIVE]])
    shapes = {point.name: point.shape for point in card.noise_points}
    traced = traced_points(model, contents[card.weights], shapes)
    check_any(card, traced)
    ranges = measured_ranges(checkpoint, model, contents, traced.points, inputs)
    traced = without_silent(traced, ranges, list(shapes))
    check_any(card, traced)
    names: dict[Level, str] = {level: f"device-{level}.onnx" for level in ROWS}
    trial = Trial(checkpoint, contents, traced, ranges, inputs)
    files = {}
    for level, name in names.items():
        files[name] = device_graph(traced, level).SerializeToString(deterministic=True)
        trial.check(level, files[name])
    files[SCALES_FILE] = scales_of(traced)
    spec = DevicesSpec(
        graphs=names,
        scales=SCALES_FILE,
        arrays={point.name: array_spec(point, ranges[point.name]) for point in traced.points},
        without=traced.without,
        measured_on=about,
        command=command,
    )
    return DeviceFiles(spec, files)


def measured_on(split: str, count: int) -> str:
    """Return on what ranges were measured, as the card tells it."""
    return f"{split}, {count} inputs"


def check_any(card: Card, traced: Traced) -> None:
    """Refuse a network on which no device can be put.

    Raises:
        ExportError: it is one.
    """
    if not traced.points:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in traced.without.items())
        raise ExportError(f"no device can be put on checkpoint {card.name}. {reasons}")


def without_silent(traced: Traced, ranges: Mapping[str, Range], order: list[str]) -> Traced:
    """Return the points without those into whose arrays only zeros went."""
    silent = {name for name, found in ranges.items() if found.largest == 0}
    reasons = traced.without | dict.fromkeys(silent, "only zeros enter it")
    return replace(
        traced,
        points=tuple(point for point in traced.points if point.name not in silent),
        without={name: reasons[name] for name in order if name in reasons},
    )


def array_spec(point: ArrayPoint, found: Range) -> ArraySpec:
    """Return what the card says of an array."""
    return ArraySpec(
        weights=tuple(
            WeightSpec(name=name, columns=columns) for name, columns in point.tensors.items()
        ),
        axis=point.axis,
        columns=point.columns,
        fan_in=point.fan_in,
        evaluations=point.evaluations,
        # Where nearly all that enters is 0, the percentile is, too, and would be no range.
        input_range=rounded(found.percentile or found.largest),
        input_max=rounded(found.largest),
        rms=rounded(found.rms),
    )


def rounded(number: float) -> float:
    """Return a number with as many digits as people read."""
    return float(f"{number:.{DIGITS}g}")


def scales_of(traced: Traced) -> bytes:
    """Return the file of scales and offsets of columns."""
    tensors = {}
    for point in traced.points:
        tensors[f"{point.name}.scale"] = point.signal.scale.astype(np.float32)
        tensors[f"{point.name}.offset"] = point.signal.offset.astype(np.float32)
    return bytes(save(tensors))
