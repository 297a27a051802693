"""The plan of an assessment: which attacks, how strong, against which noise."""

import math
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from noisevote.models.data.dataset import Labels
from noisevote.models.devices.asked import AskedDevice
from noisevote.models.noise import MAX_REPEATS, MAX_SEED, MAX_SIGMA, NoiseKind
from noisevote.models.robustness.ball import Norm
from noisevote.models.robustness.target import Conditions
from noisevote.models.robustness.target_class import TargetClass

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sigma = Annotated[float, Field(ge=0, le=MAX_SIGMA, allow_inf_nan=False)]
TargetSigma = Annotated[float, Field(gt=0, le=MAX_SIGMA, allow_inf_nan=False)]
Repeats = dict[str, Annotated[int, Field(ge=1, le=MAX_REPEATS)]]

ONE_SIGMA = TypeAdapter(TargetSigma)
SIGMAS = TypeAdapter(dict[str, Sigma])


def one_sigma_or_map(value: Any, _: ValidatorFunctionWrapHandler) -> float | dict[str, float]:
    """Complain once instead of once for each way to write a sigma; refuse a map of no noise."""
    if not isinstance(value, dict):
        return ONE_SIGMA.validate_python(value, strict=True)
    sigmas = SIGMAS.validate_python(value, strict=True)
    if not any(sigmas.values()):
        raise ValueError("no noise point gets noise; one at least needs a sigma above 0")
    return sigmas


SigmaOrMap = Annotated[TargetSigma | dict[str, Sigma], WrapValidator(one_sigma_or_map)]
"""Of a target: one number, or a map from noise point to number, where points left out get none."""
Count = Annotated[int, Field(ge=1, le=100_000)]

MAX_POINTS = 100
"""Of a sweep."""

STEPS_ACROSS = 6
"""Default steps from the middle of the ball to its surface; 0.05 at 0.3, as in the paper."""

ADAPTIVE_VOTES = 4
"""Times as many votes as the plain attacker asks for in each query."""


class AttackName(StrEnum):  # each has a row in models/robustness/attacks
    """The attacks of an assessment.

    ``pgd`` and ``momentum_pgd`` climb the loss of a surrogate; ``square`` asks the target for vote
    counts, ``hop_skip_jump`` for labels alone.
    """

    PGD = "pgd"
    MOMENTUM_PGD = "momentum_pgd"
    SQUARE = "square"
    HOP_SKIP_JUMP = "hop_skip_jump"


DEFAULT_ATTACKS = (AttackName.PGD, AttackName.MOMENTUM_PGD, AttackName.SQUARE)


Named = Field(strict=False)
"""Of an enum: its name will do, also in Python."""


class AttackOptions(BaseModel):
    """Everything that decides an assessment, but the target's noise, networks and samples."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    votes: Count = 20
    """Votes of each reply of the target, N."""
    norm: Annotated[Norm, Named] = Norm.LINF
    """Norm that bounds perturbations."""
    epsilon: Positive
    """Largest perturbation, in units of the inputs."""
    step_size: Positive | None = None
    """Length of a step on the surrogate, in units of the inputs. Default: epsilon / 6."""
    steps: Count = 20
    """Steps of each restart on the surrogate."""
    restarts: Count = 5
    """Restarts on the surrogate, from random starts."""
    attacks: Annotated[
        tuple[Annotated[AttackName, Named], ...], Field(min_length=1, fail_fast=True)
    ] = DEFAULT_ATTACKS
    """Attacks to be tried: pgd and momentum_pgd climb the surrogate, square asks the target for
    votes, hop_skip_jump for labels alone. By default pgd, momentum_pgd and square, less those that
    need pictures or a surrogate where there is none; hop_skip_jump if none is left."""
    target_class: TargetClass | None = None
    """Class that the attacker wants the target to answer: one for all samples, a list with one for
    each, next (the class after the label), random (any but the label) or least_likely (of all but
    the label, by the surrogate). Samples whose label it is are left out. Default: any wrong class
    will do (untargeted)."""
    queries: Count = 200
    """Queries of each attack by queries, per sample."""
    query_samples: Count = 20
    """The first so many samples are attacked by queries."""
    adaptive: bool = True
    """Also attack as one who knows of the noise: gradients averaged over noise in the surrogate,
    four times the votes in each query."""
    draws: Annotated[int, Field(ge=1, le=1000)] = 8
    """Draws of the surrogate's noise that are averaged per adaptive gradient."""
    white_box: bool = True
    """Also attack the target's own gradients, as an upper bound; where they are not at hand, or
    there is no surrogate, the report says so."""
    replies: Annotated[int, Field(ge=3, le=1001)] = 21
    """Fresh replies that verify an example; an odd number."""
    sweep_replies: Annotated[int, Field(ge=1, le=1001)] = 5
    """Fresh replies per example in the sweeps."""
    stable_share: Annotated[float, Field(ge=0.5, le=1)] = 0.9
    """Share of right replies from which a sample is stably right."""
    sigmas: Annotated[tuple[Sigma, ...], Field(max_length=MAX_POINTS, fail_fast=True)] = ()
    """Points of the sweep over sigma, like 0,0.1,0.2."""
    epsilons: Annotated[tuple[Positive, ...], Field(max_length=MAX_POINTS, fail_fast=True)] = ()
    """Points of the sweep over epsilon, like 0.1,0.2,0.3."""
    vote_numbers: Annotated[tuple[Count, ...], Field(max_length=MAX_POINTS, fail_fast=True)] = ()
    """Points of the sweep over votes, like 1,5,20."""
    budgets: Annotated[tuple[Count, ...], Field(max_length=MAX_POINTS, fail_fast=True)] = ()
    """Points of the sweep over queries, like 50,100. Default: quarters of all queries."""
    alpha: Annotated[float, Field(ge=1e-6, lt=1)] = 0.05
    """One less the confidence of intervals, and the p-value above which a reply abstains."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    """Seed of starts, moves and, where the target takes seeds, its noise."""

    @field_validator("replies")
    @classmethod
    def replies_are_odd(cls, value: int) -> int:
        """Refuse even numbers, with which "most replies" may be a tie."""
        if value % 2 == 0:
            raise ValueError(f"got {value}; an odd number is needed, so that most replies decide")
        return value

    @field_validator("sigmas", "epsilons", "vote_numbers")
    @classmethod
    def points_differ(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        """Refuse points of a sweep that are shown alike, to six digits."""
        shown = [f"{point:g}" for point in value]
        double = next((text for text in shown if shown.count(text) > 1), None)
        if double is not None:
            raise ValueError(f"{double} is there twice; six digits count")
        return value

    @field_validator("attacks")
    @classmethod
    def attacks_differ(cls, value: tuple[AttackName, ...]) -> tuple[AttackName, ...]:
        """Refuse doubles."""
        if len(set(value)) != len(value):
            raise ValueError("an attack is named twice")
        return value

    @field_validator("budgets")
    @classmethod
    def budgets_fit(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        """Refuse a budget above the number of queries, if that is a number itself."""
        queries = info.data.get("queries", math.inf)
        too_large = [budget for budget in value if budget > queries]
        if too_large:
            raise ValueError(f"the budget {too_large[0]} is above the {queries} queries")
        return value

    @property
    def step(self) -> float:
        """Length of a step, in units of the inputs."""
        return self.epsilon / STEPS_ACROSS if self.step_size is None else self.step_size

    @property
    def query_budgets(self) -> tuple[int, ...]:
        """Budgets of the sweep over queries, ascending."""
        quarters = (max(1, self.queries * part // 4) for part in (1, 2, 3, 4))
        return tuple(sorted(set(self.budgets or quarters)))

    @property
    def is_targeted(self) -> bool:
        """Whether the attacker wants a class that he chose."""
        return self.target_class is not None

    def has(self, attack: str) -> bool:
        """Return whether an attack is part of the plan."""
        return attack in self.attacks


class Plan(AttackOptions):
    """Everything that decides an assessment, but networks and samples."""

    kind: NoiseKind | None = None
    """Kind of the target's noise; null on a device."""
    sigma: SigmaOrMap | None = None
    """Sigma of the target's noise, at every noise point or by name; null on a device."""
    device: AskedDevice | None = None
    """Analog device that the target's votes are cast on; null: noise of a kind and sigma."""
    repeats: Repeats = Field(default_factory=dict)
    """Reads of the target's noise points that are averaged, by name."""

    labels: Annotated[Labels, Named] = Labels.GIVEN
    """Where the labels come from; ``predicted``: the target's own answers without noise."""

    @model_validator(mode="after")
    def is_of_noise_or_device(self) -> "Plan":
        """Refuse both or neither, and points of a sigma that a device does not have."""
        is_given = {self.kind is not None, self.sigma is not None}
        if is_given != {self.device is None}:
            raise ValueError("needed are kind and sigma of noise, or a device, and not both")
        if self.device is not None and self.sigmas:
            raise ValueError("sigmas are those of noise; a device has none to vary")
        return self

    @property
    def has_predicted_labels(self) -> bool:
        """Whether the target's noiseless answers stand for labels."""
        return self.labels is Labels.PREDICTED

    @property
    def noisy(self) -> Conditions:
        """The target as it is assessed."""
        return Conditions(self.sigma or 0.0, self.votes, None, self.repeats, self.device)

    @property
    def noiseless(self) -> Conditions:
        """The same target without noise and device, where one vote stands for all."""
        return Conditions(0.0, 1)
