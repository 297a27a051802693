"""Every registered recipe takes a step on made-up data of its kind."""

import math
from pathlib import Path

import pytest
from rich.console import Console

from noisevote.models.errors import TrainingError
from noisevote.training.experiments.made_up import made_up_dataset
from noisevote.training.fit.loop import fit
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.table import RECIPES, find_recipe
from noisevote.training.recipes.vary import vary

quiet = Console(quiet=True)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_recipe_takes_a_step(recipe: Recipe, tmp_path: Path) -> None:
    # Without the warm start: the run or checkpoint that it names is not made up here.
    settings = {"schedule.batch_size": 4, "validation_images": 1, "warm_start": None}
    examples = made_up_dataset(recipe.dataset).train.first(13)
    progress = fit(vary(recipe, settings), examples, tmp_path, quiet, minutes=0)
    assert progress.step == 1
    assert not progress.is_finished
    parameters = list(progress.network.parameters())
    assert all(parameter.isfinite().all() for parameter in parameters)
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in parameters)
    assert math.isfinite(progress.scheduler.get_last_lr()[0])


def test_names_are_unique_and_an_unknown_one_is_refused() -> None:
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    with pytest.raises(TrainingError, match="there is no recipe 'nothing'; known are: mnist_cnn-"):
        find_recipe("nothing")
