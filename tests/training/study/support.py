"""A study of a small network, run as a shell does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.datasets import load_dataset
from noisevote.models.study.cells import Half
from noisevote.models.study.store import StudyStore
from tests.foreign import digits_classifier

NAME = "theirs"
BUDGET = "40000"
SETTINGS = ("--samples", "digits", "--budget", BUDGET, "--seeds", "2", "--votes", "10")


def classifier(folder: Path, taught: int | None = None) -> Checkpoint:
    """A network of one layer that reads the digits of scikit-learn, in a folder of its own.

    Args:
        folder: that of its own.
        taught: how many digits it has learnt from; None: all.
    """
    train = load_dataset("digits", Path("nowhere")).train
    inputs, labels = train.inputs[:taught].astype(np.float32), train.labels[:taught]
    return digits_classifier(folder / "checkpoints" / NAME, inputs, labels)


def arguments(theirs: Checkpoint, folder: Path, *more: str) -> list[str]:
    """The command line of a study in a folder."""
    places = ("--checkpoints", str(theirs.folder.parent), "--output", str(folder))
    return ["study", NAME, *places, *SETTINGS, *more]


def begun(theirs: Checkpoint, folder: Path, *more: str) -> "subprocess.Popen[bytes]":
    """A study in a process of its own."""
    command = [sys.executable, "-m", "noisevote.training", *arguments(theirs, folder, *more)]
    return subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def measured(folder: Path) -> dict[str, NDArray[np.int16]]:
    """All votes of a study by the key of their cell."""
    return {of.cell.key: of.fell_on for of in StudyStore(folder).measured()}


def first_votes_right(folder: Path, sigma: float) -> dict[int, float]:
    """How often the first vote is right over the seeds, by number of the reported sample."""
    store = StudyStore(folder)
    labels, numbers = store.labels(Half.REPORT), store.numbers(Half.REPORT)
    of_seeds = [
        of.fell_on[:, 0] == labels
        for of in store.measured()
        if (of.cell.half, of.cell.sigma) == (Half.REPORT, sigma) and not of.cell.condition.repeats
    ]
    return dict(zip(numbers.tolist(), np.mean(of_seeds, axis=0).tolist(), strict=True))


def report(folder: Path) -> dict[str, Any]:
    """The report of a study."""
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def same(one: Path, other: Path) -> bool:
    """Whether two studies have the same cells with the same votes, and say the same."""
    ours, theirs = measured(one), measured(other)
    return (
        ours.keys() == theirs.keys()
        and all((ours[key] == theirs[key]).all() for key in ours)
        and StudyStore(one).conclusions == StudyStore(other).conclusions
    )
