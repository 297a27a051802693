"""The Square attack, a random search for a lower margin, against a target that may be random.

Against noise the libraries count luck as success: they keep the lowest of many noisy margins and
stop at the first that is negative. Here a margin is a mean over votes; a move that seems to help
is asked for once more and taken only by the mean of both; the present point is asked again now and
then; nothing stops before all votes of a point are on one class that is wanted; and what is found
is for others to verify on fresh noise.

Source: M. Andriushchenko et al., arXiv 1912.00049.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from noisevote.models.errors import InputError
from noisevote.models.robustness.aim import Aim
from noisevote.models.robustness.attacks.attack import Attack, Sees
from noisevote.models.robustness.attacks.square_moves import changed_share, first_move, next_move
from noisevote.models.robustness.ball import Ball, Purpose, Samples, generator_for
from noisevote.models.robustness.plan import ADAPTIVE_VOTES, AttackName, Plan
from noisevote.models.robustness.run import Assessment, Role, Step, StepKey, verification, work_of
from noisevote.models.robustness.target import Bill, Conditions
from noisevote.models.robustness.trials import Found, StepResult, stored

EXTRA_QUERIES = 1.1
"""Queries of a search per query of its budget, when all samples resist; to estimate work."""

ASKED_AGAIN_EVERY = 20
"""Moves after which a noisy margin of the present point is measured once more."""


class MarginOracle(Protocol):
    """What the attack asks: how far votes are from the aim; negative where it is met."""

    @property
    def is_random(self) -> bool:
        """Whether the same question may get another reply."""

    def margins(self, inputs: NDArray[np.float32], aim: Aim) -> NDArray[np.float64]:
        """Return the margin of each input ``[n]``."""


@dataclass(frozen=True, slots=True)
class SquareAttack:
    """Settings of the attack.

    Attributes:
        ball: where examples may lie.
        queries: most of them, per sample.
        seed: seed of the moves.
        first_share: share of the pixels that the first moves change.
        goal: margin at which nothing more is to be gained; -1 is all votes on one class that is
            wanted.
    """

    ball: Ball
    queries: int
    seed: int = 0
    first_share: float = 0.8
    goal: float = -1.0


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What an attack by queries found.

    Attributes:
        examples: the best points ``[n, *shape]``.
        margins: their margins, as the attacker measured them ``[n]``.
        queries: spent on each sample ``[n]``.
        by_budget: the best points within each smaller budget ``[budgets, n, *shape]``.
    """

    examples: NDArray[np.float32]
    margins: NDArray[np.float64]
    queries: NDArray[np.int64]
    by_budget: NDArray[np.float32]

    def stored(self, bill: Bill) -> StepResult:
        """Return it as a step's result; the attacker believes in every negative margin."""
        believed = self.margins < 0
        return stored(Found(self.examples, believed, self.queries, bill, self.by_budget))


def square_attack(
    oracle: MarginOracle, samples: Samples, attack: SquareAttack, budgets: Sequence[int] = ()
) -> QueryResult:
    """Search each sample's ball for the lowest margin.

    Args:
        oracle: oracle that is asked.
        samples: pictures ``[n, channels, height, width]``.
        attack: settings.
        budgets: numbers of queries whose best points are kept, too.

    Raises:
        InputError: the samples are no pictures.
    """
    if samples.inputs.ndim != 4:
        raise InputError(
            f"the Square attack needs pictures of shape [channels, height, width]; the inputs have "
            f"{list(samples.inputs.shape[1:])}",
            "attacks",
        )
    search = SquareSearch(oracle, samples, attack, np.array(budgets, np.int64))
    while len(active := search.active()) > 0:
        search.move(active)
    return QueryResult(search.best, search.margins, search.queries, search.by_budget)


class SquareSearch:
    """The state of the search: the best point of each sample, its margin and its cost."""

    def __init__(
        self,
        oracle: MarginOracle,
        samples: Samples,
        attack: SquareAttack,
        budgets: NDArray[np.int64],
    ) -> None:
        self._oracle = oracle
        self._samples = samples
        self._attack = attack
        self._budgets = budgets
        self._moves = 0
        self._generators = [
            generator_for(attack.seed, Purpose.SQUARE, index) for index in samples.indices.tolist()
        ]
        self.best = np.stack(
            [
                first_move(picture, attack.ball, generator)
                for picture, generator in zip(samples.inputs, self._generators, strict=True)
            ]
        )
        self.margins = oracle.margins(self.best, samples.aim)
        self._measured = np.ones(len(samples), np.int64)
        self.queries = np.ones(len(samples), np.int64)
        self.by_budget = np.repeat(self.best[np.newaxis], len(budgets), axis=0)

    def active(self) -> NDArray[np.int64]:
        """Return the samples that have queries left and something to gain.

        A noisy margin must be measured twice before it is believed.
        """
        trusted = self._measured > self._oracle.is_random
        is_done = (self.margins <= self._attack.goal) & trusted
        return np.flatnonzero((self.queries < self._attack.queries) & ~is_done)

    def move(self, active: NDArray[np.int64]) -> None:
        """Try one move on each active sample."""
        self._moves += 1
        doubtful = (self.margins[active] <= self._attack.goal) & self._oracle.is_random
        if self._oracle.is_random and self._moves % ASKED_AGAIN_EVERY == 0:
            doubtful[:] = True
        self._measure_again(active[doubtful])
        moving = active[~doubtful]
        if len(moving) == 0:
            return
        tried = np.stack([self._tried(sample) for sample in moving.tolist()])
        margins = self._ask(tried, moving)
        helps = margins < self.margins[moving]
        counts = np.ones(len(moving), np.int64)
        again = np.flatnonzero(helps & (self.queries[moving] < self._attack.queries))
        if self._oracle.is_random and len(again) > 0:
            second = self._ask(tried[again], moving[again])
            margins[again] = (margins[again] + second) / 2
            counts[again] = 2
            helps = margins < self.margins[moving]
        # A move that changes nothing is taken, too: on a plateau, where all votes agree, standing
        # still would try the same neighbourhood for ever.
        self._take(moving, tried, margins, counts, helps | (margins == self.margins[moving]))

    def _tried(self, sample: int) -> NDArray[np.float32]:
        """Return a sample's next point."""
        attack = self._attack
        share = changed_share(attack.first_share, self.queries[sample] / attack.queries)
        generator = self._generators[sample]
        picture = self._samples.inputs[sample]
        return next_move(picture, self.best[sample], attack.ball, share, generator)

    def _ask(self, points: NDArray[np.float32], samples: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the margins of points, one a sample, and count the queries."""
        self.queries[samples] += 1
        return self._oracle.margins(points, self._samples.aim.take(samples))

    def _measure_again(self, samples: NDArray[np.int64]) -> None:
        """Average another measurement into the margins of the present points."""
        if len(samples) == 0:
            return
        margins = self._ask(self.best[samples], samples)
        measured = self._measured[samples]
        self.margins[samples] = (self.margins[samples] * measured + margins) / (measured + 1)
        self._measured[samples] += 1

    def _take(
        self,
        samples: NDArray[np.int64],
        points: NDArray[np.float32],
        margins: NDArray[np.float64],
        counts: NDArray[np.int64],
        taken: NDArray[np.bool_],
    ) -> None:
        """Go to the points that were taken, and note the best point within each budget."""
        chosen = samples[taken]
        self.best[chosen] = points[taken]
        self.margins[chosen] = margins[taken]
        self._measured[chosen] = counts[taken]
        for budget, kept in zip(self._budgets.tolist(), self.by_budget, strict=True):
            within = chosen[self.queries[chosen] <= budget]
            kept[within] = self.best[within]


def square_steps(attack: Attack, plan: Plan, samples: int) -> Iterator[Step]:
    """Yield each search, its verification, and that of what it had at each smaller budget."""
    count = min(samples, plan.query_samples)
    for conditions in attack.conditions(plan):
        search = StepKey(attack.name, conditions.name, Role.SEARCH)
        asked = replace(conditions, votes=conditions.votes * attack.times_votes)
        yield Step(
            search,
            work_of(asked, count, EXTRA_QUERIES * plan.queries),
            partial(search_squares, conditions=asked, key=search),
        )
        key = attack.key(conditions.name)
        yield verification(key, search, conditions, plan.replies, count)
        for queries in plan.query_budgets:
            yield verification(
                attack.budget(conditions.name, queries),
                partial(found_within, search=search, queries=queries),
                conditions,
                plan.sweep_replies,
                count,
                is_scored=False,
            )


def search_squares(run: Assessment, conditions: Conditions, key: StepKey) -> StepResult:
    """Run the Square attack."""
    oracle = run.oracle(key, conditions)
    attack = SquareAttack(run.ball, run.plan.queries, run.plan.seed)
    found = square_attack(oracle, run.query_samples, attack, run.plan.query_budgets)
    return found.stored(oracle.bill)


def found_within(run: Assessment, search: StepKey, queries: int) -> Found:
    """Return the best points of a search within a budget."""
    points = run.result(search).arrays["by_budget"]
    return Found(points[run.plan.query_budgets.index(queries)])


SQUARE = Attack(
    AttackName.SQUARE.value,
    "Square, by the vote counts of queries",
    "query",
    Sees.SCORES,
    square_steps,
    title="Square",
    times_votes=1,
    has_budgets=True,
    needs_pictures=True,
)
ADAPTIVE_SQUARE = Attack(
    "adaptive_square",
    f"adaptive: Square with {ADAPTIVE_VOTES} times the votes in each query",
    "query",
    Sees.SCORES,
    square_steps,
    title="the adaptive Square attack",
    is_adaptive=True,
    plain=SQUARE,
    adaptive_how=lambda _: f"ask for {ADAPTIVE_VOTES} times the votes in each query",
    times_votes=ADAPTIVE_VOTES,
    has_budgets=True,
    needs_pictures=True,
)
