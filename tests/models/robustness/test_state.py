"""Kept steps: a disk that is full loses nothing that was there."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from models.robustness.state import FolderState, write_whole
from models.robustness.trials import StepResult

LIMIT = 20_000


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Have every larger file end in an error, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def step_of(values: int) -> StepResult:
    return StepResult({"a": 1}, {"examples": np.random.default_rng(0).random(values)})


def test_a_step_that_does_not_fit_the_disk_leaves_the_others_and_no_half_file(
    tmp_path: Path,
) -> None:
    state = FolderState(tmp_path, {})
    state.save("first", step_of(10))
    with files_of_at_most(LIMIT), pytest.raises(OSError, match="File too large"):
        state.save("second", step_of(LIMIT))
    assert {path.name for path in tmp_path.iterdir()} == {"identity.json", "first.npz"}
    again = FolderState(tmp_path, {})
    assert again.load("second") is None
    assert state.load("second") is None
    kept = again.load("first")
    assert kept is not None
    assert np.array_equal(kept.arrays["examples"], step_of(10).arrays["examples"])
    again.save("second", step_of(LIMIT))
    assert again.load("second") is not None


def test_a_file_that_does_not_fit_the_disk_keeps_what_it_held(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, b"before")
    with files_of_at_most(LIMIT), pytest.raises(OSError, match="File too large"):
        write_whole(path, bytes(2 * LIMIT))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
