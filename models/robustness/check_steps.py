"""The steps behind the sanity checks: attacks whose outcome is known if the tools are sound."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from models.robustness.ball import Norm
from models.robustness.plan import AttackName, Plan
from models.robustness.query_steps import found_by_queries
from models.robustness.run import Run, Step, Subject, verification, work_of, work_of_climb
from models.robustness.samples import Samples
from models.robustness.square import SquareAttack, square_attack
from models.robustness.target import Conditions
from models.robustness.transfer import TransferAttack, attack_surrogate
from models.robustness.transfer_steps import found_by, submitted
from models.robustness.trials import Found, StepResult

CHECK_SAMPLES = 50
"""Samples of the checks that need attacks of their own."""

MORE = 2
"""Times as many steps, to see whether more of them would find more."""

FROZEN = "check/frozen"
UNBOUNDED = "check/unbounded"
CONVERGED = "check/convergence"
UNDEFENDED = "check/undefended"


def check_steps(plan: Plan, subject: Subject, samples: int) -> Iterator[Step]:
    """Yield the steps of the checks that are possible."""
    few = min(samples, CHECK_SAMPLES)
    if plan.has(AttackName.SQUARE) and subject.may_freeze:
        yield from frozen_steps(plan, min(samples, plan.query_samples))
    climb = f"{UNBOUNDED}/climb"
    yield Step(climb, MORE * work_of_climb(plan, few), climb_unbounded)
    for conditions in (plan.noiseless, plan.noisy):
        name = f"{UNBOUNDED}/{conditions.name}"
        found = partial(found_by, step=climb)
        yield verification(name, found, conditions, plan.sweep_replies, few)
    yield Step(CONVERGED, (1 + MORE) * work_of_climb(plan, few), climb_further)
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


def frozen_steps(plan: Plan, count: int) -> Iterator[Step]:
    """Yield the steps that attack the target with its noise fixed to one seed."""
    frozen = Conditions(plan.sigma, plan.votes, seed=plan.seed)
    search = f"{FROZEN}/search"
    yield Step(
        search,
        work_of(frozen, count * plan.queries, 1),
        partial(search_frozen, conditions=frozen, step=search),
    )
    yield verification(FROZEN, partial(found_by, step=search), frozen, 1, count)


def search_frozen(run: Run, conditions: Conditions, step: str) -> StepResult:
    """Run the Square attack on frozen noise."""
    oracle = run.oracle(step, conditions)
    attack = SquareAttack(run.ball, run.plan.queries, run.plan.seed)
    found = square_attack(oracle, run.query_samples, attack)
    return found_by_queries(found, oracle.bill).stored()


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
    """Attack the surrogate with one step, with those of the plan and with more."""
    plan = run.plan
    single = TransferAttack(run.ball, plan.epsilon, 1, has_random_start=False, seed=plan.seed)
    attacks = {
        "single": single,
        "planned": run.attack(),
        "more": run.attack(steps=MORE * plan.steps),
    }
    few = few_samples(run)
    surrogate = run.subject.surrogate
    arrays = {}
    for name, attack in attacks.items():
        found = attack_surrogate(surrogate, few, attack, 0, run.watch)
        attacked = few.with_inputs(found.examples)
        arrays[name] = surrogate.predictions(attacked, 0) == few.labels
        arrays[f"{name}_losses"] = found.losses
    return StepResult({}, arrays)
