"""A run that an earlier version began goes on to the weights of one that was not interrupted."""

import shutil
from pathlib import Path

import torch
from rich.console import Console

from noisevote.training.experiments.made_up import made_up_dataset
from noisevote.training.fit.loop import fit
from noisevote.training.fit.state import STATE_FILE, read_state
from noisevote.training.recipes.recipe import recipe_from_dict

STATES = Path(__file__).parent / "states"
AFTER_ONE_STEP = STATES / "after_one_step.pt"
"""Of a `stroke_lstm` on made-up strokes; written before data sets had rows and experiments files of
their own (November 2026)."""

quiet = Console(quiet=True)


def test_run_begun_by_an_earlier_version_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    folder = tmp_path / "begun"
    folder.mkdir()
    shutil.copy(AFTER_ONE_STEP, folder / STATE_FILE)
    recipe = recipe_from_dict(read_state(folder)["recipe"])
    examples = made_up_dataset(recipe.dataset).train.first(128)
    assert read_state(folder)["step"] == 1
    resumed = fit(recipe, examples, folder, quiet)
    whole = fit(recipe, examples, tmp_path / "whole", quiet)
    assert (resumed.step, resumed.is_finished) == (4, True)
    assert [row["epoch"] for row in resumed.history] == [1, 2]
    # To the bit on the type of CPU that wrote the state; elsewhere but for rounding.
    torch.testing.assert_close(resumed.network.state_dict(), whole.network.state_dict())
