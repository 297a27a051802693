"""Varying a recipe: any of its values, named by its path, may be replaced.

The path of a value is its field, after the fields that hold it: ``schedule.epochs``,
``hardening.sigma_train``, ``options.fc_units``.
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from noisevote.models.errors import TrainingError
from noisevote.training.recipes.network import check_fits
from noisevote.training.recipes.recipe import Recipe, recipe_from_dict
from noisevote.training.recipes.table import RECIPES

SHORT_OPTIONS = (
    "name", "seed", "hardening.sigma_train", "hardening.loss",
    "schedule.epochs", "schedule.learning_rate", "validation_images",
)  # fmt: skip
"""Paths of values that have an option of their own beside ``--set``, named as the field is."""

SET_BY_RUN = ("hardening.profile",)
"""Paths of values that a run finds itself."""

SIGMA_TRAIN = re.compile(r"\d+(\.\d+)?")
"""As it stands behind the name of a grid's recipe."""


def vary(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Return ``recipe`` with the values at the paths in ``settings`` replaced.

    Args:
        recipe: what to vary.
        settings: new values by path, as plain data; text may stand for a number.

    Raises:
        TrainingError: there is no such path, its value is not allowed, or the data set does not
            fit the network.
        DataError: there is no data set of that name.
    """
    data = recipe.as_dict()
    for path, value in settings.items():
        *parents, last = path.split(".")
        place: Any = data
        for key in parents:
            if not isinstance(place.get(key), dict):
                place[key] = {}
            place = place[key]
        place[last] = value
    varied = recipe_from_dict(data)
    if (varied.network, varied.dataset) != (recipe.network, recipe.dataset):
        check_fits(varied)
    return varied


def settings_from(texts: Iterable[str]) -> dict[str, Any]:
    """Read settings of the form ``path=value``; a value is JSON, or text as it stands.

    Raises:
        TrainingError: one is not of this form.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise TrainingError(
                f"{text!r} sets nothing; write path=value, such as schedule.epochs=10"
            )
        try:
            settings[path] = json.loads(value)
        except json.JSONDecodeError:
            settings[path] = value
    return settings


def train_command(recipe: Recipe) -> str:
    """Return the command that trains ``recipe``: a registered one, and what is varied in it.

    Of the registered recipes the one of the same name is taken, else the one with the fewest
    values to replace; of several the one whose name the recipe's begins with. A recipe older than
    the precision ``auto`` says bfloat16.
    """
    wanted = recipe.as_dict()
    if recipe.schedule.precision == "bfloat16":
        wanted["schedule"]["precision"] = "auto"
    base, settings = min(
        ((base, dict(changes(base.as_dict(), wanted))) for base in RECIPES.values()),
        key=lambda pair: (
            pair[0].name != recipe.name,
            len(pair[1]),
            not recipe.name.startswith(pair[0].name),
        ),
    )
    ordered = [path for path in (*SHORT_OPTIONS, *settings) if path in settings]
    options = [
        option(path, settings[path]) for path in dict.fromkeys(ordered) if path not in SET_BY_RUN
    ]
    return " ".join(["noisevote-train train", base.name, *options])


def option(path: str, value: Any) -> str:
    """Return the option of the command ``train`` that replaces a value."""
    if path in SHORT_OPTIONS and not isinstance(value, dict):
        name = path.rpartition(".")[2].replace("_", "-")
        return f"--{name} {shlex.quote(str(value))}"
    return f"--set {shlex.quote(f'{path}={as_text(value)}')}"


def changes(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield path and new value of what :func:`vary` must replace to make ``after``."""
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and old.keys() <= value.keys():
            yield from changes(old, value, f"{prefix}{key}.")
        elif key not in before or value != old:
            yield prefix + key, value


def differences(before: Recipe, now: Recipe) -> str:
    """Say what :func:`changes` replaces in a recipe: each path with the old and the new value."""
    old = before.as_dict()
    return "; ".join(
        f"{path}: {as_text(value_at(old, path))}, now {as_text(value)}"
        for path, value in changes(old, now.as_dict())
    )


def value_at(data: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path; None if there is none."""
    value: Any = data
    for key in path.split("."):
        value = value.get(key)
    return value


def named_recipe(name: str) -> Recipe | None:
    """Return the recipe of a run by its name; None if the name does not tell.

    It is a registered one, or that of a network of a grid: ``mnist_cnn-mult-grid-0.6`` is
    ``mnist_cnn-mult-grid`` at sigma_train 0.6.
    """
    if name in RECIPES:
        return RECIPES[name]
    base, _, sigma_train = name.rpartition("-")
    if base not in RECIPES or not SIGMA_TRAIN.fullmatch(sigma_train):
        return None
    return at_sigma_train(RECIPES[base], float(sigma_train))


def at_sigma_train(base: Recipe, sigma_train: float) -> Recipe:
    """Return the recipe of one network of a grid."""
    name = f"{base.name}-{shown(sigma_train)}"
    return vary(base, {"hardening.sigma_train": sigma_train, "name": name})


def shown(sigma_train: float) -> str:
    """Return a sigma_train as it stands in names: 0, 0.2, 1.0."""
    return "0" if sigma_train == 0 else str(float(sigma_train))


def as_text(value: Any) -> str:
    """Return the text that :func:`settings_from` reads as ``value``."""
    if isinstance(value, str) and settings_from([f"value={value}"]) == {"value": value}:
        return value
    return json.dumps(value)
