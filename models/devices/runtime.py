"""Votes on a device: the graph that holds its effects, a table a point, and a chip's weights.

A :class:`DeviceRuntime` computes rows like any other runtime. Rows of different devices, chips and
ages that meet in one call are passed apart, each under the key of its own vote, so that nobody's
votes depend on who else is served.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.device_specs import CONVERTING, DAC_PREFIX, DEVICE_PREFIX, Level
from noisevote.models.devices.arrays import LayerArray, layers_of, written
from noisevote.models.devices.cells import Draws, aged_weights
from noisevote.models.devices.chips import UNIFORM, Chip
from noisevote.models.devices.columns import Columns, Condition, columns_of, digital, level_for
from noisevote.models.devices.held import Held
from noisevote.models.devices.noise import DeviceNoise, Placement, spec_of
from noisevote.models.devices.profile import Profile
from noisevote.models.devices.setting import DeviceSetting
from noisevote.models.engines import Session, load_session
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind, VoteKey, VoteNoise
from noisevote.models.noise_fill import NoiseTensors
from noisevote.models.runtime import INPUT_OF_ROW, NOISE_PREFIX, GraphRuntime, Rows, Runtime

SPREADS = ("gain", "offset", "offset_t")
"""Parts of a chip by which its columns differ."""

OVERHEAD_BYTES = 2**19
"""Of a session beside its weights."""

SINGLE_BYTES = 4
MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class OnChip:
    """A checkpoint on a chip, ready for votes.

    Attributes:
        session: of the graph that holds all effects, with the chip's weights.
        tables: what it takes beside inputs and noise, by name.
        sigma: of additive noise at each point, for a read; ones where tables hold it ``[points]``.
        compensation: mean alpha of each point that has one, by name.
        size: bytes that it holds.
    """

    session: Session
    tables: Mapping[str, NDArray[np.float32]]
    sigma: NDArray[np.float64]
    compensation: Mapping[str, float]
    size: int


class DeviceRuntime:
    """Runs a checkpoint on devices.

    Args:
        checkpoint: with graphs for devices.
        held: keeps chips, also those of other checkpoints.

    Raises:
        CheckpointError: its files are not those of its card, or a graph is not what it is to be.
    """

    def __init__(self, checkpoint: Checkpoint, held: "Held[tuple[str, Placement], OnChip]") -> None:
        self.card = card = checkpoint.card
        self._spec = spec_of(card)
        self._folder = checkpoint.folder
        self._contents = checkpoint.verified() | checkpoint.verified_devices()
        self._layers: dict[str, LayerArray] = layers_of(
            self._spec.arrays,
            self._contents[card.weights],
            load(self._contents[self._spec.scales]),
            card.name,
        )
        self._weights_digest = card.digests[card.weights]
        self._fingerprint = checkpoint.fingerprint
        self._held = held
        self._plain: dict[Level | None, Session] = {}
        self._loading = threading.Lock()
        self._tensors = NoiseTensors([point.shape for point in card.noise_points])

    @property
    def kind(self) -> NoiseKind:
        """How the draws of a vote enter the graph."""
        return NoiseKind.ADDITIVE

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

    def on_chip(self, noise: DeviceNoise, key: VoteKey) -> OnChip:
        """Return what casts a vote, made if it is not held."""
        return self._on_chip(noise.setting, noise.placement(key))

    def compensation(self, noise: DeviceNoise) -> dict[str, float]:
        """Return what outputs are multiplied by to make up for drift, by noise point.

        The mean over those chips of the setting that are held; nothing if none is.
        """
        keys = [(self._fingerprint, placement) for placement in noise.places]
        held = [chip.compensation for chip in map(self._held.peek, keys) if chip is not None]
        return (
            {point: sum(of[point] for of in held) / len(held) for point in held[0]} if held else {}
        )

    def _pass(self, rows: Rows, placement: Placement) -> NDArray[np.float32]:
        noise = rows.noises[0]
        assert isinstance(noise, DeviceNoise)  # noqa: S101 - outputs() has looked
        chip = self._on_chip(noise.setting, placement)
        tensors = self._tensors.filled(
            self.kind, rows.sigma * chip.sigma, rows.keys, rows.distribution
        )
        return self._run(chip, rows, tensors)

    def _run(
        self, chip: OnChip, rows: Rows, tensors: Sequence[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        names = [NOISE_PREFIX + name for name in self.card.point_names]
        feed = {
            **rows.inputs,
            INPUT_OF_ROW: rows.input_of_row,
            **dict(zip(names, tensors, strict=True)),
            **chip.tables,
        }
        return chip.session.run(self.card.output, feed)

    def _on_chip(self, setting: DeviceSetting, placement: Placement) -> OnChip:
        return self._held.get(
            (self._fingerprint, placement), lambda: self._made(setting, placement)
        )

    def _made(self, setting: DeviceSetting, placement: Placement) -> OnChip:
        """Make a checkpoint on a chip: its weights, its columns, and the graph that takes them."""
        columns: dict[str, Columns] = {}
        matrices: dict[str, NDArray[np.float64]] = {}
        compensation: dict[str, float] = {}
        for point, profile in setting.profiles.items():
            layer = self._layers.get(point)
            if layer is None:
                continue
            if profile is None:
                columns[point] = digital(layer)
                continue
            condition, matrix = self._condition(point, profile, layer, placement)
            columns[point] = columns_of(profile, layer, condition)
            if matrix is not None:
                matrices[point] = matrix
            if profile.compensation != "none":
                compensation[point] = float(np.mean(condition.alpha))
        level = level_for(columns)
        session = self._session(level, matrices)
        values = sum(of.weights.size for of in self._layers.values())
        return OnChip(
            session,
            self._tables(level, columns),
            np.array([plain_sigma(columns.get(name), level) for name in self.card.point_names]),
            compensation,
            OVERHEAD_BYTES + SINGLE_BYTES * values if matrices else OVERHEAD_BYTES // 8,
        )

    def _condition(
        self, point: str, profile: Profile, layer: LayerArray, placement: Placement
    ) -> tuple[Condition, NDArray[np.float64] | None]:
        """Return the condition of a layer on a chip, and its weights there if they differ."""
        shape = layer.weights.shape
        chip = placement.chip
        if chip is None:
            draws, spreads = nothing_drawn(shape), {}
        else:
            own = Chip(profile.digest, self._weights_digest, chip)
            draws = own.draws_of(point, shape)
            spreads = {
                part: own.normals(point, part, shape[:1]).astype(np.float64) for part in SPREADS
            }
        largest = layer.largest(profile.array.scale)
        age_s = profile.age_range_s[0] if placement.age_s is None else placement.age_s
        window_s = placement.votes * (profile.flicker.vote_gap_s if profile.flicker else 0.0)
        aged = aged_weights(layer.weights / largest[:, np.newaxis], profile, draws, age_s, window_s)
        has_frozen = chip is not None and profile.has_frozen_cells
        alpha = aged.alpha if has_frozen else 1.0
        condition = Condition(placement.temperature_c, spreads, alpha, aged.variance)
        return condition, aged.weights * largest[:, np.newaxis] if has_frozen else None

    def _tables(
        self, level: Level | None, columns: Mapping[str, Columns]
    ) -> dict[str, NDArray[np.float32]]:
        """Return what a graph takes of the points of arrays, by name."""
        if level is None:
            return {}
        tables = {DEVICE_PREFIX + point: of.table(level) for point, of in columns.items()}
        if level in CONVERTING:
            tables |= {
                DAC_PREFIX + point: np.array(of.dac, np.float32) for point, of in columns.items()
            }
        return tables

    def _session(self, level: Level | None, matrices: Mapping[str, NDArray[np.float64]]) -> Session:
        """Return a session of a graph, the plain one if no weights are given."""
        with self._loading:
            if level not in self._plain:
                self._plain[level] = self._checked(level)
        if not matrices:
            return self._plain[level]
        weights = self.card.weights
        contents = {
            **self._contents,
            weights: written(self._contents[weights], self._layers, matrices),
        }
        return load_session(self._folder / self._file(level), contents)

    def _file(self, level: Level | None) -> str:
        """Return the file of a graph."""
        return self.card.graphs[self.kind] if level is None else self._spec.graphs[level]

    def _checked(self, level: Level | None) -> Session:
        """Load a graph and compare it with the card and a tile of votes."""
        session = load_session(self._folder / self._file(level), self._contents)
        if level is None:
            return GraphRuntime(session, self.card, self.kind).session
        expected = [
            *(tensor.name for tensor in self.card.inputs),
            INPUT_OF_ROW,
            *(NOISE_PREFIX + name for name in self.card.point_names),
            *(DEVICE_PREFIX + point for point in self._spec.arrays),
        ]
        if level in CONVERTING:
            expected += [DAC_PREFIX + point for point in self._spec.arrays]
        if sorted(session.inputs) != sorted(expected):
            raise CheckpointError(
                f"the {level} graph of checkpoint {self.card.name} has the inputs "
                f"{list(session.inputs)}; its card promises {expected}"
            )
        return session


class DeviceRuntimes:
    """The device runtimes of checkpoints, which share a bound on the memory of their chips.

    Args:
        most_bytes: that chips take together, about.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.held: Held[tuple[str, Placement], OnChip] = Held(most_bytes)
        self._runtimes: WeakKeyDictionary[Checkpoint, DeviceRuntime] = WeakKeyDictionary()
        self._loading = threading.Lock()

    def loaded(self, checkpoint: Checkpoint) -> DeviceRuntime | None:
        """Return the runtime of a checkpoint if it is loaded; never waits."""
        return self._runtimes.get(checkpoint)

    def of(self, checkpoint: Checkpoint) -> DeviceRuntime:
        """Return the runtime of a checkpoint, loaded at the first call.

        Raises:
            CheckpointError: it has no graphs for devices, or they are not those of its card.
        """
        with self._loading:
            if (found := self._runtimes.get(checkpoint)) is None:
                found = self._runtimes[checkpoint] = DeviceRuntime(checkpoint, self.held)
            return found


def loaded_for(checkpoint: Checkpoint, noise: VoteNoise, devices: DeviceRuntimes) -> Runtime | None:
    """Return what casts votes of a noise, or on a device, if it is loaded; never waits."""
    if isinstance(noise, DeviceNoise):
        return devices.loaded(checkpoint)
    return checkpoint.loaded(noise.kind)


def runtime_for(checkpoint: Checkpoint, noise: VoteNoise, devices: DeviceRuntimes) -> Runtime:
    """Return what casts votes of a noise, or on a device, loaded at the first call.

    Raises:
        CheckpointError: its files are not those of the card.
    """
    if isinstance(noise, DeviceNoise):
        return devices.of(checkpoint)
    return checkpoint.runtime(noise.kind)


def nothing_drawn(shape: tuple[int, ...]) -> Draws:
    """Return what draws the middle of every distribution: nothing deviates, no cell is stuck."""
    return lambda part: np.full(shape, 1.0 if part.startswith(UNIFORM) else 0.0)


def plain_sigma(columns: Columns | None, level: Level | None) -> float:
    """Return the sigma of additive noise at a point; 1 where a table says what becomes of it."""
    if columns is None:
        return 0.0
    return 1.0 if level is not None else columns.plain_sigma or 0.0
