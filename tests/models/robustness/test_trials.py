"""Kept steps: a disk that is full loses nothing that was there."""

from pathlib import Path

import numpy as np
import pytest

from noisevote.models.robustness.trials import FolderState, StepResult
from tests.disk import LIMIT, files_of_at_most


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
