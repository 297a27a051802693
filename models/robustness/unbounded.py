"""The check that attacks without a bound: what fails there fails for want of working tools."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from noisevote.models.robustness.ball import Norm
from noisevote.models.robustness.pgd import attack_surrogate
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.probes import CHECK_SAMPLES, FIRST_REPLY, MORE, CheckRow
from noisevote.models.robustness.run import (
    Assessment,
    Parties,
    Role,
    Step,
    StepKey,
    verification,
    work_of_climb,
)
from noisevote.models.robustness.scores import Outcome, as_percent, outcome, share_of
from noisevote.models.robustness.target import Condition
from noisevote.models.robustness.trials import Found, StepResult, stored

UNBOUNDED = "check/unbounded"
UNBOUNDED_CLIMB = StepKey(UNBOUNDED, role=Role.CLIMB)

REACHED = 0.9
"""Share of the samples that are led to the target class on the surrogate, but for chance."""


def unbounded_steps(plan: Plan, _: Parties, samples: int) -> Iterator[Step]:
    """Yield the steps that attack without a bound."""
    few = min(samples, CHECK_SAMPLES)
    yield Step(UNBOUNDED_CLIMB, MORE * work_of_climb(plan, few), climb_unbounded)
    for conditions in (plan.noiseless, plan.noisy):
        key = StepKey(UNBOUNDED, conditions.name)
        yield verification(key, UNBOUNDED_CLIMB, conditions, FIRST_REPLY, few, is_scored=False)


def climb_unbounded(run: Assessment) -> StepResult:
    """Attack the surrogate in a ball that holds every input."""
    span = run.high - run.low
    if run.plan.norm is Norm.L2:
        span *= float(np.sqrt(run.samples.inputs[0].size))
    attack = run.attack(replace(run.ball, epsilon=span), steps=MORE * run.plan.steps)
    few = run.samples.take(slice(CHECK_SAMPLES))
    surrogate = run.surrogate
    found = attack_surrogate(surrogate, few, attack, 0, run.progress)
    if not run.plan.is_targeted:
        return stored(Found(found.examples))
    answers = surrogate.predictions(few.with_inputs(found.examples), 0)
    return stored(Found(found.examples, few.aim.is_met(answers)))


def unbounded(run: Assessment) -> Outcome:
    """Look whether the accuracy reaches chance when any input is allowed.

    One who wants a class is successful where the surrogate gives it: whether the target does, too,
    is what transfer is about, and not whether the tools work.
    """
    if run.plan.is_targeted:
        return unbounded_targeted(run)
    chance = 1 / run.classes
    shares = {
        condition: share_of(run.trial(StepKey(UNBOUNDED, condition)).is_right[0], run.plan.alpha)
        for condition in Condition
    }
    passed = all(share.interval[0] <= chance for share in shares.values())
    figures = "; ".join(f"{name}: {as_percent(share)}" for name, share in shares.items())
    return passed, f"{figures}; chance is {100 * chance:.1f} %"


def unbounded_targeted(run: Assessment) -> Outcome:
    """Look whether the surrogate gives the target class when any input is allowed."""
    trials = {condition: run.trial(StepKey(UNBOUNDED, condition)) for condition in Condition}
    climbed = share_of(trials[Condition.NOISELESS].believed, run.plan.alpha)
    figures = "; ".join(f"{name}: {outcome(run, trial)}" for name, trial in trials.items())
    passed = climbed.interval[1] >= REACHED
    return passed, f"surrogate: {as_percent(climbed)} the target class; {figures}"


UNBOUNDED_CHECK = CheckRow(
    "unbounded",
    "Without a bound the target falls to chance.",
    unbounded,
    unbounded_steps,
    needs_surrogate=True,
    targeted_question="Without a bound the surrogate is led to the target class.",
)
