"""Where studies lie: in a folder named by checkpoint and device, beside the checkpoints."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from noisevote.models.errors import DataError, UnknownStudyError
from noisevote.models.study.head import StudyHead
from noisevote.models.study.store import STORE_FILE, StudyStore

STUDIES = "studies"
REPORT_JSON, REPORT_HTML, TABLE = "report.json", "report.html", "options.csv"


def study_folder(checkpoints: Path, checkpoint: str, device: str | None) -> Path:
    """Return where a study lies unless it is told otherwise.

    Args:
        checkpoints: folder of the checkpoints.
        checkpoint: name of the checkpoint.
        device: name of the device; None: noise of a strength.
    """
    name = checkpoint if device is None else f"{checkpoint}--{device}"
    return studies_beside(checkpoints) / name


def studies_beside(checkpoints: Path) -> Path:
    """Return the folder of the studies beside one of checkpoints."""
    return checkpoints.absolute().parent / STUDIES


def command_for(checkpoint: str, device: str | None) -> str:
    """Return the command that makes a study."""
    on = "" if device is None else f" --device {device}"
    return f"noisevote-train study {checkpoint}{on}"


class Studies:
    """The studies in some folders.

    Args:
        folders: each holds studies, a folder each; one that is not there holds none.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    def find(self, checkpoint: str, fingerprint: str, device: str | None) -> StudyStore:
        """Return the study of a checkpoint, as it is now, on a device.

        Args:
            checkpoint: name of it.
            fingerprint: of it.
            device: digest or name of the device; None: noise of a strength.

        Raises:
            UnknownStudyError: there is none that has come to its end.
        """
        why = "there is no study of it"
        for store, head in self.all_of(checkpoint):
            if device not in {head.device_name, head.device_digest}:
                continue
            if head.fingerprint != fingerprint:
                why = f"the study in {store.folder.name} is of other weights"
            elif not store.has_ended:
                why = f"the study in {store.folder.name} has not come to its end"
            else:
                return store
        on = "" if device is None else f" on {device}"
        raise UnknownStudyError(
            f"checkpoint {checkpoint}{on}: {why}; make one with: "
            f"{command_for(checkpoint, device)} --samples FILE"
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
