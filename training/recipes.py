"""Recipes: everything that decides what a training run gives, as data.

A recipe names the network, the data, the hardening, the schedule and the seed. Two runs of one
recipe on one machine, with the same number of threads, give the same weights. The recipe of a
checkpoint stands in its card.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from models.errors import TrainingError
from models.noise import NoiseKind

Loss = Literal["cross_entropy", "marginal"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Hardening:
    """How the noise enters the training.

    Attributes:
        kind: multiplicative or additive.
        sigma_train: standard deviation of the noise in training; 0 trains without noise.
        loss: ``cross_entropy`` of the noisy outputs, or ``marginal``: the negative logarithm of
            the probability of the right class, averaged over draws of the last layer's noise.
        output_draws: draws of the last layer's noise per image and step.
    """

    kind: NoiseKind = NoiseKind.MULTIPLICATIVE
    sigma_train: float = 0.0
    loss: Loss = "cross_entropy"
    output_draws: int = 1


@dataclass(frozen=True, slots=True)
class Schedule:
    """AdamW with one-cycle learning rate (L. N. Smith and N. Topin, arXiv 1708.07120).

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: the peak.
        weight_decay: decoupled, as in AdamW.
        warm_up: share of the steps in which the learning rate rises.
        clip_norm: largest norm of a step's gradient, longer ones are shortened to it; None: any.
        precision: of the products and signals; weights and their updates are always float32.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    warm_up: float = 0.2
    clip_norm: float | None = None
    precision: Precision = "float32"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run.

    Attributes:
        name: names the run and, unless told otherwise, its checkpoint.
        network: name in the registry of networks.
        dataset: name in the registry of data sets.
        hardening: how the noise enters.
        schedule: how the weights are learned.
        seed: of the weights, the order of the images and the noise.
        validation_images: how many training images are held back to choose by, never trained on.
        options: keywords of the network, such as widths.
    """

    name: str
    network: str
    dataset: str
    hardening: Hardening
    schedule: Schedule
    seed: int = 1
    validation_images: int = 5000
    options: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data, for cards and state files."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "mnist_cnn-clean",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(),
            schedule=Schedule(epochs=10),
        ),
        Recipe(
            "mnist_cnn-mult-1.0",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=24, learning_rate=1e-2),
        ),
        Recipe(
            "mnist_cnn-mult-grid",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=6, learning_rate=1e-2, precision="bfloat16"),
        ),
        Recipe(
            "mnist_cnn-add-grid",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(
                NoiseKind.ADDITIVE, sigma_train=1.0, loss="marginal", output_draws=16
            ),
            schedule=Schedule(epochs=6, learning_rate=1e-2, precision="bfloat16"),
        ),
        Recipe(
            "stroke_lstm-clean",
            network="stroke_lstm",
            dataset="mnist_strokes",
            hardening=Hardening(),
            schedule=Schedule(epochs=15, learning_rate=5e-3, clip_norm=1.0),
        ),
        Recipe(
            "stroke_lstm-mult-1.0",
            network="stroke_lstm",
            dataset="mnist_strokes",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=24, learning_rate=5e-3, clip_norm=1.0),
        ),
        Recipe(
            "stroke_lstm-mult-grid",
            network="stroke_lstm",
            dataset="mnist_strokes",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=10, learning_rate=5e-3, clip_norm=1.0),
        ),
        Recipe(
            "stroke_lstm-256-mult-1.0",
            network="stroke_lstm",
            dataset="mnist_strokes",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=20, learning_rate=3e-3, clip_norm=1.0),
            options={"units": 256},
        ),
        Recipe(
            "densenet40-clean",
            network="densenet40",
            dataset="cifar10",
            hardening=Hardening(),
            schedule=Schedule(
                epochs=6, batch_size=64, learning_rate=5e-3, weight_decay=1e-2, precision="bfloat16"
            ),
        ),
        Recipe(
            "densenet40-mult-1.0",
            network="densenet40",
            dataset="cifar10",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(
                epochs=6, batch_size=64, learning_rate=5e-3, weight_decay=1e-2, precision="bfloat16"
            ),
        ),
        Recipe(
            "densenet100-clean",
            network="densenet100",
            dataset="cifar10",
            hardening=Hardening(),
            schedule=Schedule(
                epochs=6, batch_size=64, learning_rate=5e-3, weight_decay=1e-2, precision="bfloat16"
            ),
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        TrainingError: there is none.
    """
    if name not in RECIPES:
        raise TrainingError(f"there is no recipe {name!r}; known are: {', '.join(RECIPES)}")
    return RECIPES[name]


def vary(  # noqa: PLR0913 - an argument is a value that may be replaced
    recipe: Recipe,
    *,
    name: str | None = None,
    seed: int | None = None,
    sigma_train: float | None = None,
    loss: Loss | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    validation_images: int | None = None,
) -> Recipe:
    """Return ``recipe`` with some of its values replaced; None keeps a value.

    Raises:
        TrainingError: a value is out of range.
    """
    hardening = replace(recipe.hardening, **without_none(sigma_train=sigma_train, loss=loss))
    schedule = replace(recipe.schedule, **without_none(epochs=epochs, learning_rate=learning_rate))
    if not 0 <= hardening.sigma_train < float("inf"):
        raise TrainingError(f"sigma_train is {hardening.sigma_train}; it must be 0 or positive")
    if schedule.epochs < 1 or schedule.learning_rate <= 0:
        raise TrainingError(
            f"epochs is {schedule.epochs} and learning_rate {schedule.learning_rate}; "
            "both must be positive"
        )
    return replace(
        recipe,
        hardening=hardening,
        schedule=schedule,
        **without_none(name=name, seed=seed, validation_images=validation_images),
    )


def train_command(recipe: Recipe) -> str:
    """Return the command that trains ``recipe``, a registered one or a variation of it.

    Raises:
        TrainingError: no registered recipe can be varied into it.
    """
    for base in sorted(RECIPES.values(), key=lambda base: base.name != recipe.name):
        options, unchanged = options_of(recipe), options_of(base)
        if vary(base, **options) == recipe:
            changed = [
                f"--{key.replace('_', '-')} {value}"
                for key, value in options.items()
                if value != unchanged[key]
            ]
            return " ".join(["noisevote-train train", base.name, *changed])
    raise TrainingError(f"no registered recipe varies into {recipe.name!r}")


def options_of(recipe: Recipe) -> dict[str, Any]:
    """Return the values of a recipe that :func:`vary` can replace."""
    return {
        "name": recipe.name,
        "seed": recipe.seed,
        "sigma_train": recipe.hardening.sigma_train,
        "loss": recipe.hardening.loss,
        "epochs": recipe.schedule.epochs,
        "learning_rate": recipe.schedule.learning_rate,
        "validation_images": recipe.validation_images,
    }


def without_none(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def recipe_from_dict(data: dict[str, Any]) -> Recipe:
    """Return the recipe that :meth:`Recipe.as_dict` turned into plain data.

    Raises:
        TrainingError: a field is missing or unknown.
    """
    try:
        hardening = Hardening(**{**data["hardening"], "kind": NoiseKind(data["hardening"]["kind"])})
        schedule = Schedule(**data["schedule"])
        return Recipe(**{**data, "hardening": hardening, "schedule": schedule})
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"this is not a recipe of this version: {error!r}") from error
