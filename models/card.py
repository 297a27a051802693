"""The card of a checkpoint: all that serving needs to know of it, and where it comes from."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.noise import NoiseKind

CARD_VERSION = 1

SigmaTrain = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CardPart(BaseModel):
    """Base of the card and its parts: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(CardPart):
    """What the network takes.

    Attributes:
        shape: of one input, without the batch axis.
        range: smallest and largest allowed value.
        preprocessing: how a picture becomes an input, a name in ``models.pictures``.
    """

    shape: tuple[int, ...]
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
    shape: tuple[int, ...]
    macs: int
    latency: float = 1.0


class NoiseSpec(CardPart):
    """The noise that the network was trained for.

    Attributes:
        kind: multiplicative or additive.
        sigma_train: standard deviation in training, one number or one per noise point by name
            (points left out got no noise); 0 for a network trained without noise.
    """

    kind: NoiseKind
    sigma_train: SigmaTrain | dict[str, SigmaTrain]

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
    sigma: float | dict[str, float]
    repeats: dict[str, int] = Field(default_factory=dict)
    votes: int
    correct: int
    images: int
    accuracy: float
    interval: tuple[float, float]

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
    seed: int
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
    sigma: float
    votes: int
    delta: float
    confidence: float
    margin: int
    changed: int
    inputs: int
    mean_votes: float
    seed: int
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
    sigma: float
    votes: int
    inputs: int
    agreement_mean: float
    agreement_sd: float
    margin_mean: float
    margin_sd: float
    seed: int
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
    labels: tuple[str, ...]
    noise: NoiseSpec
    noise_points: tuple[PointSpec, ...]
    tile: int = Field(default=8, ge=1)
    graphs: dict[NoiseKind, str]
    weights: str
    digests: dict[str, str]
    training: Training
    evaluations: tuple[Evaluation, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    agreements: tuple[AgreementReference, ...] = ()

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
