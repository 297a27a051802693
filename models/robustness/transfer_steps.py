"""The steps that attack a surrogate and show the examples to the target."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from models.errors import InputError
from models.robustness.plan import MOMENTUM, AttackName, Plan
from models.robustness.run import Run, Step, verification, work_of, work_of_climb
from models.robustness.target import Conditions
from models.robustness.transfer import (
    Restart,
    attack_surrogate,
    attack_with_restarts,
    strongest,
)
from models.robustness.trials import Found, StepResult, found_from

EOT_PGD = "eot_pgd"
"""PGD by an attacker who knows of the noise and averages it out in the surrogate."""

WHITE_BOX = "white_box"
"""PGD on the target's own network: no black-box attack, but what the others fall short of."""


def transfer_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps of all attacks on the surrogate."""
    for attack in plan.surrogate_attacks:
        yield from restart_steps(plan, samples, attack, MOMENTUM[attack])
        yield from judging_steps(plan, samples, attack, plan.noiseless)
        yield from judging_steps(plan, samples, attack, plan.noisy)
    if plan.adaptive:
        yield from restart_steps(plan, samples, EOT_PGD, MOMENTUM[AttackName.PGD], is_noisy=True)
        yield from judging_steps(plan, samples, EOT_PGD, plan.noisy)


def restart_steps(
    plan: Plan, samples: int, attack: str, momentum: float, is_noisy: bool = False
) -> Iterator[Step]:
    """Yield one step a restart on the surrogate."""
    work = work_of_climb(plan, samples, plan.draws if is_noisy else 1)
    for restart in range(plan.restarts):
        do = partial(climb_once, restart=restart, momentum=momentum, is_noisy=is_noisy)
        yield Step(restart_name(attack, restart), work, do)


def climb_once(run: Run, restart: int, momentum: float, is_noisy: bool) -> StepResult:
    """Do one restart."""
    surrogate = run.subject.surrogate
    if is_noisy:
        surrogate = surrogate.with_noise(run.surrogate_noise())
    attack = run.attack(momentum=momentum)
    found = attack_surrogate(surrogate, run.samples, attack, restart, run.watch)
    return StepResult({}, {"examples": found.examples, "losses": found.losses})


def judging_steps(plan: Plan, samples: int, attack: str, conditions: Conditions) -> Iterator[Step]:
    """Yield the steps that show one attack's examples to the target under some conditions.

    First the submitted restart, with the highest loss on the surrogate; then the one that does
    worst on the target, chosen by one query each and judged on fresh noise.
    """
    name = f"{attack}/{conditions.name}"
    worst = f"{attack}/worst {conditions.name}"
    search = f"{worst}/search"
    yield verification(name, partial(submitted, attack=attack), conditions, plan.replies, samples)
    yield Step(
        search,
        work_of(conditions, samples * plan.restarts, 1),
        partial(worst_restarts, attack=attack, conditions=conditions, step=search),
    )
    yield verification(worst, partial(found_by, step=search), conditions, plan.replies, samples)


def restart_name(attack: str, restart: int) -> str:
    """Return the name of the step that does a restart."""
    return f"{attack}/restart {restart}"


def restarts_of(run: Run, attack: str) -> list[Restart]:
    """Return the restarts that were done."""
    results = [run.result(restart_name(attack, restart)) for restart in range(run.plan.restarts)]
    return [Restart(**result.arrays) for result in results]


def submitted(run: Run, attack: str) -> Found:
    """Return for each sample the restart with the highest loss on the surrogate."""
    return Found(strongest(restarts_of(run, attack)).examples)


def found_by(run: Run, step: str) -> Found:
    """Return what an earlier step found."""
    return found_from(run.result(step))


def worst_restarts(run: Run, attack: str, conditions: Conditions, step: str) -> StepResult:
    """Choose for each sample the restart with the lowest margin on the target."""
    oracle = run.oracle(step, conditions)
    restarts = restarts_of(run, attack)
    labels = run.samples.labels
    margins = np.stack([oracle.margins(restart.examples, labels) for restart in restarts])
    worst = margins.argmin(axis=0)
    columns = np.arange(len(labels))
    found = Found(
        np.stack([restart.examples for restart in restarts])[worst, columns],
        believed=margins[worst, columns] < 0,
        queries=np.full(len(labels), len(restarts)),
        bill=oracle.bill,
    )
    return found.stored()


def white_box_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps of the attack on the target's own gradients."""
    for conditions in (plan.noiseless, plan.noisy):
        climb = f"{WHITE_BOX}/{conditions.name}/climb"
        draws = plan.draws if conditions.is_random else 1
        work = work_of_climb(plan, samples, draws) * plan.restarts
        yield Step(climb, work, partial(climb_own, is_noisy=conditions.is_random))
        yield verification(
            f"{WHITE_BOX}/{conditions.name}",
            partial(found_by, step=climb),
            conditions,
            plan.replies,
            samples,
        )


def climb_own(run: Run, is_noisy: bool) -> StepResult:
    """Climb the target's own loss; samples that fall are dropped."""
    own = run.subject.own
    if own is None:
        raise InputError("the target's own network is not at hand", "white_box")
    surrogate = own.with_noise(run.surrogate_noise()) if is_noisy else own
    found = attack_with_restarts(surrogate, run.samples, run.attack(), run.plan.restarts, run.watch)
    return Found(found.examples).stored()
