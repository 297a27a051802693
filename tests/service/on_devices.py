"""Copies of shipped checkpoints that are ready for devices, and profiles to put them on."""

import json
import shutil
from pathlib import Path
from typing import Any

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.training.devices.fit import fit_devices
from tests.models.robustness.worlds import drawn_samples
from tests.service.support import CHECKPOINT

FRESH: dict[str, Any] = {"profile": 1, "name": "fresh", "read": {"a": 0.02}}
"""Noise of reads and nothing else: all chips are the same."""

FROZEN: dict[str, Any] = {"profile": 1, "name": "frozen", "program": {"std_us": 0.4}}
"""Errors of writing and nothing else: votes on one chip are all the same."""

BOTH: dict[str, Any] = FROZEN | {"name": "both", "read": {"a": 0.05}}


def ready(directory: Path, *names: str) -> Path:
    """Copy checkpoints and make them ready, with ranges of drawn digits.

    Args:
        directory: where the copies lie.
        names: of shipped checkpoints of pictures; by default that of most tests.
    """
    for name in names or (CHECKPOINT,):
        shutil.copytree(SHIPPED / name, directory / name)
        checkpoint = Checkpoint(directory / name)
        if checkpoint.card.devices is None:
            inputs = {checkpoint.card.input.name: drawn_samples(20, seed=1).inputs}
            fit_devices(checkpoint, inputs, "drawn digits", "none")
    return directory


def as_before(folder: Path) -> Path:
    """Take from a checkpoint what makes it ready, as others were made."""
    card = folder / "card.json"
    content = json.loads(card.read_text())
    spec = content.pop("devices")
    for name in [*spec["graphs"].values(), spec["scales"]]:
        del content["digests"][name]
    card.write_text(json.dumps(content))
    return folder
