"""Folders in which checkpoints are made before they are put in place."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from noisevote.models.files import LEFT_BEHIND_S

BEGUN = ".import-"
"""How their names begin."""


@contextmanager
def begun_in(folder: Path) -> Iterator[Path]:
    """Make a folder in another one; it is gone after the block, whenever a signal ends that."""
    begun = folder / f"{BEGUN}{token_hex(4)}"
    try:  # before it is made: of tempfile's a signal in between would leave it
        begun.mkdir(mode=0o700)
        yield begun
    finally:
        shutil.rmtree(begun, ignore_errors=True)


def remove_begun(folder: Path) -> None:
    """Remove what imports have begun that were killed long ago."""
    for begun in folder.glob(f"{BEGUN}*"):
        with suppress(OSError):
            if time.time() - begun.stat().st_mtime > LEFT_BEHIND_S:
                shutil.rmtree(begun)
