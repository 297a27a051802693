"""Recipes as data: they survive plain data, and every value can be varied from a command line."""

import json
import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.errors import TrainingError
from noisevote.training.recipes.recipe import Recipe, recipe_from_dict
from noisevote.training.recipes.table import RECIPES, find_recipe
from noisevote.training.recipes.vary import (
    as_text,
    at_sigma_train,
    differences,
    named_recipe,
    settings_from,
    train_command,
    vary,
)

BASE = find_recipe("mnist_cnn-mult-1.0")


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_plain_data_gives_the_recipe_again(recipe: Recipe) -> None:
    assert recipe_from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_registered_recipe_is_trained_by_its_name(recipe: Recipe) -> None:
    assert train_command(recipe) == f"noisevote-train train {recipe.name}"


def recipe_of(command: str) -> Recipe:
    """The recipe that a command trains, read as ``--set`` reads it."""
    words = shlex.split(command)
    assert words[:2] == ["noisevote-train", "train"]
    base, options = find_recipe(words[2]), words[3:]
    settings: dict[str, object] = {}
    short = {
        "--name": "name",
        "--seed": "seed",
        "--sigma-train": "hardening.sigma_train",
        "--loss": "hardening.loss",
        "--epochs": "schedule.epochs",
        "--learning-rate": "schedule.learning_rate",
        "--validation-images": "validation_images",
    }
    for option, value in zip(options[::2], options[1::2], strict=True):
        settings |= settings_from([value]) if option == "--set" else {short[option]: value}
    return vary(base, settings)


@pytest.mark.parametrize("sigma_train", [0.0, 0.6, 1.0])
def test_recipe_of_a_grid_is_known_by_its_name(sigma_train: float) -> None:
    for base in RECIPES.values():
        recipe = at_sigma_train(base, sigma_train)
        assert named_recipe(recipe.name) == recipe


@pytest.mark.parametrize("name", ["nothing", "nothing-0.6", "mnist_cnn-mult-grid-x", "-0.6", ""])
def test_name_of_no_recipe_tells_nothing(name: str) -> None:
    assert named_recipe(name) is None


def test_differences_name_each_path_with_old_and_new_value() -> None:
    other = vary(BASE, {"seed": 3, "hardening.variance": {"alpha": 1, "theta": 0.5}})
    assert differences(BASE, BASE) == ""
    assert differences(BASE, other) == (
        'hardening.variance: null, now {"alpha": 1.0, "theta": 0.5, "distribution": "normal"}; '
        "seed: 1, now 3"
    )
    wide = vary(BASE, {"options.fc_units": 512})
    assert differences(wide, BASE) == 'options: {"fc_units": 512}, now {}'


varied = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(st.characters(categories=("L", "N")), min_size=1),
        "seed": st.integers(0, 2**31 - 1),
        "hardening.sigma_train": st.floats(0, 10),
        "hardening.kind": st.sampled_from(["additive", "multiplicative"]),
        "hardening.output_draws": st.integers(1, 99),
        "schedule.epochs": st.integers(1, 99),
        "schedule.learning_rate": st.floats(1e-9, 1e3),
        "schedule.clip_norm": st.none() | st.floats(1e-3, 1e3),
        "options.fc_units": st.integers(1, 999),
    },
)


@given(varied, st.sampled_from(list(RECIPES.values())))
def test_command_trains_the_varied_recipe(settings: dict[str, object], base: Recipe) -> None:
    recipe = vary(base, settings)
    assert recipe_of(train_command(recipe)) == recipe


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_value_survives_its_text(value: object) -> None:
    assert settings_from([f"some.path={as_text(value)}"]) == {"some.path": value}


def test_values_not_named_stay_as_they_are() -> None:
    assert vary(BASE, {}) == BASE
    changed = vary(BASE, {"schedule.batch_size": 32, "options.fc_units": "16"})
    assert changed == replace(
        BASE, schedule=replace(BASE.schedule, batch_size=32), options={"fc_units": 16}
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schedule.epochs", 0, "schedule.epochs is 0: .* greater than or equal to 1"),
        ("schedule.epochs", "many", "schedule.epochs is 'many': .* valid integer"),
        (
            "schedule.epoch",
            3,
            "schedule.epoch: Unexpected keyword argument; .* there are: epochs, ",
        ),
        ("shedule.epochs", 3, "shedule: Unexpected keyword"),
        (
            "hardening.loss",
            "hinge",
            "hardening.loss is 'hinge': .* 'cross_entropy', 'marginal' or 'vote'",
        ),
        ("hardening.sigma_train", -1, "hardening.sigma_train is -1: .* greater than or equal to 0"),
        ("hardening.sigma_train", float("inf"), "hardening.sigma_train is inf: .* finite"),
        ("schedule.learning_rate", 0, "schedule.learning_rate is 0: .* greater than 0"),
        ("schedule.epochs.first", 3, "schedule.epochs is {'first': 3}: .* valid integer"),
    ],
)
def test_wrong_setting_is_named_with_what_is_allowed(
    path: str, value: object, message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        vary(BASE, {path: value})


@pytest.mark.parametrize("text", ["schedule.epochs", "=3", ""])
def test_setting_without_path_or_value_is_refused(text: str) -> None:
    with pytest.raises(TrainingError, match="write path=value"):
        settings_from([text])


def test_recipe_that_lacks_a_part_is_refused() -> None:
    data = BASE.as_dict()
    del data["schedule"]
    with pytest.raises(TrainingError, match=r"schedule: .*required"):
        recipe_from_dict(data)
