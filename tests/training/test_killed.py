"""A training that is killed goes on to the same weights, whatever its network and optimiser."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from noisevote.training.experiments.made_up import shrunk
from noisevote.training.fit.state import has_state, read_state
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.table import find_recipe

EPOCHS, STEPS = 6, 36
KILLS = 3
SAVES_EVERY_S = 0.2

PROGRAM = f"""
import sys
from pathlib import Path

import torch
from rich.console import Console

from noisevote.training.experiments.made_up import made_up_dataset
from noisevote.training.fit import loop
from tests.training.test_killed import small

torch.set_num_threads(1)
loop.SAVE_SECONDS = {SAVES_EVERY_S}
recipe = small(sys.argv[1])
train = made_up_dataset(recipe.dataset).train
loop.fit(recipe, train, Path(sys.argv[2]), Console(quiet=True))
"""


def small(name: str) -> Recipe:
    """Return a recipe of few steps with its own optimiser, precision and stages."""
    whole = find_recipe(name)
    recipe = shrunk(whole)
    schedule = replace(recipe.schedule, epochs=EPOCHS, precision=whole.schedule.precision)
    return replace(recipe, schedule=schedule, warm_start=None)


def begun(name: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, name, str(folder)])


def steps_kept(folder: Path) -> int:
    return int(read_state(folder)["step"]) if has_state(folder) else 0


def weights(folder: Path) -> dict[str, Tensor]:
    state = read_state(folder)
    assert state["is_finished"]
    found: dict[str, Tensor] = state["network"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "mnist_cnn-mult-1.0",
        "stroke_lstm-256-mult-1.0",
        "densenet40-mult-1.0-marginal",
        "mnist_cnn-reram-cmo",
    ],
)
def test_a_training_that_is_killed_ends_with_the_weights_of_one_that_was_not(
    name: str, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for number in range(KILLS):
        process = begun(name, killed)
        until = int(generator.integers(1, STEPS // KILLS)) + number * STEPS // KILLS
        while process.poll() is None and steps_kept(killed) < until:
            pass
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was killed before its end"
    assert begun(name, killed).wait() == 0
    assert begun(name, whole).wait() == 0
    undisturbed = weights(whole)
    found = weights(killed)
    assert found.keys() == undisturbed.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in undisturbed.items())
