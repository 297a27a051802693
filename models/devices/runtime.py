"""Votes on a device: the graph that holds its effects, a table a point, and a chip's weights.

A :class:`DeviceRuntime` computes rows like any other runtime. Rows of different devices, chips and
ages that meet in one call are passed apart, each under the key of its own vote, so that nobody's
votes depend on who else is served.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.device_specs import Level
from noisevote.models.devices.arrays import LayerArray, layers_of, tensors_in, written
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.columns import Columns, columns_of, digital, level_for
from noisevote.models.devices.conditions import condition_of
from noisevote.models.devices.graphs import DeviceGraphs, tables_of
from noisevote.models.devices.held import Held
from noisevote.models.devices.noise import DeviceNoise, Placement, fingerprint_of, spec_of
from noisevote.models.devices.setting import DeviceSetting
from noisevote.models.draws.schemes import SCHEMES
from noisevote.models.draws.tensors import NoiseTensors
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.loading import ONNX_RUNTIME_OF_MANY, load_session
from noisevote.models.engines.session import Contents, Session
from noisevote.models.noise import NoiseKind
from noisevote.models.runtime import GraphRuntime, Rows

OVERHEAD_BYTES = 2**19
"""Of a session beside its weights."""

OF_GRAPH = 110
"""Bytes that a session takes for each of its graph's file: measured on ``mnist_cnn`` (2 MiB
beside its weights) and ``densenet40`` (12 MiB)."""

SINGLE_BYTES = 4


@dataclass(frozen=True, slots=True, eq=False)
class OnChip:
    """A checkpoint on a chip, ready for votes.

    Attributes:
        runtime: of the graph that holds all effects, with the chip's weights and tables.
        sigma: of additive noise at each point, for a read; ones where tables hold it ``[points]``.
        compensation: mean alpha of each point that has one, by name.
        size: bytes that it holds.
    """

    runtime: GraphRuntime
    sigma: NDArray[np.float64]
    compensation: Mapping[str, float]
    size: int


class DeviceRuntime:
    """Runs a checkpoint on devices.

    Args:
        checkpoint: with graphs for devices.
        held: keeps chips, also those of other checkpoints.

    Attributes:
        made: chips that were made so far.

    Raises:
        CheckpointError: its files are not those of its card, or a graph is not what it is to be.
    """

    def __init__(self, checkpoint: Checkpoint, held: "Held[tuple[str, Placement], OnChip]") -> None:
        self.card = card = checkpoint.card
        spec = spec_of(card)
        self._folder = checkpoint.folder
        self._contents = checkpoint.verified() | checkpoint.verified_devices()
        self._layers: dict[str, LayerArray] = layers_of(
            spec.arrays,
            self._contents[card.weights],
            tensors_in(self._contents[spec.scales]),
            card.name,
        )
        self._weights_digest = card.digests[card.weights]
        self._name = f"{checkpoint.fingerprint}:{fingerprint_of(card)}"
        self._held = held
        self._graphs = DeviceGraphs(checkpoint, self._contents, self._layers)
        self._counting = threading.Lock()
        self.made = 0
        self._tensors = NoiseTensors(
            [point.shape for point in card.noise_points], SCHEMES[card.noise_scheme]
        )

    @property
    def kind(self) -> NoiseKind:
        """How the draws of a vote enter the graph."""
        return NoiseKind.ADDITIVE

    @property
    def arithmetic(self) -> Arithmetic:
        """Engine and precision of its votes: chips are many, and loaded soonest by this one."""
        return REFERENCE

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        """Return the outputs of each row ``[rows, classes]``; safe to call from several threads.

        Rows of one placement share passes.
        """
        parts: dict[Placement, list[int]] = {}
        for row, (noise, key) in enumerate(zip(rows.noises, rows.keys, strict=True)):
            if not isinstance(noise, DeviceNoise):
                raise TypeError(f"row {row} has the noise of no device")
            parts.setdefault(noise.placement(key), []).append(row)
        if len(parts) == 1:
            (placement,) = parts
            return self._pass(rows, placement)
        found = np.empty((len(rows.keys), len(self.card.labels)), np.float32)
        for placement, chosen in parts.items():
            found[chosen] = self._pass(rows.chosen(chosen), placement)
        return found

    def compensation(self, noise: DeviceNoise) -> dict[str, float]:
        """Return what outputs are multiplied by to make up for drift, by noise point.

        The mean over the chips of the setting; nothing unless all are held.
        """
        keys = [(self._name, placement) for placement in noise.places]
        held = [chip.compensation for chip in map(self._held.peek, keys) if chip is not None]
        if len(held) < len(keys):
            return {}
        return {point: sum(of[point] for of in held) / len(held) for point in held[0]}

    def missing(self, noise: DeviceNoise) -> int:
        """Return how many of the chips that cast the votes are not held."""
        keys = [(self._name, placement) for placement in noise.places]
        return sum(self._held.peek(key) is None for key in keys)

    def _pass(self, rows: Rows, placement: Placement) -> NDArray[np.float32]:
        noise = rows.noises[0]
        assert isinstance(noise, DeviceNoise)  # noqa: S101 - outputs() has looked
        chip = self._on_chip(noise.setting, placement)
        return chip.runtime.outputs(replace(rows, sigma=rows.sigma * chip.sigma))

    def _on_chip(self, setting: DeviceSetting, placement: Placement) -> OnChip:
        return self._held.get((self._name, placement), lambda: self._made(setting, placement))

    def _made(self, setting: DeviceSetting, placement: Placement) -> OnChip:
        """Make a checkpoint on a chip: its weights, its columns, and the graph that takes them."""
        columns: dict[str, Columns] = {}
        matrices: dict[str, NDArray[np.float32]] = {}
        compensation: dict[str, float] = {}
        told = zip(placement.profiles, placement.ages_s, strict=True)
        for (point, profile), (digest, age_s) in zip(setting.profiles.items(), told, strict=True):
            layer = self._layers.get(point)
            if layer is None:
                continue
            if profile is None or digest is None:
                columns[point] = digital(layer)
                continue
            number = placement.chip
            chip = None if number is None else Chip(digest, self._weights_digest, number)
            condition, matrix = condition_of(point, layer, profile, chip, placement, age_s)
            columns[point] = columns_of(profile, layer, condition)
            if matrix is not None:
                matrices[point] = matrix
            if profile.compensation != "none":
                compensation[point] = float(np.mean(condition.alpha))
        level = level_for(columns)
        session = self._session(level, matrices)
        values = sum(of.weights.size for of in self._layers.values())
        return OnChip(
            GraphRuntime(session, self.card, self.kind, tables_of(level, columns), self._tensors),
            np.array([plain_sigma(columns.get(name), level) for name in self.card.point_names]),
            compensation,
            self._size(level, values) if matrices else OVERHEAD_BYTES // 8,
        )

    def _size(self, level: Level | None, values: int) -> int:
        """Return about how many bytes a session of a graph takes with so many weights."""
        graph = len(self._contents[self._graphs.file(level)])
        return OVERHEAD_BYTES + OF_GRAPH * graph + SINGLE_BYTES * values

    def _session(self, level: Level | None, matrices: Mapping[str, NDArray[np.float32]]) -> Session:
        """Return a session of a graph, the plain one if no weights are given."""
        plain = self._graphs.session(level)
        if not matrices:
            return plain
        with self._counting:
            self.made += 1
        weights = self.card.weights
        contents: Contents = {
            **self._contents,
            weights: written(self._contents[weights], self._layers, matrices),
        }
        return load_session(self._folder / self._graphs.file(level), contents, ONNX_RUNTIME_OF_MANY)


def plain_sigma(columns: Columns | None, level: Level | None) -> float:
    """Return the sigma of additive noise at a point; 1 where a table says what becomes of it."""
    if columns is None:
        return 0.0
    return 1.0 if level is not None else columns.plain_sigma or 0.0
