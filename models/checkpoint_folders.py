"""Where checkpoints lie: one folder each, in one or several directories."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from noisevote.models.errors import CheckpointError


def folders_in(directory: Path) -> list[Path]:
    """Return the folders that may be checkpoints, sorted; none if there is no such directory.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries if is_folder(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [directory / name for name in sorted(names) if not name.startswith((".", "_"))]


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry of a directory is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def places_in(directories: Iterable[Path]) -> dict[str, list[Path]]:
    """Return the folders that may be checkpoints of each name, sorted by name.

    Raises:
        OSError: a directory cannot be read.
    """
    places: dict[str, list[Path]] = {}
    for directory in directories:
        for folder in folders_in(directory):
            places.setdefault(folder.name, []).append(folder)
    return dict(sorted(places.items()))


def only_one_of(places: Sequence[Path], directories: Sequence[Path]) -> Path:
    """Return the one folder of a name.

    Args:
        places: of the name.
        directories: that were searched, in the order in which they were named.

    Raises:
        CheckpointError: there are several.
    """
    if len(places) == 1:
        return places[0]
    # Clients read it: of a directory its number and last part, not the way there.
    shown = " and ".join(
        f"{number} ({directory.name})"
        for number, directory in enumerate(directories, start=1)
        if any(place.parent == directory for place in places)
    )
    raise CheckpointError(
        f"checkpoint {places[0].name} stands in several of the folders of checkpoints, {shown}; "
        "none of them serves. Rename or remove all but one"
    )
