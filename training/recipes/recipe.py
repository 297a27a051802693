"""Recipes: everything that decides what a training run gives, as data.

A recipe names the network, the data, the hardening, the schedule and the seed. Two runs of one
recipe on one CPU, with the same number of threads, give the same weights. The recipe of a
checkpoint stands in its card.

A field that is new has a default that means what was done before it was there, so that older cards
and states still say the same.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from noisevote.models.errors import TrainingError
from noisevote.models.networks.quantisers import Quantisation
from noisevote.models.noise import NoiseKind
from noisevote.training.recipes.wrong import what_is_wrong

Loss = Literal["cross_entropy", "marginal", "vote"]
Distribution = Literal["normal", "half_normal"]
Optimizer = Literal["adamw", "sgd", "muon"]
Curve = Literal["one_cycle", "linear", "cosine"]
Precision = Literal["float32", "bfloat16", "auto"]
Padding = Literal["zeros", "reflect"]

MAX_TRAINING_SEED = 2**31 - 1
"""Torch's generators take 63 bits and a sign; the step has the lower 32 (``training.fit.loop``)."""

Natural = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Option = Annotated[int | list[Any] | str, Field(union_mode="left_to_right")]


class Part:
    """Base of a recipe and its parts: what is read from plain data has no unknown fields."""

    __slots__ = ()
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Variance(Part):
    """Variance-aware noisy training: each image of each step meets a sigma of its own.

    Source: X. Wang et al., arXiv 2503.16183, and their code, which differ in the distribution.

    Attributes:
        alpha: the centre of the distribution, as a share of ``sigma_train``.
        theta: its spread.
        distribution: ``normal``: N(alpha sigma_train, theta^2), below 0 cut off to 0, as the paper
            has it; ``half_normal``: alpha sigma_train + theta |z| with z standard normal, as the
            code has it.
    """

    alpha: NotNegative
    theta: NotNegative
    distribution: Distribution = "normal"


@dataclass(frozen=True, slots=True)
class ProfileId(Part):
    """Which device profile a run took: a name may stand for another one some day.

    Attributes:
        name: of the device.
        digest: of all in its profile that decides votes.
    """

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Hardening(Part):
    """How the noise enters the training.

    Attributes:
        kind: multiplicative or additive.
        sigma_train: standard deviation of the noise in training, one number or one per noise point
            by name (points left out get no noise); 0 trains without noise.
        loss: ``cross_entropy`` of the noisy outputs, or ``marginal``: the negative logarithm of
            the probability of the right class, averaged over the draws of the noise, or ``vote``:
            the chance of a right vote under the last layer's noise, given one draw of all others
            (``training.losses.vote_loss``); where the last layer has no noise it is cross-entropy.
        loss_power: q of the loss ``vote``, 0 for the logarithm, 1 for the share of wrong votes.
        output_draws: draws of the last layer's noise per image and pass.
        pass_draws: noisy passes per image and step, each with its own noise at every point.
        ramp: share of the steps in which sigma rises linearly from 0 to ``sigma_train``, called
            incremental in the code of Wang et al., arXiv 2501.14531.
        variance: how sigma varies from image to image once the ramp is over; None: not at all.
        label_smoothing: share of the label that cross-entropy spreads over all classes (C. Szegedy
            et al., arXiv 1512.00567, section 7).
        device: name of a device, or ``FILE.toml`` with its profile: the network learns on its chips
            (``training.on_device``) in the place of noise of ``sigma_train``.
        age_s: smallest and largest age of the chips, drawn log-uniformly; None: the smallest age
            for which the profile holds.
        chip_steps: steps in which one chip is kept before the next is drawn.
        weight_clip: weights beyond so many standard deviations of their column are clipped after
            each step; None: none are.
        profile: the profile that ``device`` named when the run began; set by the run.
    """

    kind: NoiseKind = NoiseKind.MULTIPLICATIVE
    sigma_train: NotNegative | dict[str, NotNegative] = 0.0
    loss: Loss = "cross_entropy"
    loss_power: Share = 0.0
    output_draws: Natural = 1
    pass_draws: Natural = 1
    ramp: Share = 0.0
    variance: Variance | None = None
    label_smoothing: Share = 0.0
    device: str | None = None
    age_s: tuple[NotNegative, NotNegative] | None = None
    chip_steps: Natural = 4
    weight_clip: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    profile: ProfileId | None = None


@dataclass(frozen=True, slots=True)
class Stage(Part):
    """A part of the run in which the network learns from smaller pictures.

    A step costs as its pixels do, and what is learned from small pictures carries over. The network
    must take pictures of any size.

    Attributes:
        side: height and width of the pictures, in pixels.
        share: share of the run's steps.
    """

    side: Natural
    share: Share


@dataclass(frozen=True, slots=True)
class Schedule(Part):
    """How the weights are learned.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: the peak.
        weight_decay: decoupled in AdamW, a part of the gradient in SGD.
        warm_up: share of the steps in which the learning rate of ``one_cycle`` rises.
        clip_norm: largest norm of a step's gradient, longer ones are shortened to it; None: any.
        precision: precision of the products and signals; weights and their updates are always
            float32. ``auto`` is bfloat16 where the machine multiplies in it, else float32
            (``training.fit.accelerators``).
        optimizer: ``adamw``, ``sgd`` with Nesterov momentum, or ``muon`` (``training.fit.muon``).
        momentum: momentum of ``sgd`` and ``muon``.
        rest_rate: peak learning rate of what ``muon`` leaves to AdamW.
        curve: curve of the learning rate: ``one_cycle`` (L. N. Smith and N. Topin, arXiv
            1708.07120); ``linear``, which rises and falls likewise, along straight lines; or
            ``cosine``, which falls from the peak to 0 (I. Loshchilov and F. Hutter, arXiv
            1608.03983).
        averaging: decay a step of the exponential moving average of the weights, which is what
            the run then gives; 0 gives the last weights.
        stages: stages with smaller pictures, in order; the steps that are left see whole ones.
    """

    epochs: Natural
    batch_size: Natural = 128
    learning_rate: Positive = 3e-3
    weight_decay: NotNegative = 1e-4
    warm_up: Share = 0.2
    clip_norm: Positive | None = None
    precision: Precision = "float32"
    optimizer: Optimizer = "adamw"
    momentum: Annotated[float, Field(gt=0, lt=1)] = 0.9
    curve: Curve = "one_cycle"
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rest_rate: Positive = 5e-3
    stages: tuple[Stage, ...] = ()

    def side_at(self, share: float) -> int | None:
        """Return the side of the pictures when a share of the steps is done; None: as they are."""
        ends = accumulate(stage.share for stage in self.stages)
        sides = (stage.side for stage, end in zip(self.stages, ends, strict=True) if share < end)
        return next(sides, None)


@dataclass(frozen=True, slots=True)
class Teacher(Part):
    """A trained network whose noiseless outputs the run learns from, beside the labels.

    The loss is ``(1 - weight) loss + weight T^2 KL(teacher / T, student / T)``, the divergence
    averaged over the draws of the student's noise.

    Source: C. Zhou et al., Noisy Machines, arXiv 2001.04974; G. Hinton et al., arXiv 1503.02531.

    Attributes:
        weights: name of a checkpoint, or ``run:`` and the name of a run.
        temperature: T.
        weight: weight of the teacher's part of the loss.
    """

    weights: str
    temperature: Positive = 4.0
    weight: Share = 0.5


@dataclass(frozen=True, slots=True)
class Adversary(Part):
    """Adversarial training: a part of each batch is moved to where the loss is high.

    Attributes:
        epsilon: radius of the L-infinity ball around an image, in units of the inputs.
        step_size: length of a step along each axis, in units of the inputs.
        steps: steps from a random start in the ball.
        share: share of each batch that is adversarial; the rest stays as it is.
        ramp: share of the run's steps in which epsilon and the step size rise linearly from 0.
    """

    epsilon: Positive
    step_size: Positive
    steps: Natural = 1
    share: Share = 0.5
    ramp: Share = 0.0


@dataclass(frozen=True, slots=True)
class Recipe(Part):
    """One training run.

    Attributes:
        name: names the run and, unless told otherwise, its checkpoint.
        network: name in the registry of networks.
        dataset: name in the registry of data sets.
        hardening: how the noise enters.
        schedule: how the weights are learned.
        seed: seed of the weights, the order of the images and the noise.
        validation_images: how many training images are held back to choose by, never trained on.
        options: keywords of the network, such as widths.
        warm_start: where the first weights come from: name of a checkpoint, or ``run:`` and the
            name of a run; None: random.
        teacher: whom the run learns from beside the labels.
        quantisation: quantisation of weights and activations; None: none.
        adversary: who attacks the network while it learns.
        max_shift: each picture is shifted by up to so many pixels along both axes, anew each time.
        padding: what moves in then: zeros, or the picture mirrored at its border.
        flips: whether half of the pictures, others each time, are mirrored left to right.
    """

    name: str
    network: str
    dataset: str
    hardening: Hardening
    schedule: Schedule
    seed: Annotated[int, Field(ge=0, le=MAX_TRAINING_SEED)] = 1
    validation_images: Natural = 5000
    options: dict[str, Option] = field(default_factory=dict)
    warm_start: str | None = None
    teacher: Teacher | None = None
    quantisation: Quantisation | None = None
    adversary: Adversary | None = None
    max_shift: Annotated[int, Field(ge=0)] = 0
    flips: bool = False
    padding: Padding = "zeros"

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data, for cards and state files."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def is_like(self, other: "Recipe") -> bool:
        """Return whether two recipes are the same, the precision ``auto`` being either one.

        A recipe whose device no run has looked up yet is like one whose profile stands there.
        """
        precisions = self.schedule.precision, other.schedule.precision
        if "auto" in precisions:
            schedule = replace(other.schedule, precision=self.schedule.precision)
            other = replace(other, schedule=schedule)
        profiles = self.hardening.profile, other.hardening.profile
        if None in profiles:
            hardening = replace(other.hardening, profile=self.hardening.profile)
            other = replace(other, hardening=hardening)
        return self == other


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
