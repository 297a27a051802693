"""Checks that need attacks of their own, whose outcome is known if the tools are sound.

Each has its steps and its judgement side by side; ``checks.py`` has the table of all checks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from numpy.typing import NDArray

from noisevote.models.errors import InputError
from noisevote.models.robustness.attacks.transfer import PGD, WHITE_BOX, restart_of
from noisevote.models.robustness.pgd import (
    TransferAttack,
    attack_surrogate,
    attack_with_restarts,
)
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import About
from noisevote.models.robustness.run import (
    Assessment,
    Parties,
    Role,
    Step,
    StepKey,
    verification,
    work_of_climb,
)
from noisevote.models.robustness.scores import (
    Outcome,
    as_percent,
    is_clearly_more_often_right,
    outcome,
    outcome_of,
    share_of,
)
from noisevote.models.robustness.target import Condition
from noisevote.models.robustness.trials import Found, StepResult, stored

CHECK_SAMPLES = 50
"""Samples of the checks that need attacks of their own."""

FIRST_REPLY = 1
"""Replies of checks that go by the first alone."""

FROZEN_SAMPLES = 20
FROZEN_VOTES = 5
"""Samples and votes of the attack on frozen noise, which climbs all votes at once."""

MORE = 2
"""Times as many steps, to see whether more of them would find more."""

RISEN = 0.9
"""Share of the samples whose loss on the surrogate the steps must raise."""

CONVERGENCE = StepKey("check/convergence")
START, SINGLE, PLANNED, FURTHER = "start", "single", "planned", "more"
"""How many steps: none, one, those of the plan, and :data:`MORE` times as many."""

FROZEN = StepKey("check/frozen")
FROZEN_CLIMB = StepKey("check/frozen", role=Role.CLIMB)


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check.

    Attributes:
        name: name in reports.
        question: what must hold.
        judge: returns whether it does, or None if that is not known, and the figures.
        steps: yields the steps that it needs beside those of the attacks and sweeps.
        caveat: says what else to bear in mind of the networks that were assessed.
        needs_surrogate: whether it is about examples that were made on one.
        targeted_question: what must hold in a targeted assessment, if that is another thing.
    """

    name: str
    question: str
    judge: Callable[[Assessment], Outcome]
    steps: Callable[[Plan, Parties, int], Iterator[Step]] | None = None
    caveat: Callable[[About], str] | None = None
    needs_surrogate: bool = False
    targeted_question: str = ""


def convergence_steps(plan: Plan, _: Parties, samples: int) -> Iterator[Step]:
    """Yield the steps that attack with fewer and with more steps."""
    few = min(samples, CHECK_SAMPLES)
    yield Step(CONVERGENCE, (MORE - 1) * work_of_climb(plan, few), climb_further)
    for climbed in (PLANNED, FURTHER):
        for conditions in (plan.noiseless, plan.noisy):
            key = climbed_key(climbed, conditions.name)
            found = partial(climbed_to, climbed=climbed)
            yield verification(key, found, conditions, FIRST_REPLY, few, is_scored=False)


def climbed_key(climbed: str, condition: Condition) -> StepKey:
    """Return the step that shows what so many steps came to."""
    return StepKey(f"{CONVERGENCE}/{climbed}", condition)


def climb_further(run: Assessment) -> StepResult:
    """Attack the surrogate with no step, with one, with those of the plan and with more.

    Those of the plan are the first restart of PGD, and more of them go on where it ended.
    """
    plan = run.plan
    single = TransferAttack(run.ball, plan.epsilon, 1, has_random_start=False, seed=plan.seed)
    few = run.samples.take(slice(CHECK_SAMPLES))
    surrogate, progress = run.surrogate, run.progress
    planned = restart_of(run, PGD, 0).first(len(few))
    beyond = run.attack(steps=(MORE - 1) * plan.steps)
    further = attack_surrogate(surrogate, few, beyond, 0, progress, planned.examples)
    restarts = {
        START: attack_surrogate(surrogate, few, replace(run.attack(), steps=0), 0, progress),
        SINGLE: attack_surrogate(surrogate, few, single, 0, progress),
        PLANNED: planned,
        FURTHER: further,
    }
    arrays: dict[str, NDArray[Any]] = {}
    for name, found in restarts.items():
        attacked = few.with_inputs(found.examples)
        arrays[name] = ~few.aim.is_met(surrogate.predictions(attacked, 0))
        arrays[f"{name}_losses"] = found.losses
        if name in {PLANNED, FURTHER}:
            arrays[f"{name}_examples"] = found.examples
    return StepResult({}, arrays)


def climbed_to(run: Assessment, climbed: str) -> Found:
    """Return what so many steps came to."""
    return Found(run.result(CONVERGENCE).arrays[f"{climbed}_examples"])


def climb(run: Assessment) -> Outcome:
    """Compare the surrogate's losses after the steps with those at the random starts.

    They do not rise where gradients vanish or mislead.
    """
    arrays = run.result(CONVERGENCE).arrays
    risen = share_of(arrays[f"{PLANNED}_losses"] > arrays[f"{START}_losses"], run.plan.alpha)
    return risen.share >= RISEN, f"{as_percent(risen)} of the samples have a higher loss"


def single_step(run: Assessment) -> Outcome:
    """Compare one step with many, on the surrogate."""
    arrays = run.result(CONVERGENCE).arrays
    passed = not is_clearly_more_often_right(arrays[PLANNED], arrays[SINGLE])
    return passed, (
        f"surrogate: {outcome_of(run, arrays[SINGLE])} after one step, "
        f"{outcome_of(run, arrays[PLANNED])} after {run.plan.steps}"
    )


def more_steps(run: Assessment) -> Outcome:
    """Compare twice the steps with those of the plan, on the surrogate."""
    arrays = run.result(CONVERGENCE).arrays
    passed = not is_clearly_more_often_right(arrays[FURTHER], arrays[PLANNED])
    return passed, (
        f"surrogate: {outcome_of(run, arrays[PLANNED])}, mean loss "
        f"{arrays[f'{PLANNED}_losses'].mean():.3g}; with twice the steps "
        f"{outcome_of(run, arrays[FURTHER])}, "
        f"{arrays[f'{FURTHER}_losses'].mean():.3g}"
    )


def convergence(run: Assessment) -> Outcome:
    """Compare twice the steps with those of the plan, on the target.

    An attack that was stopped too early makes any target look robust.
    """
    details, passed = [], True
    for condition in Condition:
        planned, further = (
            run.trial(climbed_key(climbed, condition)) for climbed in (PLANNED, FURTHER)
        )
        passed &= not is_clearly_more_often_right(planned.withstood[0], further.withstood[0])
        details.append(
            f"{condition}: {outcome(run, planned)} after {run.plan.steps} steps of one restart, "
            f"{outcome(run, further)} after twice as many"
        )
    return passed, "; ".join(details)


def frozen_steps(plan: Plan, parties: Parties, samples: int) -> Iterator[Step]:
    """Yield the steps that attack the target's own network on noise fixed to one seed."""
    if not (WHITE_BOX.is_in(plan) and parties.own and parties.may_freeze):
        return
    few = min(samples, FROZEN_SAMPLES)
    fixed = replace(plan.noisy, votes=min(plan.votes, FROZEN_VOTES), seed=plan.seed)
    work = work_of_climb(plan, few, fixed.votes) * plan.restarts
    yield Step(FROZEN_CLIMB, work, partial(climb_frozen, draws=fixed.votes))
    yield verification(FROZEN, FROZEN_CLIMB, fixed, FIRST_REPLY, few, is_scored=False)


def climb_frozen(run: Assessment, draws: int) -> StepResult:
    """Climb the loss under exactly the noise that the target will meet."""
    own = run.subject.own
    if own is None:
        raise InputError("the target's own network is not at hand", "white_box")
    few = run.samples.take(slice(FROZEN_SAMPLES))
    surrogate = own.with_noise(run.surrogate_noise(frozen_draws=draws))
    found = attack_with_restarts(surrogate, few, run.attack(), run.plan.restarts, run.progress)
    return stored(Found(found.examples))


def frozen(run: Assessment) -> Outcome:
    """Compare frozen noise with no noise, both under the target's own gradients."""
    fixed, bound = run.find(FROZEN), run.find(WHITE_BOX.key(Condition.NOISELESS))
    if fixed is None or bound is None:
        return None, f"not run: {why_not_frozen(run)}"
    without = bound.withstood[0][: len(fixed.labels)]
    passed = not is_clearly_more_often_right(fixed.withstood[0], without)
    right = "" if run.plan.is_targeted else " right"
    return passed, (
        f"{outcome(run, fixed)}{right} on frozen noise, "
        f"{outcome_of(run, without)} of the same samples without noise"
    )


def why_not_frozen(run: Assessment) -> str:
    """Return why there is no attack on frozen noise."""
    if not run.subject.may_freeze:
        return "the target draws all seeds itself"
    return "the target's own network is not attacked"


CLIMBING = (
    CheckRow(
        "climb",
        "The steps raise the surrogate's loss.",
        climb,
        convergence_steps,
        needs_surrogate=True,
    ),
    CheckRow(
        "single step",
        "One large step is no better than many small ones.",
        single_step,
        needs_surrogate=True,
    ),
    CheckRow(
        "more steps",
        "Twice the steps do not help the defender.",
        more_steps,
        needs_surrogate=True,
    ),
    CheckRow(
        "convergence",
        "Twice the steps turn hardly more of the target's samples.",
        convergence,
        needs_surrogate=True,
    ),
)
"""They share the steps of the first."""

FROZEN_CHECK = CheckRow(
    "frozen noise", "Noise fixed to one seed is beaten as no noise is.", frozen, frozen_steps
)
