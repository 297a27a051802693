"""The steps of the sweeps: PGD's examples over sigma and votes, PGD anew over epsilon.

The examples do not depend on the target's noise, so those of the plan are shown again. Sweeps over
epsilon do with one restart.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from models.robustness.plan import AttackName, Plan
from models.robustness.run import Run, Step, verification, work_of_climb
from models.robustness.target import Conditions
from models.robustness.transfer import attack_surrogate
from models.robustness.transfer_steps import found_by, submitted
from models.robustness.trials import Found, StepResult


def sweep_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps of the sweeps over sigma, votes and epsilon."""
    for sigma in plan.sigmas:
        yield from both(plan, samples, f"sweep/sigma {sigma:g}", Conditions(sigma, plan.votes))
    for votes in plan.vote_numbers:
        yield from both(plan, samples, f"sweep/votes {votes}", Conditions(plan.sigma, votes))
    for epsilon in plan.epsilons:
        yield from epsilon_steps(plan, samples, epsilon)


def both(plan: Plan, samples: int, name: str, conditions: Conditions) -> Iterator[Step]:
    """Yield the steps that show PGD's examples and the samples themselves."""
    attacked: Callable[[Run], Found] = partial(submitted, attack=AttackName.PGD)
    for kind, found in (("attacked", attacked), ("clean", untouched)):
        yield verification(f"{name}/{kind}", found, conditions, plan.sweep_replies, samples)


def untouched(run: Run) -> Found:
    """Return the samples themselves."""
    return Found(run.samples.inputs)


def epsilon_steps(plan: Plan, samples: int, epsilon: float) -> Iterator[Step]:
    """Yield the steps of one epsilon."""
    name = f"sweep/epsilon {epsilon:g}"
    climb = f"{name}/climb"
    yield Step(climb, work_of_climb(plan, samples), partial(climb_within, epsilon=epsilon))
    for conditions in (plan.noiseless, plan.noisy):
        yield verification(
            f"{name}/{conditions.name}",
            partial(found_by, step=climb),
            conditions,
            plan.sweep_replies,
            samples,
        )


def climb_within(run: Run, epsilon: float) -> StepResult:
    """Do one restart within another epsilon."""
    attack = run.attack(replace(run.ball, epsilon=epsilon))
    found = attack_surrogate(run.subject.surrogate, run.samples, attack, 0, run.watch)
    return Found(found.examples).stored()
