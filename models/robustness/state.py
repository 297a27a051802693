"""Finished steps of an assessment, kept so that an interrupted one goes on where it was."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.errors import DataError
from models.files import write_whole
from models.robustness.trials import StepResult

IDENTITY_FILE = "identity.json"
DATA_KEY = "__data__"


class State(Protocol):
    """Where results of steps lie."""

    def load(self, step: str) -> StepResult | None:
        """Return the result of a step, or None if it has not been finished."""

    def save(self, step: str, result: StepResult) -> None:
        """Keep the result of a finished step."""


class MemoryState:
    """Keeps results as long as the process lives."""

    def __init__(self) -> None:
        self._results: dict[str, StepResult] = {}

    def load(self, step: str) -> StepResult | None:
        """Return the result of a step, or None."""
        return self._results.get(step)

    def save(self, step: str, result: StepResult) -> None:
        """Keep the result of a finished step."""
        self._results[step] = result


class FolderState:
    """Keeps each result in a file of its own; a process killed while writing leaves none.

    Args:
        folder: made if absent.
        identity: what decides the results, as plain data.

    Raises:
        DataError: the folder holds the steps of another assessment.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._folder = folder
        self._read = MemoryState()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / IDENTITY_FILE
        text = json.dumps(identity, sort_keys=True, indent=1)
        if not path.is_file():
            write_whole(path, text.encode())
        elif path.read_text() != text:
            raise DataError(
                f"{folder} holds the steps of another assessment; name another folder, or delete it"
            )

    def load(self, step: str) -> StepResult | None:
        """Return the result of a step, or None.

        Raises:
            DataError: its file is damaged.
        """
        path = self._path(step)
        if (kept := self._read.load(step)) is not None or not path.is_file():
            return kept
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
            data = json.loads(arrays.pop(DATA_KEY).tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is damaged; delete it and run again") from error
        result = StepResult(data, arrays)
        self._read.save(step, result)
        return result

    def save(self, step: str, result: StepResult) -> None:
        """Keep the result of a finished step."""
        data = np.frombuffer(json.dumps(result.data).encode(), np.uint8)
        partial = self._path(step).with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **(result.arrays | {DATA_KEY: data}))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path(step))
        except OSError:  # such as a full disk, which must not keep half a file
            partial.unlink(missing_ok=True)
            raise
        self._read.save(step, result)

    def _path(self, step: str) -> Path:
        return self._folder / f"{step.replace('/', '-').replace(' ', '_')}.npz"
