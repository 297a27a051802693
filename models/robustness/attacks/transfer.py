"""Attacks on a surrogate, whose examples are then shown to the target, and their upper bound."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from noisevote.models.errors import InputError
from noisevote.models.robustness.attacks.attack import Attack, Sees
from noisevote.models.robustness.pgd import (
    Restart,
    attack_surrogate,
    attack_with_restarts,
    strongest,
)
from noisevote.models.robustness.plan import AttackName, Plan
from noisevote.models.robustness.run import (
    Assessment,
    Role,
    Step,
    StepKey,
    verification,
    work_of,
    work_of_climb,
)
from noisevote.models.robustness.target import Conditions
from noisevote.models.robustness.trials import Found, StepResult, stored


def transfer_steps(
    attack: Attack, plan: Plan, samples: int, momentum: float = 0.0
) -> Iterator[Step]:
    """Yield a step for each restart on the surrogate, then those that judge what was found."""
    work = work_of_climb(plan, samples, plan.draws if attack.is_adaptive else 1)
    for restart in range(plan.restarts):
        do = partial(climb_once, attack=attack, restart=restart, momentum=momentum)
        yield Step(attack.restart(restart), work, do)
    for conditions in attack.conditions(plan):
        yield from judging_steps(attack, plan, samples, conditions)


def climb_once(run: Assessment, attack: Attack, restart: int, momentum: float) -> StepResult:
    """Do one restart."""
    surrogate = run.surrogate
    if attack.is_adaptive:
        surrogate = surrogate.with_noise(run.surrogate_noise())
    settings = run.attack(momentum=momentum)
    found = attack_surrogate(surrogate, run.samples, settings, restart, run.progress)
    return StepResult({}, {"examples": found.examples, "losses": found.losses})


def judging_steps(
    attack: Attack, plan: Plan, samples: int, conditions: Conditions
) -> Iterator[Step]:
    """Yield the steps that show one attack's examples to the target under some conditions.

    First the submitted restart, with the highest loss on the surrogate; then the one that does
    worst on the target, chosen by one query each and judged on fresh noise.
    """
    shown = partial(submitted, attack=attack)
    yield verification(attack.key(conditions.name), shown, conditions, plan.replies, samples)
    search = StepKey(attack.name, conditions.name, Role.SEARCH, is_worst=True)
    yield Step(
        search,
        work_of(conditions, samples * plan.restarts, 1),
        partial(worst_restarts, attack=attack, conditions=conditions, key=search),
    )
    worst = attack.key(conditions.name, is_worst=True)
    yield verification(worst, search, conditions, plan.replies, samples)


def restarts_of(run: Assessment, attack: Attack) -> list[Restart]:
    """Return the restarts that were done."""
    return [restart_of(run, attack, number) for number in range(run.plan.restarts)]


def restart_of(run: Assessment, attack: Attack, number: int) -> Restart:
    """Return one of the restarts that were done."""
    return Restart(**run.result(attack.restart(number)).arrays)


def submitted(run: Assessment, attack: Attack) -> Found:
    """Return for each sample the restart with the highest loss on the surrogate."""
    return Found(strongest(restarts_of(run, attack)).examples)


def worst_restarts(
    run: Assessment, attack: Attack, conditions: Conditions, key: StepKey
) -> StepResult:
    """Choose for each sample the restart with the lowest margin on the target."""
    oracle = run.oracle(key, conditions)
    restarts = restarts_of(run, attack)
    aim = run.samples.aim
    margins = np.stack([oracle.margins(restart.examples, aim) for restart in restarts])
    worst = margins.argmin(axis=0)
    columns = np.arange(len(worst))
    found = Found(
        np.stack([restart.examples for restart in restarts])[worst, columns],
        believed=margins[worst, columns] < 0,
        queries=np.full(len(worst), len(restarts)),
        bill=oracle.bill,
    )
    return stored(found)


def white_box_steps(attack: Attack, plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps of the attack on the target's own gradients."""
    for conditions in attack.conditions(plan):
        climb = StepKey(attack.name, conditions.name, Role.CLIMB)
        draws = plan.draws if conditions.is_random else 1
        work = work_of_climb(plan, samples, draws) * plan.restarts
        yield Step(climb, work, partial(climb_own, is_noisy=conditions.is_random))
        key = attack.key(conditions.name)
        yield verification(key, climb, conditions, plan.replies, samples)


def climb_own(run: Assessment, is_noisy: bool) -> StepResult:
    """Climb the target's own loss; samples that fall are dropped."""
    own = run.subject.own
    if own is None:
        raise InputError("the target's own network is not at hand", "white_box")
    surrogate = own.with_noise(run.surrogate_noise()) if is_noisy else own
    settings = run.attack()
    found = attack_with_restarts(surrogate, run.samples, settings, run.plan.restarts, run.progress)
    return stored(Found(found.examples))


PGD = Attack(
    AttackName.PGD.value,
    "PGD on the surrogate",
    "transfer",
    Sees.NOTHING,
    transfer_steps,
    title="PGD",
    needs_surrogate=True,
)
MOMENTUM_PGD = Attack(
    AttackName.MOMENTUM_PGD.value,
    "momentum PGD on the surrogate",
    "transfer",
    Sees.NOTHING,
    partial(transfer_steps, momentum=1.0),
    needs_surrogate=True,
)
EOT_PGD = Attack(
    "eot_pgd",
    "adaptive: PGD on the surrogate behind noise like the target's, averaged out",
    "transfer",
    Sees.NOTHING,
    transfer_steps,
    is_adaptive=True,
    plain=PGD,
    adaptive_how=lambda plan: (
        f"average gradients over {plan.draws} draws of noise in the surrogate"
    ),
    needs_surrogate=True,
    averages_noise=True,
)
WHITE_BOX = Attack(
    "white_box",
    "upper bound, not black-box: PGD on the target itself, its noise averaged out",
    "upper bound",
    Sees.GRADIENTS,
    white_box_steps,
    is_adaptive=True,
    averages_noise=True,
)
