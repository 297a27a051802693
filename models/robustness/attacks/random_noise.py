"""The control: random noise of the same size, which an attack must beat to be one."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from noisevote.models.robustness.attacks.attack import Attack, Sees
from noisevote.models.robustness.attacks.square import MarginOracle, QueryResult
from noisevote.models.robustness.ball import Ball, Purpose, Samples, generator_for
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.run import Assessment, Role, Step, StepKey, verification, work_of
from noisevote.models.robustness.target import Conditions
from noisevote.models.robustness.trials import StepResult

TRIES = 10


def random_control(
    oracle: MarginOracle, samples: Samples, ball: Ball, tries: int, seed: int
) -> QueryResult:
    """Return for each sample the random point at full distance with the lowest margin.

    Source: N. Carlini et al., arXiv 1902.06705, section 4.3, "try random noise".

    Args:
        oracle: oracle that is asked once a try.
        samples: samples that are perturbed.
        ball: ball on whose surface points are drawn.
        tries: points drawn per sample.
        seed: seed of the draws.
    """
    generators = [generator_for(seed, Purpose.CONTROL, i) for i in samples.indices.tolist()]
    best = samples.inputs.copy()
    margins: NDArray[np.float64] = np.full(len(samples), np.inf)
    for _ in range(tries):
        points = ball.random_on_surface(samples.inputs, generators)
        found = oracle.margins(points, samples.aim)
        lower = found < margins
        best[lower], margins[lower] = points[lower], found[lower]
    queries = np.full(len(samples), tries)
    return QueryResult(best, margins, queries, best[np.newaxis][:0])


def control_steps(attack: Attack, plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps that try random noise of the same size."""
    for conditions in attack.conditions(plan):
        search = StepKey(attack.name, conditions.name, Role.SEARCH)
        yield Step(
            search,
            work_of(conditions, samples, TRIES),
            partial(try_random_noise, conditions=conditions, key=search),
        )
        key = attack.key(conditions.name)
        yield verification(key, search, conditions, plan.replies, samples)


def try_random_noise(run: Assessment, conditions: Conditions, key: StepKey) -> StepResult:
    """Look for the random points with the lowest margins."""
    oracle = run.oracle(key, conditions)
    found = random_control(oracle, run.samples, run.ball, TRIES, run.plan.seed)
    return found.stored(oracle.bill)


RANDOM_NOISE = Attack(
    "random_noise",
    f"control, no attack: the best of {TRIES} random points",
    "control",
    Sees.SCORES,
    control_steps,
    times_votes=1,
)
