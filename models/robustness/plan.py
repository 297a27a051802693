"""The plan of an assessment: which attacks, how strong, against which noise."""

import math
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from models.noise import MAX_SEED, NoiseKind
from models.robustness.ball import Norm
from models.robustness.target import Conditions

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sigma = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
TargetSigma = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=100_000)]

MAX_POINTS = 100
"""Of a sweep."""

STEPS_ACROSS = 6
"""Default steps from the middle of the ball to its surface; 0.05 at 0.3, as in the paper."""

ADAPTIVE_VOTES = 4
"""Times as many votes as the plain attacker asks for in each query."""


class AttackName(StrEnum):
    """The attacks of an assessment.

    ``pgd`` and ``momentum_pgd`` climb the loss of a surrogate; ``square`` asks the target for vote
    counts, ``hop_skip_jump`` for labels alone.
    """

    PGD = "pgd"
    MOMENTUM_PGD = "momentum_pgd"
    SQUARE = "square"
    HOP_SKIP_JUMP = "hop_skip_jump"


MOMENTUM = {AttackName.PGD: 0.0, AttackName.MOMENTUM_PGD: 1.0}
"""Attacks on a surrogate and the momentum of their steps."""


class AttackOptions(BaseModel):
    """Everything that decides an assessment, but the target's noise, networks and samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    votes: Count = Field(default=20, description="Of each reply of the target, N.")
    norm: Norm = Field(default=Norm.LINF, description="That bounds perturbations.")
    epsilon: Positive = Field(description="Largest perturbation, in units of the inputs.")
    step_size: Positive | None = Field(default=None, description="Default: epsilon / 6.")
    steps: Count = Field(default=20, description="Of each restart on the surrogate.")
    restarts: Count = Field(default=5, description="On the surrogate, from random starts.")
    attacks: Annotated[tuple[AttackName, ...], Field(fail_fast=True)] = Field(
        default=(AttackName.PGD, AttackName.MOMENTUM_PGD, AttackName.SQUARE),
        min_length=1,
        description="pgd and momentum_pgd climb the surrogate, square asks the target for votes, "
        "hop_skip_jump for labels alone.",
    )
    queries: Count = Field(default=200, description="Of each attack by queries, per sample.")
    query_samples: Count = Field(
        default=20, description="The first so many samples are attacked by queries."
    )
    adaptive: bool = Field(
        default=True,
        description="Also attack as one who knows of the noise: gradients averaged over noise in "
        "the surrogate, four times the votes in each query.",
    )
    draws: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=8, description="Of the surrogate's noise, averaged per gradient."
    )
    white_box: bool = Field(
        default=True, description="Also attack the target's own gradients, as an upper bound."
    )
    replies: Annotated[int, Field(ge=3, le=1001)] = Field(
        default=21, description="Fresh replies that verify an example; an odd number."
    )
    sweep_replies: Annotated[int, Field(ge=1, le=1001)] = Field(
        default=5, description="Fresh replies per example in the sweeps."
    )
    stable_share: Annotated[float, Field(ge=0.5, le=1)] = Field(
        default=0.9, description="Share of right replies from which a sample is stably right."
    )
    sigmas: Annotated[tuple[Sigma, ...], Field(fail_fast=True)] = Field(
        default=(), max_length=MAX_POINTS, description="Of the sweep over sigma."
    )
    epsilons: Annotated[tuple[Positive, ...], Field(fail_fast=True)] = Field(
        default=(), max_length=MAX_POINTS, description="Of the sweep over epsilon."
    )
    vote_numbers: Annotated[tuple[Count, ...], Field(fail_fast=True)] = Field(
        default=(), max_length=MAX_POINTS, description="Of the sweep over votes."
    )
    budgets: Annotated[tuple[Count, ...], Field(fail_fast=True)] = Field(
        default=(),
        max_length=MAX_POINTS,
        description="Of the sweep over queries; default: quarters of all.",
    )
    alpha: Annotated[float, Field(ge=1e-6, lt=1)] = Field(
        default=0.05, description="Of intervals, and of the test by which a reply abstains."
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = Field(
        default=0, description="Of starts, moves and, where the target takes seeds, its noise."
    )

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
    def has_an_attack_on_the_surrogate(
        cls, value: tuple[AttackName, ...]
    ) -> tuple[AttackName, ...]:
        """Refuse doubles, and plans without PGD, on which sweeps and checks are built."""
        if len(set(value)) != len(value):
            raise ValueError("an attack is named twice")
        if AttackName.PGD not in value:
            raise ValueError("pgd is missing; the sweeps and checks are built on it")
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
    def surrogate_attacks(self) -> tuple[AttackName, ...]:
        """The attacks that climb a surrogate."""
        return tuple(name for name in self.attacks if name in MOMENTUM)

    def has(self, attack: AttackName) -> bool:
        """Return whether an attack is part of the plan."""
        return attack in self.attacks


class Plan(AttackOptions):
    """Everything that decides an assessment, but networks and samples."""

    kind: NoiseKind = Field(description="Of the target's noise.")
    sigma: TargetSigma = Field(description="Of the target's noise, at every noise point.")

    @property
    def noisy(self) -> Conditions:
        """The target as it is assessed."""
        return Conditions(self.sigma, self.votes)

    @property
    def noiseless(self) -> Conditions:
        """The same target without noise, where one vote stands for all."""
        return Conditions(0.0, 1)
