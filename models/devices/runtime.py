"""Votes on a device: the graph that holds its effects, a table for each point, and a chip's weights.

A :class:`DeviceRuntime` computes rows like any other runtime. Rows of different devices, chips and
ages that meet in one call are passed apart, each under the key of its own vote, so that nobody's
votes depend on who else is served.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.arrays import LayerArray, layers_of, written
from noisevote.models.devices.cells import aged_weights
from noisevote.models.devices.chips import CHIP_SCHEME, ChipKey, normals
from noisevote.models.devices.columns import Columns, Condition, columns_of, digital, level_for
from noisevote.models.devices.held import Held
from noisevote.models.devices.profile import DIGITS, Profile
from noisevote.models.devices.setting import DeviceSetting, profiles_at
from noisevote.models.devices.spec import Level
from noisevote.models.engines import Session, load_session
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind, VoteKey, VoteNoise
from noisevote.models.noise_fill import NoiseTensors
from noisevote.models.runtime import (
    INPUT_OF_ROW,
    NOISE_PREFIX,
    GraphRuntime,
    Rows,
)

DEVICE_PREFIX, DAC_PREFIX = "device.", "dac."
CONVERTING: tuple[Level, ...] = ("converter", "full")
"""Graphs that take the converters of inputs, too."""

OVERHEAD_BYTES = 2**19
"""Of a session beside its weights."""

SINGLE_BYTES = 4


@dataclass(frozen=True, slots=True)
class Placement:
    """On what a vote is cast; votes of one placement share forward passes.

    Attributes:
        profiles: digest of each noise point's profile, None where it is digital.
        chip: number of the chip; None without frozen errors.
        age_s: since the weights were written; None: the smallest of each profile.
        temperature_c: None: that at which the profile holds.
        votes: on an input, where that matters for 1/f noise; else 0.
    """

    profiles: tuple[str | None, ...]
    chip: int | None
    age_s: float | None
    temperature_c: float | None
    votes: int


@dataclass(frozen=True, slots=True, eq=False)
class DeviceNoise(VoteNoise):
    """The noise of votes on a device, as a request has it.

    Attributes:
        setting: the device and its condition.
        fingerprint: names what of the device decides votes.
        orders: chips of the votes on each input, kept.
    """

    setting: DeviceSetting = field(kw_only=True)
    fingerprint: str = field(kw_only=True)
    orders: dict[tuple[int, int], NDArray[np.intp]] = field(default_factory=dict)

    @property
    def is_silent(self) -> bool:
        """Whether all votes on an input are the same."""
        return self.parts == 1 and not any(of.is_fresh for of in self.setting.distinct)

    @property
    def parts(self) -> int:
        """How many chips cast the votes."""
        return max(1, len(self.setting.chips)) if self.setting.differs_by_chip else 1

    def part_of(self, key: VoteKey) -> int:
        """Return which of the chips casts a vote, from 0."""
        if self.parts == 1:
            return 0
        at = key.seed, key.position
        if at not in self.orders:
            self.orders[at] = self.setting.order(*at)
        return int(self.orders[at][key.vote])

    def is_measured_at(self, kind: NoiseKind, sigma: float) -> bool:  # noqa: ARG002 - of no device
        """Return False: cards hold no thresholds of devices."""
        return False

    def placement(self, key: VoteKey) -> Placement:
        """Return on what a vote is cast."""
        setting = self.setting
        has_chip = setting.differs_by_chip and setting.chips
        flickers = any(of.flicker for of in setting.distinct)
        return Placement(
            tuple(None if of is None else of.digest for of in setting.profiles.values()),
            setting.chips[self.part_of(key)] if has_chip else None,
            setting.age_s,
            setting.temperature_c,
            setting.votes if flickers else 0,
        )


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
        card = checkpoint.card
        if card.devices is None:
            raise CheckpointError(f"checkpoint {checkpoint.name} has no graphs for devices")
        self.card: Card = card
        self._folder = checkpoint.folder
        self._contents, scales = checkpoint.verified_devices()
        self._spec = card.devices
        self._layers: dict[str, LayerArray] = layers_of(
            card.devices.arrays, self._contents[card.weights], scales, card.name
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

    def noise(self, setting: DeviceSetting) -> DeviceNoise:
        """Return the noise of votes on a device."""
        reads = [setting.repeats.get(name, 1) for name in self.card.point_names]
        digest = hashlib.sha256()
        files = sorted({*self._spec.graphs.values(), self._spec.scales})
        profiles = [None if of is None else of.digest for of in setting.profiles.values()]
        arrays = {name: of.model_dump(mode="json") for name, of in self._spec.arrays.items()}
        for part in (CHIP_SCHEME, profiles, arrays, [self.card.digests[file] for file in files]):
            digest.update(to_json(part))
        return DeviceNoise(
            NoiseKind.ADDITIVE,
            1 / np.sqrt(np.array(reads, np.float64)),
            setting=setting,
            fingerprint=f"device-{digest.hexdigest()[:DIGITS]}",
        )

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

    def holds(self, noise: DeviceNoise, chip: int) -> bool:
        """Return whether a chip of a setting is held, by its place in the setting."""
        placement = noise.placement(VoteKey(0, 0, 0))
        chips = noise.setting.chips
        own = chips[chip] if placement.chip is not None else None
        asked = Placement(
            placement.profiles, own, placement.age_s, placement.temperature_c, placement.votes
        )
        return (self._fingerprint, asked) in self._held

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
        key = None
        spreads = {}
        if placement.chip is not None:
            key = ChipKey(profile.digest, self._weights_digest, placement.chip, point)
            spreads = {
                part: normals(key, part, (layer.spec.columns,))
                for part in ("gain", "offset", "offset_t")
            }
        largest = layer.largest(profile.array.scale)
        age_s = profile.age_range_s[0] if placement.age_s is None else placement.age_s
        window_s = placement.votes * (profile.flicker.vote_gap_s if profile.flicker else 0.0)
        aged = aged_weights(layer.weights / largest[:, np.newaxis], profile, key, age_s, window_s)
        condition = Condition(placement.temperature_c, spreads, aged.alpha, aged.w2)
        if key is None or not profile.has_frozen_cells:
            return condition, None
        return condition, aged.weights * largest[:, np.newaxis]

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

    def _session(
        self, level: Level | None, matrices: Mapping[str, NDArray[np.float64]]
    ) -> Session:
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
        ]
        for point in self._spec.arrays:
            expected.append(DEVICE_PREFIX + point)
        if list(session.inputs)[: len(expected)] != expected:
            raise CheckpointError(
                f"the {level} graph of checkpoint {self.card.name} has the inputs "
                f"{list(session.inputs)}; its card promises {expected}"
            )
        return session


def plain_sigma(columns: Columns | None, level: Level | None) -> float:
    """Return the sigma of additive noise at a point; 1 where a table says what becomes of it."""
    if columns is None:
        return 0.0
    return 1.0 if level is not None else columns.plain_sigma or 0.0
