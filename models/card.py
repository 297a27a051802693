"""The card of a checkpoint: all that serving needs to know of it, and where it comes from."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.noise import MAX_SEED, MAX_SIGMA, NoiseKind

CARD_VERSION = 1

MOST_COUNTED = 2**53
"""Largest number of anything on a card: every JSON reader can hold it exactly."""

MAX_MEASURED = 200
"""Most thresholds and agreements: each answer is compared with all of them."""

MAX_TILE = 256
"""Most rows of a forward pass; measured gains end at 20."""

Sigma = Annotated[float, Field(ge=0, le=MAX_SIGMA)]
Count = Annotated[int, Field(ge=1, le=MOST_COUNTED)]
CountFromZero = Annotated[int, Field(ge=0, le=MOST_COUNTED)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Label = Annotated[str, Field(max_length=200)]
"""Every answer bears one."""

Shape = Annotated[tuple[Annotated[int, Field(ge=1, le=2**31)], ...], Field(min_length=1)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$", max_length=200)]
"""Of a file beside the card, and nowhere else."""


class CardPart(BaseModel):
    """Base of the card and its parts: immutable, no unknown fields, numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputSpec(CardPart):
    """What the network takes.

    Attributes:
        shape: of one input, without the batch axis.
        range: smallest and largest allowed value.
        preprocessing: how a picture becomes an input, a name in ``models.pictures``.
    """

    shape: Shape
    range: tuple[float, float]
    preprocessing: str


class PointSpec(CardPart):
    """One noise point.

    Attributes:
        name: the layer before it.
        shape: of its noise tensor for one vote.
        macs: multiply-accumulates of the layer, per vote.
        latency: of the analog layer, in units of one layer evaluation.
    """

    name: str
    shape: Shape
    macs: Count
    latency: Annotated[float, Field(gt=0)] = 1.0


class NoiseSpec(CardPart):
    """The noise that the network was trained for.

    Attributes:
        kind: multiplicative or additive.
        sigma_train: standard deviation in training, one number or one per noise point by name
            (points left out got no noise); 0 for a network trained without noise.
    """

    kind: NoiseKind
    sigma_train: Sigma | dict[str, Sigma]

    @property
    def largest_sigma(self) -> float:
        """The largest standard deviation of any noise point in training."""
        sigma = self.sigma_train
        return max(sigma.values(), default=0.0) if isinstance(sigma, dict) else sigma


class Accuracy(CardPart):
    """A measured accuracy.

    Attributes:
        kind: noise kind of the measurement.
        sigma: standard deviation at every noise point, or by noise point.
        repeats: reads averaged, by noise point; 1 where none are given.
        votes: votes per image.
        correct: images whose mode was the label.
        images: images in all.
        accuracy: share of correct images, 0 to 1.
        interval: Clopper-Pearson interval of it, at 95 %.
    """

    kind: NoiseKind
    sigma: Sigma | dict[str, Sigma]
    repeats: dict[str, Count] = Field(default_factory=dict)
    votes: Count
    correct: CountFromZero
    images: Count
    accuracy: Share
    interval: tuple[Share, Share]

    @property
    def measured(self) -> str:
        """What was measured: sigma, repeats and votes."""
        return f"{self.sigma} {self.repeats} {self.votes}"


class Evaluation(CardPart):
    """Accuracies and how they were measured.

    Attributes:
        split: ``test`` or ``validation``.
        seed: of the votes' noise.
        noise_scheme: the scheme that drew it.
        command: that measured them.
        accuracies: one entry for each sigma and number of votes.
    """

    split: str
    seed: Seed
    noise_scheme: str
    command: str
    accuracies: tuple[Accuracy, ...]

    def is_replaced_by(self, other: "Evaluation") -> bool:
        """Return whether ``other`` measured again what this one measured."""
        return self.accuracies == () or (
            (self.split, self.seed, self.noise_scheme, self.accuracies[0].kind)
            == (other.split, other.seed, other.noise_scheme, other.accuracies[0].kind)
            and {a.measured for a in self.accuracies} <= {a.measured for a in other.accuracies}
        )


class Threshold(CardPart):
    """The margin at which ``calibrated`` stops, and what it was chosen on.

    Attributes:
        kind: of the noise.
        sigma: standard deviation at every noise point.
        votes: N.
        delta: largest chance of another mode than that of all N votes.
        confidence: that the chance is no larger, over the choice of the validation inputs.
        margin: votes by which the mode must lead.
        changed: validation inputs whose mode it changed.
        inputs: validation inputs in all, each with N votes.
        mean_votes: cast on them on average.
        seed: of the votes' noise.
        noise_scheme: that drew it.
        command: that chose it.
    """

    kind: NoiseKind
    sigma: Sigma
    votes: Count
    delta: Share
    confidence: Share
    margin: Count
    changed: CountFromZero
    inputs: Count
    mean_votes: Annotated[float, Field(ge=0)]
    seed: Seed
    noise_scheme: str
    command: str


class AgreementReference(CardPart):
    """How much votes agree on inputs that the network was not trained on.

    Attributes:
        kind: of the noise.
        sigma: standard deviation at every noise point.
        votes: cast on each input.
        inputs: validation inputs.
        agreement_mean: of the share of the mode.
        agreement_sd: its standard deviation over the inputs.
        margin_mean: of the lead of the mode over the second class, as a share of the votes.
        margin_sd: its standard deviation over the inputs.
        seed: of the votes' noise.
        noise_scheme: that drew it.
        command: that measured it.
    """

    kind: NoiseKind
    sigma: Sigma
    votes: Annotated[int, Field(ge=2, le=MOST_COUNTED)]
    inputs: Annotated[int, Field(ge=2, le=MOST_COUNTED)]
    agreement_mean: Share
    agreement_sd: Share
    margin_mean: Share
    margin_sd: Share
    seed: Seed
    noise_scheme: str
    command: str


class Training(CardPart):
    """How the weights were made.

    Attributes:
        recipe: everything that decided the run.
        command: that made them.
        data_digests: SHA-256 of the decompressed content of each data file.
        data_is_official: whether these are the official contents.
        data_licence: under which the data may be used.
        torch_version: that trained them.
        sources: SHA-256 of the weights that the run started from or learned from, by name of the
            checkpoint or run.
        devices: that took part, in the order in which they were first used.
    """

    recipe: dict[str, Any]
    command: str
    data_digests: dict[str, str]
    data_is_official: bool
    data_licence: str
    torch_version: str
    sources: dict[str, str] = {}
    devices: tuple[str, ...] = ("cpu",)

    @field_validator("recipe")
    @classmethod
    def is_plain_json(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        """Refuse NaN and the like, which Python reads as JSON and nobody else does."""
        json.dumps(recipe, allow_nan=False)
        return recipe


class Card(CardPart):
    """Everything about a checkpoint but its weights.

    Attributes:
        card_version: of this format.
        name: of the checkpoint, the same as its folder's.
        network: architecture.
        input: what it takes.
        labels: name of each class, in the order of the outputs.
        noise: what it was trained for.
        noise_points: in graph order.
        tile: rows of a forward pass that serve well.
        graphs: file name of the graph for each kind of noise.
        weights: file name of the weights, which all graphs share.
        digests: SHA-256 of each file.
        training: where the weights come from.
        evaluations: measured accuracies.
        thresholds: margins for the stop rule ``calibrated``.
        agreements: what the drift monitor expects of votes.
    """

    card_version: Literal[1]
    name: str
    network: str
    input: InputSpec
    labels: Annotated[tuple[Label, ...], Field(min_length=2)]
    noise: NoiseSpec
    noise_points: Annotated[tuple[PointSpec, ...], Field(min_length=1)]
    tile: int = Field(default=8, ge=1, le=MAX_TILE)
    graphs: dict[NoiseKind, FileName]
    weights: FileName
    digests: dict[str, str]
    training: Training
    evaluations: tuple[Evaluation, ...] = ()
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=MAX_MEASURED)] = ()
    agreements: Annotated[tuple[AgreementReference, ...], Field(max_length=MAX_MEASURED)] = ()

    @model_validator(mode="after")
    def sigma_train_names_noise_points(self) -> Self:
        """Refuse a ``sigma_train`` for a noise point that the network does not have."""
        if isinstance(self.noise.sigma_train, dict):
            names = [point.name for point in self.noise_points]
            if unknown := [name for name in self.noise.sigma_train if name not in names]:
                raise ValueError(
                    f"sigma_train names {', '.join(unknown)}; the noise points are "
                    f"{', '.join(names)}"
                )
        return self

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one vote."""
        return sum(point.macs for point in self.noise_points)
