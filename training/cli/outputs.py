"""Files that commands write: whether they can be is told before the work, not after it."""

import os
from pathlib import Path

from noisevote.models.errors import InputError
from noisevote.models.files import place_of


def check_writable(path: Path, field: str) -> None:
    """Refuse a file that could not be written; its folder may be missing, and nothing is made.

    Raises:
        InputError: something else lies there, or in the place of its folder, or the folder cannot
            be written.
    """
    try:
        place = place_of(path)
        folder = next(parent for parent in place.parents if parent.exists())
    except OSError as error:
        raise InputError(
            f"--{field} {path} cannot be written: {error.strerror or error}", field
        ) from error
    if not folder.is_dir():
        raise InputError(f"--{field} {path} cannot be written: {folder} is no folder", field)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"--{field} {path} cannot be written: no right to write into {folder}", field
        )


def make_folder_of(path: Path) -> None:
    """Make the folder of a file, and those above it, where they are missing.

    Raises:
        OSError: it cannot be made.
    """
    place_of(path).parent.mkdir(parents=True, exist_ok=True)
