"""The card of a checkpoint: all that serving needs to know of it, and where it comes from."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import from_json, to_json

from models.noise import MAX_SEED, MAX_SIGMA, NOISE_SCHEME, NoiseKind

CARD_VERSION = 2
"""Of the cards that are written; those of version 1 are read, too."""

IMAGES, OUTPUTS = "images", "outputs"
"""What our networks call the input and the output of their graphs."""

MOST_COUNTED = 2**53
"""Largest number of anything on a card: every JSON reader can hold it exactly."""

MAX_TILE = 256
"""Most rows of a forward pass; measured gains end at 20."""

Sigma = Annotated[float, Field(ge=0, le=MAX_SIGMA)]
Count = Annotated[int, Field(ge=1, le=MOST_COUNTED)]
CountFromZero = Annotated[int, Field(ge=0, le=MOST_COUNTED)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Shape = Annotated[tuple[Annotated[int, Field(ge=1, le=2**31)], ...], Field(min_length=1)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$", max_length=200)]
"""Of a file beside the card, and nowhere else."""


class CardPart(BaseModel):
    """Base of the card and its parts: immutable, no unknown fields, numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputSpec(CardPart):
    """One tensor that the network takes.

    Attributes:
        name: in the graph.
        dtype: type of its numbers.
        shape: of one input, without the batch axis.
        range: smallest and largest allowed value; of token ids 0 and the last one.
        preprocessing: how a picture becomes an input, a name in ``models.pictures``; None if the
            network takes arrays alone.
    """

    name: str = IMAGES
    dtype: Literal["float32", "int64", "int32", "uint8"] = "float32"
    shape: Shape
    range: tuple[float, float]
    preprocessing: str | None = None


class PointSpec(CardPart):
    """One noise point.

    Attributes:
        name: the layer before it.
        shape: of its noise tensor for one vote.
        macs: multiply-accumulates of the layer, per vote.
        latency: of the analog layer, in units of one layer evaluation.
        operator: of the graph that computes the layer, such as ``Conv``; None if unknown.
        rms: root mean square of its signal without noise; None if it was not measured.
    """

    name: str
    shape: Shape
    macs: Count
    latency: Annotated[float, Field(gt=0)] = 1.0
    operator: str | None = None
    rms: Annotated[float, Field(gt=0)] | None = None


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

    @property
    def text(self) -> str:
        """What it holds for, in short."""
        return f"{self.kind} sigma {self.sigma:g}, votes {self.votes}, delta {self.delta:g}"


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
        accelerators: torch's devices that took part, in the order in which they were first used.
    """

    recipe: dict[str, Any]
    command: str
    data_digests: dict[str, str]
    data_is_official: bool
    data_licence: str
    torch_version: str
    sources: dict[str, str] = {}
    accelerators: tuple[str, ...] = ("cpu",)

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
        inputs: what it takes, in the order of the graph.
        output: name of the output that votes, in the graph.
        labels: name of each class, in the order of the outputs.
        noise_scheme: that draws the noise of its votes.
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

    card_version: int
    name: str
    network: str
    inputs: Annotated[tuple[InputSpec, ...], Field(min_length=1)]
    output: str = OUTPUTS
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    noise_scheme: str
    noise: NoiseSpec
    noise_points: Annotated[tuple[PointSpec, ...], Field(min_length=1)]
    tile: int = Field(default=8, ge=1, le=MAX_TILE)
    graphs: dict[NoiseKind, FileName]
    weights: FileName
    digests: dict[str, str]
    training: Training
    evaluations: tuple[Evaluation, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    agreements: tuple[AgreementReference, ...] = ()

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read a card of any version.

        Raises:
            ValidationError: it is no card.
        """
        try:
            found = from_json(content)
        except ValueError:
            found = None
        if isinstance(found, dict) and found.get("card_version") == 1:
            content = to_json(upgraded(found))
        return cls.model_validate_json(content, strict=True)

    @field_validator("card_version")
    @classmethod
    def is_known_version(cls, version: int) -> int:
        """Refuse versions that this one of noisevote does not read."""
        if version != CARD_VERSION:
            raise ValueError(f"got {version}; cards of version 1 and {CARD_VERSION} are read")
        return version

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
    def input(self) -> InputSpec:
        """The input of a network that takes one tensor."""
        return self.inputs[0]

    @property
    def point_names(self) -> list[str]:
        """Names of the noise points, in graph order."""
        return [point.name for point in self.noise_points]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one vote."""
        return sum(point.macs for point in self.noise_points)


def upgraded(card: dict[str, Any]) -> dict[str, Any]:
    """Return a card of version 1, as JSON has it, as one of version 2."""
    upgrade = {"card_version": CARD_VERSION, "noise_scheme": NOISE_SCHEME}
    rest = {key: value for key, value in card.items() if key != "input"}
    if "input" in card:
        upgrade["inputs"] = [card["input"]]
    if isinstance(training := card.get("training"), dict) and "devices" in training:
        accelerators = training["devices"]
        others = {key: value for key, value in training.items() if key != "devices"}
        upgrade["training"] = {**others, "accelerators": accelerators}
    return rest | upgrade
