"""Checkpoints that were made ready for devices, and their graphs as they serve."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from safetensors.numpy import load
from torch import Tensor

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.device_specs import DevicesSpec, Level
from noisevote.models.engines.loading import load_session
from noisevote.models.engines.session import INPUT_OF_ROW, Session
from noisevote.training.devices.fit import fit_devices, measured_on
from tests.training.devices.oracle import Drawn, drawn
from tests.training.importing.run_command import imported

ROWS, INPUTS = 5, 3


@dataclass(frozen=True)
class Ready:
    """A checkpoint with devices, and inputs."""

    checkpoint: Checkpoint
    inputs: NDArray[np.float32]

    @property
    def devices(self) -> DevicesSpec:
        devices = self.checkpoint.card.devices
        assert devices is not None
        return devices

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {point.name: point.shape for point in self.checkpoint.card.noise_points}

    @property
    def scales(self) -> dict[str, NDArray[np.float32]]:
        scales: dict[str, NDArray[np.float32]] = load(
            self.checkpoint.verified_devices()[self.devices.scales]
        )
        return scales

    @property
    def weights(self) -> dict[str, Tensor]:
        """What the weights file holds, in double precision."""
        stored = load(self.checkpoint.verified()[self.checkpoint.card.weights])
        return {name: torch.from_numpy(array.astype(np.float64)) for name, array in stored.items()}

    def draw(self, level: Level, seed: int = 0) -> Drawn:
        return drawn(level, self.devices, self.scales, self.shapes, ROWS, seed)

    def outputs(
        self, graph: str, given: dict[str, Any], of_row: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """What a graph of the checkpoint gives for rows of the inputs."""
        session = session_of(self.checkpoint, graph)
        card = self.checkpoint.card
        rows = self.of_row if of_row is None else of_row
        return session.run(card.output, {card.input.name: self.inputs, INPUT_OF_ROW: rows, **given})

    @property
    def of_row(self) -> NDArray[np.int64]:
        """The input of each row."""
        return np.arange(ROWS, dtype=np.int64)[::-1] % len(self.inputs)


@cache
def session_of(checkpoint: Checkpoint, graph: str) -> Session:
    contents = checkpoint.verified() | checkpoint.verified_devices()
    return load_session(checkpoint.folder / graph, contents)


def made_ready(model: ModelProto, folder: Path, *options: str) -> Ready:
    """Import a network and make it ready."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, folder / "model.onnx")
    return ready(imported(folder / "model.onnx", folder / "checkpoints", *options))


def ready(checkpoint: Checkpoint) -> Ready:
    """Make a checkpoint ready."""
    (tensor,) = checkpoint.card.inputs
    inputs = tensor.trial(np.random.default_rng(3), 12)
    fit_devices(checkpoint, {tensor.name: inputs}, measured_on("made up", 12), "any")
    return Ready(Checkpoint(checkpoint.folder), inputs[:INPUTS])
