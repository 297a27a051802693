"""The sweeps of a report: which steps are their points."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from models.robustness.plan import AttackName
from models.robustness.query_steps import ADAPTIVE_SQUARE, budget_name
from models.robustness.report import SweepPoint
from models.robustness.run import Run
from models.robustness.scores import paired_trials, share_of


class Place(NamedTuple):
    """One point of a sweep: where it stands, its step, and the noiseless step it is set against."""

    at: float
    curve: str
    step: str
    against: str | None = None


def sweeps_of(run: Run) -> dict[str, tuple[SweepPoint, ...]]:
    """Return the points of all sweeps that are there."""
    sweeps = {
        "sigma": over_noise("sigma", run.plan.sigmas),
        "votes": over_noise("votes", run.plan.vote_numbers),
        "epsilon": over_epsilon(run.plan.epsilons),
        "queries": over_queries(run.plan.query_budgets),
    }
    found = {name: tuple(points_of(run, places)) for name, places in sweeps.items()}
    return {name: points for name, points in found.items() if points}


def over_noise(name: str, values: Sequence[float]) -> Iterator[Place]:
    """Yield the places of a sweep over the target's noise, under PGD and without attack."""
    for at in values:
        yield Place(
            at, AttackName.PGD, f"sweep/{name} {at:g}/attacked", f"{AttackName.PGD}/noiseless"
        )
        yield Place(at, "clean", f"sweep/{name} {at:g}/clean", "clean/noiseless")


def over_epsilon(epsilons: Sequence[float]) -> Iterator[Place]:
    """Yield the places of the sweep over epsilon."""
    for at in epsilons:
        noiseless = f"sweep/epsilon {at:g}/noiseless"
        yield Place(at, f"{AttackName.PGD}, noiseless", noiseless)
        yield Place(at, f"{AttackName.PGD}, noisy", f"sweep/epsilon {at:g}/noisy", noiseless)


def over_queries(budgets: Sequence[int]) -> Iterator[Place]:
    """Yield the places of the sweep over queries."""
    for attack in (AttackName.SQUARE, ADAPTIVE_SQUARE):
        for condition in ("noiseless", "noisy"):
            for at in budgets:
                step = budget_name(attack, condition, at)
                plain = budget_name(AttackName.SQUARE, "noiseless", at)
                against = plain if condition == "noisy" else None
                yield Place(at, f"{attack}, {condition}", step, against)


def points_of(run: Run, places: Iterator[Place]) -> Iterator[SweepPoint]:
    """Yield the points that have been asked for."""
    for place in places:
        if (trial := run.find(place.step)) is None:
            continue
        against = None if place.against is None else run.find(place.against)
        yield SweepPoint(
            at=place.at,
            curve=place.curve,
            accuracy=share_of(trial.is_right[0], run.plan.alpha),
            mean_accuracy=float(trial.is_right.mean()),
            paired=paired_trials(trial, against),
        )
