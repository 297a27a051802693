"""Every error that noisevote raises on purpose, in one tree.

Each message says what was got, what is allowed and what to do. HTTP status codes are assigned in
``service/wire/errors.py``, exit codes in the command lines; nothing here knows of either.

::

    NoisevoteError
    ├── InputError                what a caller sent cannot be used
    │   ├── PictureError          ... because the picture cannot be read as a drawing
    │   └── LimitError            ... because it asks for more than a limit allows
    ├── OverloadedError           there is no room for what a caller sent; later there will be
    ├── NoSlotError               no thread is left that computes votes
    ├── DeadlineError             the time was up before there was an answer
    ├── UnknownCheckpointError    no checkpoint of that name
    ├── UnknownDeviceError        no device of that name
    ├── UnknownStudyError         no study of a checkpoint and device
    ├── UnknownJobError           no job of that id
    ├── JobStateError             a job is not in a state in which that can be done
    ├── StorageError              the folder of the jobs cannot be read or written, or is full
    ├── CheckpointError           a checkpoint's files are missing, corrupt or of another version
    ├── DataError                 a data set's files are missing, corrupt or unknown
    ├── TrainingError             a training run cannot start or go on
    ├── ExportError               a network cannot be turned into a checkpoint that serves
    ├── ImportingError            a network that others made cannot be taken in
    ├── CancelledError            an assessment was told to stop
    └── MissingExtraError         an optional part of the installation is missing
"""


class NoisevoteError(Exception):
    """Base of all errors raised on purpose."""


class InputError(NoisevoteError):
    """What a caller sent cannot be used.

    Attributes:
        field: name of the offending field, dotted, or None if no single field is at fault.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class PictureError(InputError):
    """The picture cannot be read as a drawing."""


class LimitError(InputError):
    """The request asks for more than a limit allows."""


class OverloadedError(NoisevoteError):
    """There is no room for the request now; later there will be.

    Attributes:
        retry_after_s: seconds after which there should be room.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NoSlotError(NoisevoteError):
    """No thread is left that computes votes."""


class DeadlineError(NoisevoteError):
    """The time was up before every input had a vote."""


class UnknownCheckpointError(NoisevoteError):
    """No checkpoint of that name exists.

    Attributes:
        field: field that named it, where a request may name several; else None.
    """

    field: str | None = None


class UnknownDeviceError(NoisevoteError):
    """No device of that name exists.

    Attributes:
        field: field that named it.
    """

    field = "device"


class UnknownStudyError(NoisevoteError):
    """There is no study of the checkpoint on the device."""


class UnknownJobError(NoisevoteError):
    """No job of that id exists."""


class JobStateError(NoisevoteError):
    """The job is not in a state in which that can be done."""


class StorageError(NoisevoteError):
    """The folder of the jobs cannot be read or written, or is full."""


class CheckpointError(NoisevoteError):
    """A checkpoint's files are missing, corrupt or of an unknown version."""


class DataError(NoisevoteError):
    """A data set's files are missing, corrupt or unknown."""


class TrainingError(NoisevoteError):
    """A training run cannot start or go on."""


class ExportError(NoisevoteError):
    """A network cannot be turned into a checkpoint that serves."""


class ImportingError(NoisevoteError):
    """A network that others made cannot be taken in."""


class CancelledError(NoisevoteError):
    """An assessment was told to stop."""


class MissingExtraError(NoisevoteError):
    """An optional part of the installation is missing."""


def how_to_install(extra: str) -> str:
    """Say how an optional part is installed; no registry has noisevote."""
    return f'install it with: pip install ".[{extra}]", in the folder of noisevote\'s source'
