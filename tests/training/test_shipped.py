"""What the shipped cards say is what the project does."""

import pytest

from noisevote.models.card import Card
from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.data.datasets import DATASETS
from noisevote.models.specs import InputSpec
from noisevote.training.measure.splits import Split
from noisevote.training.recipes.recipe import recipe_from_dict
from noisevote.training.recipes.table import find_recipe
from noisevote.training.recipes.vary import train_command

STORE = CheckpointStore(SHIPPED)


@pytest.fixture(params=STORE.names())
def card(request: pytest.FixtureRequest) -> Card:
    return STORE.find(request.param).card


def test_no_shipped_checkpoint_is_refused() -> None:
    assert STORE.refused == {}
    assert STORE.names()


def test_command_on_the_card_trains_the_recipe_on_the_card(card: Card) -> None:
    recipe = recipe_from_dict(card.recipe)
    assert train_command(recipe) == card.command
    assert recipe.is_like(find_recipe(card.name))


def test_card_holds_accuracies_on_the_test_data(card: Card) -> None:
    measured = [
        entry for entry in card.evaluations if entry.split in {Split.TEST, Split.EXACT_TEST}
    ]
    sigmas = {accuracy.sigma for entry in measured for accuracy in entry.accuracies}
    assert {0.0, card.noise.sigma_train} <= sigmas


def test_card_says_what_its_data_set_says(card: Card) -> None:
    dataset = DATASETS[card.recipe["dataset"]]
    assert card.labels == dataset.labels
    assert card.input == InputSpec(
        shape=dataset.shape, range=dataset.range, preprocessing=dataset.preprocessing
    )
    assert card.trained.data_licence == dataset.licence


def test_pictures_are_taken_as_they_are_scaled() -> None:
    assert {row.range for row in DATASETS.values() if row.has_pictures} == {(0.0, 1.0)}
