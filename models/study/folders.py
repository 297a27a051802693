"""Where studies lie: in a folder named by checkpoint and device, beside the checkpoints."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from noisevote.models.devices.profile import Profile
from noisevote.models.errors import DataError, UnknownStudyError
from noisevote.models.noise import NoiseKind
from noisevote.models.study.head import StudyHead
from noisevote.models.study.store import STORE_FILE, StudyStore

STUDIES = "studies"
REPORT_JSON, REPORT_HTML, TABLE = "report.json", "report.html", "options.csv"


def study_folder(
    checkpoints: Path,
    checkpoint: str,
    device: Profile | None,
    kind: NoiseKind | None = None,
    temperature_c: float | None = None,
) -> Path:
    """Return where a study lies unless it is told otherwise; see :func:`study_name`.

    Args:
        checkpoints: folder of the checkpoints.
        checkpoint: name of the checkpoint.
        device: that is studied; None: noise of a strength.
        kind: of the noise; None: the checkpoint's.
        temperature_c: of the device; None: that at which its profile holds.
    """
    return studies_beside(checkpoints) / study_name(checkpoint, device, kind, temperature_c)


def study_name(
    checkpoint: str, device: Profile | None, kind: NoiseKind | None, temperature_c: float | None
) -> str:
    """Return the name of a study's folder: checkpoint, kind of noise, device and temperature."""
    warm = None if temperature_c is None else f"{temperature_c:g}C"
    parts = (checkpoint, kind, None if device is None else device.name, warm)
    return "--".join(part for part in parts if part)


def studies_beside(checkpoints: Path) -> Path:
    """Return the folder of the studies beside one of checkpoints."""
    return checkpoints.absolute().parent / STUDIES


@dataclass(frozen=True, slots=True)
class Wanted:
    """A study that is looked for.

    Attributes:
        checkpoint: name of it.
        fingerprint: of it.
        device: digest or name of the device; None: noise of a strength.
        kind: of the noise, where there is no device.
        temperature_c: of the device; None: that at which its profile holds.
    """

    checkpoint: str
    fingerprint: str
    device: str | None
    kind: NoiseKind
    temperature_c: float | None = None

    def is_met_by(self, head: StudyHead) -> bool:
        """Return whether a study is of this, whatever its weights."""
        if self.device is None:
            return head.device is None and head.kind is self.kind
        names = {head.device_name, head.device_digest}
        return self.device in names and head.temperature_c == self.temperature_c

    @property
    def command(self) -> str:
        """The command that makes it, but for folders and files."""
        parts = {
            "--noise": self.kind if self.device is None else None,
            "--device": self.device,
            "--temperature": None if self.temperature_c is None else f"{self.temperature_c:g}",
        }
        given = [part for option, of in parts.items() if of is not None for part in (option, of)]
        return (
            f"noisevote-train study {shlex.join([self.checkpoint, *given])} --checkpoints FOLDER "
            "--samples FILE"
        )

    @property
    def where(self) -> str:
        """The noise or the device, in a message."""
        on = f" under {self.kind} noise" if self.device is None else f" on {self.device}"
        warm = "" if self.temperature_c is None else f" at {self.temperature_c:g} degrees C"
        return f"{on}{warm}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A study as it stood when its file was last looked at.

    Attributes:
        store: of it.
        head: of it.
        has_ended: whether it has come to its end.
    """

    store: StudyStore
    head: StudyHead
    has_ended: bool


class Studies:
    """The studies in some folders.

    What a file holds is read once, until it changes: requests ask often.

    Args:
        folders: each holds studies, a folder each; one that is not there holds none.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._seen: dict[Path, tuple[tuple[int, int], Listed]] = {}

    def find(self, wanted: Wanted) -> StudyStore:
        """Return a study that has come to its end.

        Of several that one counts which lies in the folder of its name, else the last one by name.

        Raises:
            UnknownStudyError: there is none.
        """
        why, found = "there is no study of it", []
        for listed in self.all_of(wanted.checkpoint):
            folder = listed.store.folder.name
            if not wanted.is_met_by(listed.head):
                continue
            if listed.head.fingerprint != wanted.fingerprint:
                why = f"the study in {folder} is of other weights"
            elif not listed.has_ended:
                why = f"the study in {folder} has not come to its end"
            else:
                found.append(listed)
        if found:
            return max(found, key=rank).store
        raise UnknownStudyError(
            f"checkpoint {wanted.checkpoint}{wanted.where}: {why}; make one with: {wanted.command}"
        )

    def of(self, checkpoint: str, fingerprint: str) -> list[StudyHead]:
        """Return the heads of the studies of a checkpoint as it is now, one of each as found."""
        found: dict[tuple[str | None, float | None, NoiseKind], Listed] = {}
        for listed in self.all_of(checkpoint):
            head = listed.head
            if head.fingerprint == fingerprint and listed.has_ended:
                name = head.device_name, head.temperature_c, head.kind
                found[name] = max(found.get(name, listed), listed, key=rank)
        return [listed.head for listed in found.values()]

    def all_of(self, checkpoint: str) -> Iterator[Listed]:
        """Yield the studies of a checkpoint; what cannot be read is passed over."""
        for folder in self._folders:
            for path in sorted(folder.glob(f"*/{STORE_FILE}")):
                listed = self._listed(path)
                if listed is not None and listed.head.checkpoint == checkpoint:
                    yield listed

    def _listed(self, path: Path) -> Listed | None:
        try:
            status = path.stat()
        except OSError:
            return None
        version = status.st_mtime_ns, status.st_size
        known = self._seen.get(path)
        if known is not None and known[0] == version:
            return known[1]
        store = StudyStore(path.parent)
        try:
            listed = Listed(store, store.head, store.has_ended)
        except DataError:  # damaged, or held by a writer for the moment
            return None if known is None else known[1]
        self._seen[path] = version, listed
        return listed


def rank(of: Listed) -> tuple[bool, str]:
    """Return what one of several studies of the same is taken by; the largest counts."""
    return is_default(of.store.folder, of.head), of.store.folder.name


def is_default(folder: Path, head: StudyHead) -> bool:
    """Return whether a study lies in a folder of its own name."""
    kinds = (None, head.kind)
    names = {study_name(head.checkpoint, head.device, kind, head.temperature_c) for kind in kinds}
    return folder.name in names
