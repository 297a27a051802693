"""Profiles to put networks on, and networks that were made before there were devices."""

import json
import shutil
from pathlib import Path
from typing import Any

from noisevote.models.checkpoint import SHIPPED

FRESH: dict[str, Any] = {"profile": 1, "name": "fresh", "read": {"a": 0.02}}
"""Noise of reads and nothing else: all chips are the same."""

FROZEN: dict[str, Any] = {"profile": 1, "name": "frozen", "program": {"std_us": 0.4}}
"""Errors of writing and nothing else: votes on one chip are all the same."""

BOTH: dict[str, Any] = FROZEN | {"name": "both", "read": {"a": 0.05}}


def as_before(directory: Path, name: str) -> Path:
    """Copy a shipped checkpoint without what makes it ready for devices; return the directory."""
    folder = directory / name
    shutil.copytree(SHIPPED / name, folder)
    card = folder / "card.json"
    content = json.loads(card.read_text())
    spec = content.pop("devices")
    for file in [*spec["graphs"].values(), spec["scales"]]:
        del content["digests"][file]
    card.write_text(json.dumps(content))
    return directory
