"""A recipe's data fit its network, or the recipe is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from noisevote.models.data.dataset import LoadedDataset
from noisevote.models.data.datasets import DATASETS
from noisevote.models.errors import DataError, NoisevoteError, TrainingError
from noisevote.models.networks.registry import NETWORKS
from noisevote.training.fit.loop import fit
from noisevote.training.recipes.network import check_fits, fitting_dataset
from noisevote.training.recipes.recipe import Recipe, recipe_from_dict
from noisevote.training.recipes.table import RECIPES, find_recipe
from noisevote.training.recipes.vary import vary

quiet = Console(quiet=True)


@pytest.mark.parametrize(
    ("recipe", "settings", "error", "message"),
    [
        (
            "mnist_cnn-clean",
            {"dataset": "cifar10"},
            TrainingError,
            r"of shape \(3, 32, 32\)",
        ),
        ("mnist_cnn-clean", {"dataset": "mnist_strokes"}, TrainingError, "mnist_cnn cannot learn"),
        ("mnist_cnn-clean", {"network": "densenet40"}, TrainingError, r"is for \(16, 32, 32\)"),
        (
            "stroke_lstm-clean",
            {"dataset": "mnist"},
            TrainingError,
            "cannot learn mnist: it",
        ),
        ("mnist_cnn-mult-0.6", {"dataset": "cifar10"}, TrainingError, "cannot learn cifar10"),
        ("mnist_cnn-clean", {"dataset": "fashion"}, DataError, "known are: cifar10, digits, mnist"),
    ],
)
def test_data_that_do_not_fit_the_network_are_refused(
    recipe: str, settings: dict[str, Any], error: type[NoisevoteError], message: str
) -> None:
    with pytest.raises(error, match=message):
        vary(find_recipe(recipe), settings)


def test_data_with_more_classes_than_the_network_are_refused(
    monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    letters = tuple("ABCDEFGHIJK")
    row = DATASETS["mnist"]
    changed = replace(row, name="letters", labels=letters)
    monkeypatch.setitem(DATASETS, "letters", changed)
    with pytest.raises(TrainingError, match="tells 10 classes apart, the data have 11"):
        vary(recipe, {"dataset": "letters"})


@pytest.mark.parametrize("warm_start", [None, "stroke_lstm-clean"])
def test_recipe_whose_data_do_not_fit_is_refused_before_it_is_trained(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path, warm_start: str | None
) -> None:
    wrong = {"dataset": "mnist_strokes", "warm_start": warm_start}
    misfit = recipe_from_dict(recipe.as_dict() | wrong)
    with pytest.raises(TrainingError, match="mnist_cnn cannot learn mnist_strokes"):
        fit(misfit, dataset.train, tmp_path, quiet)
    assert not list(tmp_path.glob("*.pt"))


def test_data_of_every_registered_recipe_fit_its_network() -> None:
    seen = {(recipe.network, recipe.dataset): recipe for recipe in RECIPES.values()}
    for recipe in seen.values():
        check_fits(recipe)


def test_every_network_can_learn_a_data_set() -> None:
    fitting = {fitting_dataset(name).name for name in NETWORKS}
    assert fitting == {"cifar10", "mnist", "mnist_strokes"}
