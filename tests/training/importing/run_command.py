"""Runs ``points`` and ``import`` as a shell does."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.runtime import Rows
from noisevote.training.cli import main as cli

NAME = "theirs"


def command(*arguments: str) -> int:
    """Run ``noisevote-train`` and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["noisevote-train", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    code = caught.value.code
    assert isinstance(code, int)
    return code


def imported(source: str | Path, folder: Path, *options: str) -> Checkpoint:
    """Import a network into a folder and return its checkpoint."""
    done = command("import", str(source), "--name", NAME, "--checkpoints", str(folder), *options)
    assert done == 0
    return Checkpoint(folder / NAME)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line of an error, spaces and breaks of lines made one."""
    return re.sub(r"\s+", " ", capsys.readouterr().err).strip()


def votes(
    checkpoint: Checkpoint,
    kind: NoiseKind,
    inputs: Mapping[str, NDArray[Any]],
    of_row: list[int],
    sigma: NDArray[np.float64],
    keys: list[VoteKey],
) -> NDArray[np.float32]:
    """Return the outputs of votes, in passes that hold as many as the card says."""
    runtime, tile = checkpoint.runtime(kind), checkpoint.card.tile
    found = []
    for first in range(0, len(keys), tile):
        part = slice(first, first + tile)
        there = sorted(set(of_row[part]))
        own = {name: array[there] for name, array in inputs.items()}
        indices = np.array([there.index(index) for index in of_row[part]])
        sigmas = np.tile(sigma, (len(indices), 1))
        found.append(runtime.outputs(Rows(own, indices, sigmas, keys[part])))
    return np.concatenate(found)
