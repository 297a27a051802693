"""Where studies lie: in a folder named by checkpoint and device, beside the checkpoints."""

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
    """Return where a study lies unless it is told otherwise.

    Args:
        checkpoints: folder of the checkpoints.
        checkpoint: name of the checkpoint.
        device: that is studied; None: noise of a strength.
        kind: of the noise; None: the checkpoint's.
        temperature_c: of the device; None: that at which its profile holds.
    """
    parts = [
        checkpoint,
        kind,
        None if device is None else device.name,
        None if temperature_c is None else f"{temperature_c:g}C",
    ]
    return studies_beside(checkpoints) / "--".join(part for part in parts if part)


def studies_beside(checkpoints: Path) -> Path:
    """Return the folder of the studies beside one of checkpoints."""
    return checkpoints.absolute().parent / STUDIES


def command_for(checkpoint: str, device: str | None) -> str:
    """Return the command that makes a study."""
    on = "" if device is None else f" --device {device}"
    return f"noisevote-train study {checkpoint}{on}"


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
    def where(self) -> str:
        """The device, in a message."""
        on = "" if self.device is None else f" on {self.device}"
        warm = "" if self.temperature_c is None else f" at {self.temperature_c:g} degrees C"
        return f"{on}{warm}"


class Studies:
    """The studies in some folders.

    Args:
        folders: each holds studies, a folder each; one that is not there holds none.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    def find(self, wanted: Wanted) -> StudyStore:
        """Return a study that has come to its end.

        Raises:
            UnknownStudyError: there is none.
        """
        why = "there is no study of it"
        for store, head in self.all_of(wanted.checkpoint):
            if not wanted.is_met_by(head):
                continue
            if head.fingerprint != wanted.fingerprint:
                why = f"the study in {store.folder.name} is of other weights"
            elif not store.has_ended:
                why = f"the study in {store.folder.name} has not come to its end"
            else:
                return store
        raise UnknownStudyError(
            f"checkpoint {wanted.checkpoint}{wanted.where}: {why}; make one with: "
            f"{command_for(wanted.checkpoint, wanted.device)} --samples FILE"
        )

    def of(self, checkpoint: str, fingerprint: str) -> list[StudyHead]:
        """Return the heads of the studies of a checkpoint, as it is now, that have ended."""
        return [
            head
            for store, head in self.all_of(checkpoint)
            if head.fingerprint == fingerprint and store.has_ended
        ]

    def all_of(self, checkpoint: str) -> Iterator[tuple[StudyStore, StudyHead]]:
        """Yield the studies of a checkpoint; what cannot be read is passed over."""
        for folder in self._folders:
            for path in sorted(folder.glob(f"*/{STORE_FILE}")):
                store = StudyStore(path.parent)
                try:
                    head = store.head
                except DataError:
                    continue
                if head.checkpoint == checkpoint:
                    yield store, head
