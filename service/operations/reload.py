"""Looks after the folders of the checkpoints: new, replaced and removed ones, without a restart.

What changed is read, verified and warmed up beside what serves, and takes its place only then;
what devices need is verified alone.
Requests that run finish on the old one. What does not have the digests of its card is refused, and
the old one goes on serving; it is tried again when a file changes again, so that files may be
copied into a folder that is watched. So is a name that comes to stand in two of the folders.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.checkpoint_folders import only_one_of, places_in, shown_name
from noisevote.models.engines.preference import Preference
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind
from noisevote.models.once import is_passing

log = logging.getLogger("noisevote")

Signature = tuple[tuple[str, int, int, int], ...]
"""Of a folder: name, time of change, size and number of each file."""


class CheckpointReloader:
    """Keeps a store as its folders are.

    Args:
        directories: each holds one folder a checkpoint.
        default: name of the checkpoint that is kept even when its folder is gone.
        preference: in which arithmetic votes are to be cast.

    Attributes:
        store: what serves.
    """

    def __init__(
        self,
        directories: Sequence[Path],
        default: str,
        preference: Preference = Preference(),
    ) -> None:
        self._directories = tuple(directories)
        self._default = default
        self._seen = signatures_in(self._directories)
        self._again: set[str] = set()  # refused only because the system had no room
        self._looking = threading.Lock()
        self._preference = preference
        self.store = CheckpointStore(*self._directories, preference=preference)

    def look(self) -> set[str]:
        """Bring the store up to date and return the names of what is served anew.

        It reads files and takes as long as loading does; call it off the event loop.
        """
        with self._looking:
            found = signatures_in(self._directories)
            again, self._again = self._again, set()
            changed = [
                name
                for name, signature in found.items()
                if signature != self._seen.get(name) or name in again
            ]
            anew = {name for name in changed if self._replace(name, list(found[name]))}
            for name in set(self._seen) - set(found) - {self._default}:
                self.store.drop(name)
                log.info("checkpoint %s is gone and serves no more", name)
            self._seen = found
            return anew

    def _replace(self, name: str, places: Sequence[Path]) -> bool:
        """Serve what lies in the folder of a name now, if it is sound and the only one."""
        try:
            candidate = Checkpoint(only_one_of(places, self._directories), self._preference)
            for kind in self._kinds_for(candidate):
                candidate.runtime(kind, candidate.preferred)
            if candidate.card.devices is not None:
                candidate.verified_devices()
        except CheckpointError as error:
            self.store.refuse(name, str(error))
            if is_passing(error):
                self._again.add(name)
            log.warning("checkpoint %s was refused: %s", shown_name(name), error)
            return False
        self.store.put(candidate)
        log.info("checkpoint %s serves as %s", name, candidate.fingerprint)
        return True

    def _kinds_for(self, candidate: Checkpoint) -> set[NoiseKind]:
        """Return the kinds of noise that must be loaded before a checkpoint serves."""
        before = (
            self.store.find(candidate.name).loaded_kinds
            if candidate.name in self.store.names()
            else []
        )
        return {candidate.card.noise.kind, *before} & set(candidate.card.graphs)


def signatures_in(directories: Iterable[Path]) -> dict[str, dict[Path, Signature]]:
    """Return the signature of every folder that may be a checkpoint, by name and place."""
    return {
        name: {folder: signature_of(folder) for folder in places}
        for name, places in places_in(directories).items()
    }


def signature_of(folder: Path) -> Signature:
    """Return what tells whether a folder's files have changed; one look at each, none is read."""
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError:  # it is being changed, or may not be read; the next look sees more
        return ()
    return tuple(entry for file in files if (entry := entry_of(file)) is not None)


def entry_of(file: Path) -> tuple[str, int, int, int] | None:
    """Return name, time of change, size and number of a file; None if it leads nowhere."""
    try:
        status = file.stat()
    except OSError:
        return None
    return file.name, status.st_mtime_ns, status.st_size, status.st_ino
