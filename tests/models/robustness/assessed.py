"""Small assessments of a line that is cut in three: the plan, and how it is run."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.report import About, AboutSamples, AttackRow, Report
from noisevote.models.robustness.run import Assessment, Subject
from noisevote.models.robustness.target import Target
from noisevote.models.robustness.trials import MemoryState, State
from tests.models.robustness.worlds import LineSurrogate, LineTarget, line_samples

PLAN = Plan(
    kind=NoiseKind.ADDITIVE,
    sigma=0.05,
    votes=5,
    epsilon=0.15,
    step_size=0.06,
    steps=6,
    restarts=2,
    queries=30,
    query_samples=30,
    replies=5,
    sweep_replies=3,
    sigmas=(0.0, 0.05, 0.1),
    epsilons=(0.05, 0.1, 0.2),
    vote_numbers=(1, 5),
    draws=2,
)
SHORT = Plan.model_validate(
    PLAN.model_dump()
    | {"attacks": ("pgd",), "sigmas": (), "epsilons": (), "vote_numbers": (), "adaptive": False}
)
ABOUT = About(
    target="line",
    target_fingerprint="0",
    surrogate="line",
    surrogate_fingerprint="0",
    undefended="line",
    labels=("left", "middle", "right"),
    samples=AboutSamples(source="made up", indices=(), digest=""),
    interface="in the process",
    versions={},
)


def subject_of(target: Callable[[int], Target] = LineTarget, **changes: Any) -> Subject:
    line = LineSurrogate()
    return replace(Subject(target, line, own=line, undefended=LineTarget), **changes)


def run_of(
    plan: Plan = PLAN,
    subject: Subject | None = None,
    samples: Samples | None = None,
    state: State | None = None,
    progress: Progress | None = None,
) -> Assessment:
    return Assessment(
        plan=plan,
        subject=subject or subject_of(),
        samples=samples or line_samples(60),
        low=0.0,
        high=1.0,
        classes=3,
        state=state or MemoryState(),
        progress=progress or Progress(),
    )


def changed(**changes: Any) -> Plan:
    return Plan.model_validate(PLAN.model_dump() | changes)


def row(report: Report, attack: str) -> AttackRow:
    return next(row for row in report.attacks if row.attack == attack)


class Guarded(LineTarget):
    """A target whose noise really protects: with it no attack changes anything."""

    def vote_counts(self, inputs: Any, conditions: Any, stop: Any) -> Any:
        if conditions.sigma > 0:
            nearest = line_samples(60).inputs
            distances = np.abs(inputs[:, np.newaxis] - nearest).max(axis=(2, 3, 4))
            known = distances.min(axis=1) <= 0.3
            inputs = np.where(known[:, None, None, None], nearest[distances.argmin(axis=1)], inputs)
            conditions = replace(conditions, sigma=1e-9, seed=None)
        return super().vote_counts(inputs, conditions, stop)
