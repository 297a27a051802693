"""The sweeps: PGD's examples over sigma and votes, PGD anew over epsilon, budgets of queries.

The examples do not depend on the target's noise, so those of the plan are shown again. Sweeps over
epsilon do with one restart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from noisevote.models.robustness.attacks import planned
from noisevote.models.robustness.attacks.transfer import PGD, restart_of, submitted
from noisevote.models.robustness.pgd import attack_surrogate
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import SweepPoint
from noisevote.models.robustness.run import (
    Assessment,
    Role,
    Step,
    StepKey,
    untouched,
    verification,
    work_of_climb,
)
from noisevote.models.robustness.scores import CLEAN_NOISELESS, paired_trials, share_of
from noisevote.models.robustness.target import Condition, Conditions
from noisevote.models.robustness.trials import Found, StepResult, Trial, stored


class Place(NamedTuple):
    """One point of a sweep: where it stands, its step, and the noiseless step it is set against."""

    at: float
    curve: str
    key: StepKey
    against: StepKey | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep.

    Attributes:
        name: name in reports.
        steps: yields its steps for a plan and a number of samples.
        places: yields its points.
        title: title of its section.
        x_name: what is varied.
        note: what to bear in mind.
    """

    name: str
    steps: Callable[[Plan, int], Iterator[Step]]
    places: Callable[[Plan], Iterator[Place]]
    title: str
    x_name: str
    note: str


def sweeps_of(run: Assessment) -> dict[str, tuple[SweepPoint, ...]]:
    """Return the points of all sweeps that are there."""
    found = {sweep.name: tuple(points_of(run, sweep.places(run.plan))) for sweep in SWEEPS}
    return {name: points for name, points in found.items() if points}


def points_of(run: Assessment, places: Iterator[Place]) -> Iterator[SweepPoint]:
    """Yield the points that have been asked for."""
    for place in places:
        if (trial := run.find(place.key)) is None:
            continue
        against = None if place.against is None else run.find(place.against)
        yield SweepPoint(
            at=place.at,
            curve=place.curve,
            accuracy=share_of(trial.is_right[0], run.plan.alpha),
            mean_accuracy=float(trial.is_right.mean()),
            paired=paired_trials(trial, against),
            **reached_in(trial, run.plan.alpha),
        )


def reached_in(trial: Trial, alpha: float) -> dict[str, Any]:
    """Return the figures of a point about the target class, if one is wanted."""
    if trial.target_classes is None:
        return {}
    reached = ~trial.withstood
    return {"reached": share_of(reached[0], alpha), "mean_reached": float(reached.mean())}


def point(sweep: str, at: float) -> str:
    """Return what the steps of one point are named after."""
    return f"sweep/{sweep} {at:g}"


def targets(plan: Plan, sweep: str) -> list[tuple[float, Conditions]]:
    """Return the points of a sweep over the target's noise or its votes."""
    if sweep == "sigma":
        return [(sigma, replace(plan.noisy, sigma=sigma)) for sigma in plan.sigmas]
    return [(votes, replace(plan.noisy, votes=votes)) for votes in plan.vote_numbers]


def target_steps(plan: Plan, samples: int, sweep: str) -> Iterator[Step]:
    """Yield the steps that show PGD's examples, and the samples themselves, to other targets."""
    attacked = partial(submitted, attack=PGD)
    for at, conditions in targets(plan, sweep):
        for role, found in ((Role.ATTACKED, attacked), (Role.CLEAN, untouched)):
            key = StepKey(point(sweep, at), role=role)
            replies = plan.sweep_replies
            yield verification(key, found, conditions, replies, samples, is_scored=False)


def target_places(plan: Plan, sweep: str) -> Iterator[Place]:
    """Yield the places of such a sweep, under PGD and without attack."""
    for at, _ in targets(plan, sweep):
        attacked, clean = (StepKey(point(sweep, at), role=r) for r in (Role.ATTACKED, Role.CLEAN))
        yield Place(at, PGD.name, attacked, PGD.key(Condition.NOISELESS))
        yield Place(at, "clean", clean, CLEAN_NOISELESS)


def epsilon_key(epsilon: float, condition: Condition) -> StepKey:
    """Return the step that judges PGD within another epsilon."""
    return StepKey(point("epsilon", epsilon), condition)


def epsilon_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps that attack within each epsilon and show what was found."""
    for epsilon in plan.epsilons:
        climb = StepKey(point("epsilon", epsilon), role=Role.CLIMB)
        yield Step(climb, work_of_climb(plan, samples), partial(climb_within, epsilon=epsilon))
        for conditions in (plan.noiseless, plan.noisy):
            key = epsilon_key(epsilon, conditions.name)
            replies = plan.sweep_replies
            yield verification(key, climb, conditions, replies, samples, is_scored=False)


def climb_within(run: Assessment, epsilon: float) -> StepResult:
    """Do one restart within another epsilon; within that of the plan, PGD has done it."""
    if epsilon == run.plan.epsilon:
        return stored(Found(restart_of(run, PGD, 0).examples))
    attack = run.attack(replace(run.ball, epsilon=epsilon))
    found = attack_surrogate(run.surrogate, run.samples, attack, 0, run.progress)
    return stored(Found(found.examples))


def epsilon_places(plan: Plan) -> Iterator[Place]:
    """Yield the places of the sweep over epsilon."""
    for at in plan.epsilons:
        noiseless, noisy = (epsilon_key(at, condition) for condition in Condition)
        yield Place(at, f"{PGD.name}, noiseless", noiseless)
        yield Place(at, f"{PGD.name}, noisy", noisy, noiseless)


def query_places(plan: Plan) -> Iterator[Place]:
    """Yield the places of the sweep over queries; its steps are those of the attacks themselves."""
    for attack in planned(plan):
        if not attack.has_budgets:
            continue
        for conditions in attack.conditions(plan):
            for queries in plan.query_budgets:
                key = attack.budget(conditions.name, queries)
                plain = attack.compared_with.budget(Condition.NOISELESS, queries)
                against = None if key == plain else plain
                yield Place(queries, f"{attack.name}, {conditions.name}", key, against)


SWEEPS = (
    Sweep(
        "sigma",
        partial(target_steps, sweep="sigma"),
        partial(target_places, sweep="sigma"),
        "Robust accuracy over sigma",
        "sigma of the target's noise",
        "Under pgd, which does not reckon with the noise, and without attack (clean). The same "
        "examples at every sigma: that they do less at a larger one is no "
        "proof that the noise protects.",
    ),
    Sweep(
        "votes",
        partial(target_steps, sweep="votes"),
        partial(target_places, sweep="votes"),
        "Robust accuracy over votes",
        "votes N of each reply",
        "Under pgd, the same examples at every N, and without attack (clean).",
    ),
    Sweep(
        "epsilon",
        epsilon_steps,
        epsilon_places,
        "Robust accuracy over epsilon",
        "epsilon, largest perturbation",
        "Under pgd with one restart for each epsilon.",
    ),
    Sweep(
        "queries",
        lambda *_: iter(()),
        query_places,
        "Robust accuracy over queries",
        "queries per sample",
        "What Square had found within so many queries, judged on fresh noise.",
    ),
)
"""In the order of a report."""
