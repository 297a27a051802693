"""What the steps of an assessment share: who is assessed, and how a step is done."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from models.noise import MAX_SEED
from models.robustness.ball import Ball
from models.robustness.plan import Plan
from models.robustness.samples import Samples
from models.robustness.state import State
from models.robustness.target import Conditions, Oracle, Target
from models.robustness.transfer import GRADIENT_COST, Surrogate, SurrogateNoise, TransferAttack
from models.robustness.trials import Found, StepResult, Trial, trial_from, verify
from models.robustness.watch import Watch

STOPPED_SHARE = 0.6
"""About the share of N votes after which the mode is decided, to estimate work."""

TargetFactory = Callable[[int], Target]
"""Makes the target of one step; the number decides its noise where the caller can decide it."""


class Parties(Protocol):
    """Of an assessment, which optional parties there are: this decides its steps."""

    @property
    def own(self) -> object | None:
        """The target's own network, or None."""

    @property
    def undefended(self) -> object | None:
        """A network that is known to fall, or None."""

    @property
    def may_freeze(self) -> bool:
        """Whether the target lets its noise be fixed to a seed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is assessed, and by whom.

    Attributes:
        target: the network under attack.
        surrogate: the attacker's network.
        own: the target's own network, for the upper bound; None if it cannot be had.
        undefended: a network that is known to fall, for a check; None if there is none.
        may_freeze: whether the target lets its noise be fixed to a seed.
    """

    target: TargetFactory
    surrogate: Surrogate
    own: Surrogate | None = None
    undefended: TargetFactory | None = None
    may_freeze: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """One assessment under way.

    Attributes:
        plan: what is to be done.
        subject: to whom.
        samples: on what.
        low: smallest input value.
        high: largest input value.
        classes: number of classes.
        state: finished steps.
        watch: asked between batches.
    """

    plan: Plan
    subject: Subject
    samples: Samples
    low: float
    high: float
    classes: int
    state: State
    watch: Watch

    @property
    def ball(self) -> Ball:
        """The ball of the plan."""
        return Ball(self.plan.norm, self.plan.epsilon, self.low, self.high)

    @property
    def query_samples(self) -> Samples:
        """The samples that are attacked by queries."""
        return self.samples.take(slice(self.plan.query_samples))

    def result(self, step: str) -> StepResult:
        """Return the result of an earlier step.

        Raises:
            KeyError: it has not been done.
        """
        result = self.state.load(step)
        if result is None:
            raise KeyError(step)
        return result

    def trial(self, step: str) -> Trial:
        """Return the trial of an earlier step.

        Raises:
            KeyError: it has not been done.
        """
        return trial_from(self.result(step))

    def find(self, step: str) -> Trial | None:
        """Return the trial of a step, or None if it has not been done."""
        result = self.state.load(step)
        return None if result is None else trial_from(result)

    def oracle(self, step: str, conditions: Conditions, undefended: bool = False) -> Oracle:
        """Return the target for one step, on noise that no other step meets."""
        factory = self.subject.undefended if undefended else self.subject.target
        if factory is None:
            raise KeyError("undefended")
        return Oracle(factory(seed_of(self.plan.seed, step)), conditions, self.watch)

    def attack(
        self, ball: Ball | None = None, momentum: float = 0.0, steps: int | None = None
    ) -> TransferAttack:
        """Return the attack on a surrogate; with another ball the step is scaled to it."""
        ball = ball or self.ball
        return TransferAttack(
            ball=ball,
            step_size=self.plan.step * ball.epsilon / self.plan.epsilon,
            steps=steps or self.plan.steps,
            momentum=momentum,
            seed=self.plan.seed,
        )

    def surrogate_noise(self) -> SurrogateNoise:
        """Return the noise of an attacker who knows the target's."""
        plan = self.plan
        return SurrogateNoise(plan.kind, plan.sigma, plan.draws, seed_of(plan.seed, "surrogate"))


@dataclass(frozen=True, slots=True)
class Step:
    """A part of an assessment whose result is kept.

    Attributes:
        name: unique within the assessment.
        work: expected, in units of one forward pass.
        do: does it.
    """

    name: str
    work: float
    do: Callable[[Run], StepResult]


def seed_of(seed: int, step: str) -> int:
    """Return the seed of a step's target, another one for each step."""
    return (seed * 2**32 + zlib.crc32(step.encode())) % (MAX_SEED + 1)


def verification(
    name: str,
    found: Callable[[Run], Found],
    conditions: Conditions,
    replies: int,
    samples: int,
    undefended: bool = False,
) -> Step:
    """Return the step that shows to the target what an attack found.

    Args:
        name: of the step.
        found: takes it from earlier steps.
        conditions: under which the target is asked.
        replies: fresh ones per example.
        samples: expected number of examples, to estimate the work.
        undefended: ask the undefended network instead of the target.
    """

    def do(run: Run) -> StepResult:
        shown = found(run)
        labels = run.samples.labels[: len(shown.examples)]
        oracle = run.oracle(name, conditions, undefended)
        return verify(oracle, shown, labels, replies, run.plan.alpha).stored()

    return Step(name, work_of(conditions, samples, replies), do)


def work_of(conditions: Conditions, samples: int, replies: float) -> float:
    """Return the forward passes that replies take, about."""
    if not conditions.is_random:
        return samples * (1 if conditions.sigma == 0 else conditions.votes)
    return samples * replies * max(1.0, STOPPED_SHARE * conditions.votes)


def work_of_climb(plan: Plan, samples: int, draws: int = 1) -> float:
    """Return the forward passes that one restart on a surrogate takes, about."""
    return GRADIENT_COST * samples * plan.steps * draws
