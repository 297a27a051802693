"""Where checkpoints lie: one folder each, in one or several directories, with a card in it."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from noisevote.models.card import Card
from noisevote.models.errors import CheckpointError
from noisevote.models.files import regular_content

CARD_FILE = "card.json"

MAX_CARD_BYTES = 16 * 2**20
"""A thousand times the largest that is shipped."""


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


def shown_name(name: str) -> str:
    """Return the name of a folder as it can stand in JSON and in a line of the log."""
    return name if name.isprintable() else ascii(name)[1:-1]


def read_card(folder: Path) -> Card:
    """Read and validate the card in ``folder``.

    Raises:
        CheckpointError: it is missing, damaged, of another version, or of another folder.
    """
    # Messages reach clients of the service: they name the checkpoint, not the server's folders.
    shown = f"{shown_name(folder.name)}/{CARD_FILE}"
    try:
        content = regular_content(folder / CARD_FILE, MAX_CARD_BYTES)
        card = Card.read(content)
    except OSError as error:
        raise CheckpointError(f"{shown} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise CheckpointError(f"{shown} is not a valid card: {where}{first['msg']}") from error
    if card.name != folder.name:
        raise CheckpointError(f"{shown} is the card of {card.name!r}, not of {folder.name!r}")
    return card
