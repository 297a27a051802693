"""The card of a checkpoint on disk: written as a whole, and by one process at a time."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.models.errors import ExportError
from noisevote.models.files import hold, write_whole


def write_card(card: Card, folder: Path) -> None:
    """Write the card of a checkpoint, in a form that people read."""
    text = json.dumps(card.model_dump(mode="json", exclude_none=True), indent=1)
    write_whole(folder / CARD_FILE, text.encode() + b"\n")


def update_card(
    measured: Checkpoint,
    change: Callable[[Card], Card],
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Add what was measured to a card, which others may have added to meanwhile.

    Args:
        measured: the checkpoint as it was read before the measurement.
        change: returns the new card for the one that lies there now.
        files: content of files that the new card names, written before it.

    Raises:
        ExportError: another checkpoint lies there now, or the card cannot be written.
    """
    with held_card(measured.folder):
        now = Checkpoint(measured.folder)
        if now.fingerprint != measured.fingerprint:
            raise ExportError(
                f"{measured.folder} holds another checkpoint than the one that was measured; its "
                "card is left as it is"
            )
        try:
            for name, content in (files or {}).items():
                write_whole(measured.folder / name, content)
        except OSError as error:
            raise ExportError(
                f"the files in {measured.folder} cannot be written: {error.strerror or error}"
            ) from error
        write_card(change(now.card), measured.folder)


def check_writable(folder: Path) -> None:
    """Refuse a checkpoint whose card could not be written, before what takes long.

    Raises:
        ExportError: it is so.
    """
    with held_card(folder):
        pass


@contextmanager
def held_card(folder: Path) -> Iterator[None]:
    """Let no other process write a card meanwhile; wait for one that does.

    Raises:
        ExportError: it cannot be written.
    """
    try:
        with closing(hold(folder / CARD_FILE, waits=True)):
            yield
    except OSError as error:
        raise ExportError(
            f"the card in {folder} cannot be written: {error.strerror or error}"
        ) from error


def put_in_place(made: Path, folder: Path) -> None:
    """Move the files of a checkpoint to its folder, the card last."""
    for path in sorted(made.iterdir(), key=lambda path: path.name == CARD_FILE):
        path.replace(folder / path.name)
