"""What the steps of an assessment share: who is assessed, and how a step is named and done."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from noisevote.models.noise import MAX_SEED
from noisevote.models.robustness.ball import Ball, Samples
from noisevote.models.robustness.pgd import GRADIENT_COST, Surrogate, SurrogateNoise, TransferAttack
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.target import Condition, Conditions, Oracle, Target
from noisevote.models.robustness.trials import Found, State, StepResult, Trial, read, stored, verify

STOPPED_SHARE = 0.6
"""About the share of N votes after which the mode is decided, to estimate work."""

TargetFactory = Callable[[int], Target]
"""Makes the target of one step; the number decides its noise where the caller can decide it."""


class Role(StrEnum):
    """What a step does, if it does not show the target what was found."""

    RESTART = "restart"
    CLIMB = "climb"
    SEARCH = "search"
    WITHIN = "queries"
    ONE_VOTE = "one vote"
    CONTROL = "control"
    ATTACKED = "attacked"
    CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class StepKey:
    """Which step of an assessment; as text, the name under which its result is kept.

    Attributes:
        of: the name of an attack, ``clean``, a point of a sweep or a check.
        condition: condition of the target, with noise or without; None if that is not what tells it
            apart.
        role: what the step does; None if it shows the target what was found.
        number: number of a restart, or the queries of a budget.
        is_worst: whether it is about the restarts that do worst on the target.
    """

    of: str
    condition: Condition | None = None
    role: Role | None = None
    number: int | None = None
    is_worst: bool = False

    def __str__(self) -> str:
        parts = [self.of]
        if self.condition is not None:
            parts.append(f"worst {self.condition}" if self.is_worst else self.condition)
        if self.role is not None:
            parts.append(self.role if self.number is None else f"{self.role} {self.number}")
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Parties:
    """Which optional parties an assessment has; they decide its steps.

    Attributes:
        own: whether the target's own network is at hand.
        undefended: whether there is a network that is known to fall.
        may_freeze: whether the target lets its noise be fixed to a seed.
        surrogate: whether the attacker has a network of his own.
    """

    own: bool
    undefended: bool
    may_freeze: bool
    surrogate: bool = True


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is assessed, and by whom.

    Attributes:
        target: the network under attack.
        surrogate: the attacker's network; None: all that he can do is ask.
        own: the target's own network, for the upper bound; None if it cannot be had.
        undefended: a network that is known to fall, for a check; None if there is none.
        may_freeze: whether the target lets its noise be fixed to a seed.
        threads: threads that climb the attacker's and the target's network.
    """

    target: TargetFactory
    surrogate: Surrogate | None
    own: Surrogate | None = None
    undefended: TargetFactory | None = None
    may_freeze: bool = True
    threads: int = 1

    @property
    def parties(self) -> Parties:
        """Which optional parties there are."""
        return Parties(
            own=self.own is not None,
            undefended=self.undefended is not None,
            may_freeze=self.may_freeze,
            surrogate=self.surrogate is not None,
        )


@dataclass(frozen=True, slots=True)
class Assessment:
    """One assessment under way.

    What takes the result of an earlier step raises KeyError if that has not been done, and so does
    what needs a surrogate where there is none.

    Attributes:
        plan: what is to be done.
        subject: who is assessed, and by whom.
        samples: samples under attack.
        low: smallest input value.
        high: largest input value.
        classes: number of classes.
        state: finished steps.
        progress: told between batches.
        left_out: samples that are not attacked, since their label is the class that is wanted;
            None before the target classes are known, or if there are none.
    """

    plan: Plan
    subject: Subject
    samples: Samples
    low: float
    high: float
    classes: int
    state: State
    progress: Progress
    left_out: Samples | None = None

    @property
    def ball(self) -> Ball:
        """The ball of the plan."""
        return Ball(self.plan.norm, self.plan.epsilon, self.low, self.high)

    @property
    def surrogate(self) -> Surrogate:
        """The attacker's network."""
        if self.subject.surrogate is None:
            raise KeyError("surrogate")
        return self.subject.surrogate

    @property
    def query_samples(self) -> Samples:
        """The samples that are attacked by queries."""
        return self.samples.take(slice(self.plan.query_samples))

    @property
    def labelled_samples(self) -> Samples:
        """All samples with their labels, those that are left out as well."""
        return self.samples if self.left_out is None else self.samples.and_also(self.left_out)

    def result(self, key: StepKey) -> StepResult:
        """Return the result of an earlier step."""
        result = self.state.load(str(key))
        if result is None:
            raise KeyError(str(key))
        return result

    def trial(self, key: StepKey) -> Trial:
        """Return the trial of an earlier step."""
        return read(Trial, self.result(key))

    def find(self, key: StepKey) -> Trial | None:
        """Return the trial of a step, or None if it has not been done."""
        result = self.state.load(str(key))
        return None if result is None else read(Trial, result)

    def found(self, key: StepKey) -> Found:
        """Return what an earlier step found."""
        return read(Found, self.result(key))

    def prepared(self) -> "Assessment":
        """Return the same with the labels and target classes of earlier steps, if they are there.

        Samples whose label is the class that is wanted are left out.
        """
        if self.left_out is not None:
            return self
        samples = self.samples
        if (answers := self.state.load(str(LABELS))) is not None:
            samples = replace(samples, labels=answers.arrays["labels"])
        if (chosen := self.state.load(str(TARGET_CLASSES))) is None:
            return replace(self, samples=samples)
        samples = replace(samples, target_classes=chosen.arrays["target_classes"])
        is_there = samples.aim.is_met(samples.labels)
        return replace(self, samples=samples.take(~is_there), left_out=samples.take(is_there))

    def oracle(self, key: StepKey, conditions: Conditions, undefended: bool = False) -> Oracle:
        """Return the target for one step, on noise that no other step meets."""
        factory = self.subject.undefended if undefended else self.subject.target
        if factory is None:
            raise KeyError("undefended")
        return Oracle(factory(seed_of(self.plan.seed, str(key))), conditions, self.progress)

    def attack(
        self, ball: Ball | None = None, momentum: float = 0.0, steps: int | None = None
    ) -> TransferAttack:
        """Return the attack on a surrogate; with another ball the step is scaled to it."""
        ball = ball or self.ball
        step = self.plan.step * ball.epsilon / self.plan.epsilon
        steps, at_once = steps or self.plan.steps, self.subject.threads
        return TransferAttack(ball, step, steps, momentum, seed=self.plan.seed, at_once=at_once)

    def surrogate_noise(self, frozen_draws: int | None = None) -> SurrogateNoise:
        """Return the noise of an attacker who knows the target's; KeyError on a device.

        With ``frozen_draws`` these are those of a target whose noise is frozen.
        """
        plan, frozen = self.plan, frozen_draws is not None
        if plan.kind is None or plan.sigma is None:
            raise KeyError("sigma")
        seed = plan.seed if frozen else seed_of(plan.seed, "surrogate")
        draws = frozen_draws or plan.draws
        return SurrogateNoise(plan.kind, plan.sigma, draws, seed, frozen, plan.repeats)


LABELS = StepKey("labels")
"""The step that asks for labels, where the target's noiseless answers stand for them."""

TARGET_CLASSES = StepKey("target classes")
"""The step that chooses the classes that are wanted, in a targeted assessment."""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of an assessment whose result is kept.

    Attributes:
        key: unique within the assessment.
        work: expected, in units of one forward pass.
        do: does it.
    """

    key: StepKey
    work: float
    do: Callable[[Assessment], StepResult]


def seed_of(seed: int, step: str) -> int:
    """Return the seed of a step's target, another one for each step."""
    return (seed * 2**32 + zlib.crc32(step.encode())) % (MAX_SEED + 1)


def verification(
    key: StepKey,
    found: StepKey | Callable[[Assessment], Found],
    conditions: Conditions,
    replies: int,
    samples: int,
    undefended: bool = False,
    is_scored: bool = True,
) -> Step:
    """Return the step that shows to the target what an attack found.

    Args:
        key: key of the step.
        found: the earlier step that found it, or what takes it from several.
        conditions: conditions under which the target is asked.
        replies: fresh ones per example.
        samples: expected number of examples, to estimate the work.
        undefended: ask the undefended network instead of the target.
        is_scored: whether abstentions are reported, a matter of all votes of the first reply.
    """

    def do(run: Assessment) -> StepResult:
        shown = run.found(found) if isinstance(found, StepKey) else found(run)
        aim = run.samples.aim.take(slice(len(shown.examples)))
        oracle = run.oracle(key, conditions, undefended)
        return stored(verify(oracle, shown, aim, replies, run.plan.alpha if is_scored else None))

    return Step(key, work_of(conditions, samples, replies), do)


def untouched(run: Assessment) -> Found:
    """Return the samples themselves, to be shown without any attack."""
    return Found(run.samples.inputs)


def work_of(conditions: Conditions, samples: int, replies: float) -> float:
    """Return the forward passes that replies take, about."""
    if not conditions.is_random:
        return samples * (conditions.votes if conditions.has_noise else 1)
    return samples * replies * max(1.0, STOPPED_SHARE * conditions.votes)


def work_of_climb(plan: Plan, samples: int, draws: int = 1) -> float:
    """Return the forward passes that one restart on a surrogate takes, about."""
    return GRADIENT_COST * samples * plan.steps * draws
