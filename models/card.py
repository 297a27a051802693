"""The card of a checkpoint: all that serving needs to know of it, and where it comes from."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import from_json, to_json

from noisevote.models.device_specs import DevicesSpec
from noisevote.models.draws.schemes import FIRST
from noisevote.models.errors import CheckpointError
from noisevote.models.measured import AgreementReference, DeviceEvaluation, Evaluation, Threshold
from noisevote.models.noise import NoiseKind
from noisevote.models.specs import (
    OUTPUTS,
    CardPart,
    Count,
    CountFromZero,
    FileName,
    InputSpec,
    NoiseSpec,
    PointSpec,
    Sigma,
)

CARD_VERSION = 2
"""Of the cards that are written; those of version 1 are read, too."""

MAX_MEASURED = 200
"""Most thresholds and agreements: each answer is compared with all of them."""

MAX_TILE = 256
"""Most rows of a forward pass; measured gains end at 20."""

MAX_CLASSES = 65_536
"""Most classes: the votes of each input are counted for all of them."""

MAX_LABEL = 200
"""Most letters of a label."""

Label = Annotated[str, Field(max_length=MAX_LABEL)]
"""Every answer bears one."""

EngineName = Annotated[str, Field(max_length=MAX_LABEL)]
"""Of a kind of processor or an arithmetic; unknown ones are passed over."""

EngineTimes = Annotated[
    dict[
        EngineName,
        Annotated[dict[EngineName, Annotated[float, Field(gt=0)]], Field(max_length=MAX_MEASURED)],
    ],
    Field(max_length=MAX_MEASURED),
]


class Training(CardPart):
    """How the weights were made."""

    recipe: dict[str, Any]
    """Everything that decided the run."""
    command: str
    """Command that made them."""
    data_digests: dict[str, str]
    """SHA-256 of the decompressed content of each data file."""
    data_is_official: bool
    """Whether these are the official contents."""
    data_licence: str
    """Licence under which the data may be used."""
    torch_version: str
    """Version of torch that trained them."""
    sources: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the weights that the run started from or learned from, by name of the
    checkpoint or run."""
    accelerators: tuple[str, ...] = ("cpu",)
    """Torch's devices that took part, in the order in which they were first used."""

    @field_validator("recipe")
    @classmethod
    def is_plain_json(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        """Refuse NaN and the like, which Python reads as JSON and nobody else does."""
        json.dumps(recipe, allow_nan=False)
        return recipe


class QuietLayer(CardPart):
    """A layer with weights that gets no noise."""

    name: str
    """Name of its node in the graph."""
    operator: str
    """Operator of the graph that computes it."""
    macs: CountFromZero
    """Multiply-accumulates, per vote."""
    reason: str
    """Why it gets none."""


class Import(CardPart):
    """How a network that others made was taken in."""

    source: str
    """File name of the graph, or the callable that made it."""
    digest: str
    """SHA-256 of the graph as it came."""
    command: str
    """Command that took it in."""
    producer: str = ""
    """What wrote the graph, as it says."""
    opset: Count
    """Version of the operators of the graph as it came."""
    placement: Literal["border", "input", "single"]
    """Where inputs are repeated by vote: at the first noise, at the inputs, or not at all, so that
    each vote is a pass of its own."""
    largest_difference: Annotated[float, Field(ge=0)]
    """Largest difference of a noiseless output from the original's, relative to the largest output
    of its input if that is above 1."""
    compared: Count
    """Inputs on which the outputs were compared."""
    batch_norm_sigma: Sigma | None = None
    """Sigma of the noise under which batch norms were estimated anew, after the comparison; None
    if they are the original's."""
    quiet: tuple[QuietLayer, ...] = ()
    """Layers with weights that get no noise."""


class Card(CardPart):
    """Everything about a checkpoint but its weights."""

    card_version: int
    """Version of this format."""
    name: str
    """Name of the checkpoint, the same as its folder's."""
    network: str
    """Architecture of the network."""
    inputs: Annotated[tuple[InputSpec, ...], Field(min_length=1)]
    """What the network takes, in the order of the graph."""
    output: str = OUTPUTS
    """Name of the output that votes, in the graph."""
    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=MAX_CLASSES)]
    """Name of each class, in the order of the outputs."""
    noise_scheme: str
    """Scheme that draws the noise of the votes."""
    noise: NoiseSpec
    """Noise that the network was trained for."""
    noise_points: Annotated[tuple[PointSpec, ...], Field(min_length=1)]
    """The noise points, in the order of the graph."""
    tile: int = Field(default=8, ge=1, le=MAX_TILE)
    """Rows of a forward pass that serve well."""
    graphs: dict[NoiseKind, FileName]
    """File name of the graph for each kind of noise."""
    weights: FileName
    """File name of the weights, which all graphs share."""
    digests: dict[str, str]
    """SHA-256 of each file."""
    training: Training | None = None
    """Where the weights come from, if they were trained here."""
    imported: Import | None = None
    """Where the network comes from, if others made it."""
    evaluations: tuple[Evaluation, ...] = ()
    """Measured accuracies."""
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=MAX_MEASURED)] = ()
    """Margins for the stop rule ``calibrated``."""
    agreements: Annotated[tuple[AgreementReference, ...], Field(max_length=MAX_MEASURED)] = ()
    """What the drift monitor expects of votes."""
    engine_times: EngineTimes | None = None
    """CPU time of a noisy vote by kind of processor and arithmetic, over that of the reference; the
    engine ``auto`` follows it. None if it was not measured."""
    devices: DevicesSpec | None = None
    """How the network lies on arrays of analog devices; None if that was not measured."""
    on_devices: Annotated[tuple[DeviceEvaluation, ...], Field(max_length=MAX_MEASURED)] = ()
    """Measured accuracies on chips of devices."""

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

    @model_validator(mode="after")
    def thresholds_have_one_margin(self) -> Self:
        """Refuse two margins of which nothing says which one a request gets."""
        held = {(of.kind, of.sigma, of.votes, of.delta, of.margin) for of in self.thresholds}
        if len({of[:-1] for of in held}) < len(held):
            raise ValueError("thresholds holds two margins for the same noise, votes and delta")
        return self

    @model_validator(mode="after")
    def comes_from_somewhere(self) -> Self:
        """Refuse a network of no origin, or of two."""
        if (self.training is None) == (self.imported is None):
            raise ValueError("needed is one of training and imported")
        return self

    def rms_at(self, point: PointSpec) -> float | None:
        """Return the root mean square of the signal at a noise point; None if it is not known."""
        if point.rms is not None:
            return point.rms
        array = None if self.devices is None else self.devices.arrays.get(point.name)
        return None if array is None else array.rms

    @property
    def command(self) -> str:
        """The command that made the checkpoint."""
        origin = self.training or self.imported
        return "" if origin is None else origin.command

    @property
    def trained(self) -> Training:
        """Where the weights come from.

        Raises:
            CheckpointError: others trained them.
        """
        if self.training is None:
            raise CheckpointError(
                f"checkpoint {self.name} was imported: no recipe tells its data; give --samples"
            )
        return self.training

    @property
    def recipe(self) -> dict[str, Any]:
        """What the network was trained by; raises as :attr:`trained` does."""
        return self.trained.recipe

    @property
    def to_fit(self) -> str:
        """The command that makes the checkpoint ready for devices."""
        samples = "" if self.imported is None else " --samples FILE"
        return f"noisevote-train fit-devices {self.name} --checkpoints FOLDER{samples}"

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
    upgrade = {"card_version": CARD_VERSION, "noise_scheme": FIRST.id}
    rest = {key: value for key, value in card.items() if key != "input"}
    if "input" in card:
        upgrade["inputs"] = [card["input"]]
    if isinstance(training := card.get("training"), dict) and "devices" in training:
        accelerators = training["devices"]
        others = {key: value for key, value in training.items() if key != "devices"}
        upgrade["training"] = {**others, "accelerators": accelerators}
    return rest | upgrade
