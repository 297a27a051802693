"""Recipes: everything that decides what a training run gives, as data.

A recipe names the network, the data, the hardening, the schedule and the seed. Two runs of one
recipe on one machine, with the same number of threads, give the same weights. The recipe of a
checkpoint stands in its card.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from models.errors import TrainingError
from models.noise import NoiseKind

Loss = Literal["cross_entropy", "marginal", "vote"]
Precision = Literal["float32", "bfloat16"]

MAX_TRAINING_SEED = 2**31 - 1
"""Torch's generators take 64 bits; the step takes the lower 32."""

Natural = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Part:
    """Base of a recipe and its parts: what is read from plain data has no unknown fields."""

    __slots__ = ()
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Hardening(Part):
    """How the noise enters the training.

    Attributes:
        kind: multiplicative or additive.
        sigma_train: standard deviation of the noise in training; 0 trains without noise.
        loss: ``cross_entropy`` of the noisy outputs, or ``marginal``: the negative logarithm of
            the probability of the right class, averaged over draws of the last layer's noise, or
            ``vote``: the exact chance of a right vote (``training.vote_loss``); without noise it
            is cross-entropy.
        loss_power: q of the loss ``vote``, 0 for the logarithm, 1 for the share of wrong votes.
        output_draws: draws of the last layer's noise per image and step.
    """

    kind: NoiseKind = NoiseKind.MULTIPLICATIVE
    sigma_train: NotNegative = 0.0
    loss: Loss = "cross_entropy"
    loss_power: Share = 0.0
    output_draws: Natural = 1


@dataclass(frozen=True, slots=True)
class Schedule(Part):
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

    epochs: Natural
    batch_size: Natural = 128
    learning_rate: Positive = 3e-3
    weight_decay: NotNegative = 1e-4
    warm_up: Share = 0.2
    clip_norm: Positive | None = None
    precision: Precision = "float32"


@dataclass(frozen=True, slots=True)
class Recipe(Part):
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
    seed: Annotated[int, Field(ge=0, le=MAX_TRAINING_SEED)] = 1
    validation_images: Natural = 5000
    options: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data, for cards and state files."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


READER = TypeAdapter(Recipe)


def recipe_from_dict(data: Mapping[str, Any]) -> Recipe:
    """Return the recipe that :meth:`Recipe.as_dict` turned into plain data.

    Raises:
        TrainingError: a field is missing or unknown, or its value is not allowed.
    """
    try:
        return READER.validate_python(data)
    except ValidationError as error:
        raise TrainingError(f"this is not a recipe: {what_is_wrong(error, data)}") from error


def what_is_wrong(error: ValidationError, data: Mapping[str, Any]) -> str:
    """Say in one line which fields of ``data`` are wrong and what is allowed."""
    reasons: dict[str, list[str]] = {}
    for entry in error.errors(include_url=False):
        value: Any = data
        path = []
        for key in entry["loc"]:
            # Behind the last key of the data, pydantic names the type that it tried.
            if isinstance(value, Mapping) and (key in value or entry["type"] == "missing"):
                value = value.get(key)
                path.append(str(key))
        is_about_value = entry["type"] not in {"missing", "unexpected_keyword_argument"}
        where = ".".join(path) + (f" is {value!r}" if is_about_value else "")
        reasons.setdefault(where, []).append(entry["msg"])
    return "; ".join(f"{where}: {' or '.join(msgs)}" for where, msgs in reasons.items())
