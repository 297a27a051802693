"""The steps behind the sanity checks: attacks whose outcome is known if the tools are sound."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from models.errors import InputError
from models.robustness.ball import Norm
from models.robustness.plan import AttackName, Plan
from models.robustness.run import Parties, Run, Step, verification, work_of_climb
from models.robustness.samples import Samples
from models.robustness.target import Conditions
from models.robustness.transfer import (
    SurrogateNoise,
    TransferAttack,
    attack_surrogate,
    attack_with_restarts,
)
from models.robustness.transfer_steps import found_by, submitted
from models.robustness.trials import Found, StepResult

CHECK_SAMPLES = 50
"""Samples of the checks that need attacks of their own."""

FROZEN_SAMPLES = 20
FROZEN_VOTES = 5
"""Samples and votes of the attack on frozen noise, which climbs all votes at once."""

MORE = 2
"""Times as many steps, to see whether more of them would find more."""

FROZEN = "check/frozen"
UNBOUNDED = "check/unbounded"
CONVERGED = "check/convergence"
UNDEFENDED = "check/undefended"
START, SINGLE, PLANNED, FURTHER = "start", "single", "planned", "more"
"""How many steps: none, one, those of the plan, and :data:`MORE` times as many."""


def check_steps(plan: Plan, subject: Parties, samples: int) -> Iterator[Step]:
    """Yield the steps of the checks that are possible."""
    few = min(samples, CHECK_SAMPLES)
    if plan.white_box and subject.own is not None and subject.may_freeze:
        yield from frozen_steps(plan, min(samples, FROZEN_SAMPLES))
    climb = f"{UNBOUNDED}/climb"
    yield Step(climb, MORE * work_of_climb(plan, few), climb_unbounded)
    for conditions in (plan.noiseless, plan.noisy):
        name = f"{UNBOUNDED}/{conditions.name}"
        found = partial(found_by, step=climb)
        yield verification(name, found, conditions, plan.sweep_replies, few)
    yield Step(CONVERGED, (1 + MORE) * work_of_climb(plan, few), climb_further)
    for climbed in (PLANNED, FURTHER):
        for conditions in (plan.noiseless, plan.noisy):
            yield verification(
                f"{CONVERGED}/{climbed}/{conditions.name}",
                partial(climbed_to, climbed=climbed),
                conditions,
                plan.sweep_replies,
                few,
            )
    if subject.undefended is not None:
        for kind, shown in (
            ("attacked", partial(submitted, attack=AttackName.PGD)),
            ("clean", own),
        ):
            yield verification(
                f"{UNDEFENDED}/{kind}", shown, plan.noiseless, 1, samples, undefended=True
            )


def own(run: Run) -> Found:
    """Return the samples themselves."""
    return Found(run.samples.inputs)


def frozen_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps that attack the target's own network on noise fixed to one seed."""
    frozen = Conditions(plan.sigma, min(plan.votes, FROZEN_VOTES), seed=plan.seed)
    climb = f"{FROZEN}/climb"
    work = work_of_climb(plan, samples, frozen.votes) * plan.restarts
    yield Step(climb, work, partial(climb_frozen, draws=frozen.votes))
    yield verification(FROZEN, partial(found_by, step=climb), frozen, 1, samples)


def climb_frozen(run: Run, draws: int) -> StepResult:
    """Climb the loss under exactly the noise that the target will meet."""
    own = run.subject.own
    if own is None:
        raise InputError("the target's own network is not at hand", "white_box")
    plan = run.plan
    noise = SurrogateNoise(plan.kind, plan.sigma, draws, plan.seed, is_frozen=True)
    few = run.samples.take(slice(FROZEN_SAMPLES))
    found = attack_with_restarts(own.with_noise(noise), few, run.attack(), plan.restarts, run.watch)
    return Found(found.examples).stored()


def few_samples(run: Run) -> Samples:
    """Return the samples of the checks that need attacks of their own."""
    return run.samples.take(slice(CHECK_SAMPLES))


def climb_unbounded(run: Run) -> StepResult:
    """Attack the surrogate in a ball that holds every input."""
    span = run.high - run.low
    if run.plan.norm is Norm.L2:
        span *= float(np.sqrt(run.samples.inputs[0].size))
    attack = run.attack(replace(run.ball, epsilon=span), steps=MORE * run.plan.steps)
    found = attack_surrogate(run.subject.surrogate, few_samples(run), attack, 0, run.watch)
    return Found(found.examples).stored()


def climb_further(run: Run) -> StepResult:
    """Attack the surrogate with no step, with one, with those of the plan and with more."""
    plan = run.plan
    single = TransferAttack(run.ball, plan.epsilon, 1, has_random_start=False, seed=plan.seed)
    attacks = {
        START: replace(run.attack(), steps=0),
        SINGLE: single,
        PLANNED: run.attack(),
        FURTHER: run.attack(steps=MORE * plan.steps),
    }
    few = few_samples(run)
    surrogate = run.subject.surrogate
    arrays = {}
    for name, attack in attacks.items():
        found = attack_surrogate(surrogate, few, attack, 0, run.watch)
        attacked = few.with_inputs(found.examples)
        arrays[name] = surrogate.predictions(attacked, 0) == few.labels
        arrays[f"{name}_losses"] = found.losses
        if name in {PLANNED, FURTHER}:
            arrays[f"{name}_examples"] = found.examples
    return StepResult({}, arrays)


def climbed_to(run: Run, climbed: str) -> Found:
    """Return what so many steps came to."""
    return Found(run.result(CONVERGED).arrays[f"{climbed}_examples"])
