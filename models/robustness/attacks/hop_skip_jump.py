"""The label-only attack: HopSkipJump, by the Adversarial Robustness Toolbox (ART).

ART searches for the nearest wrong input of a target that always gives the same answer. Against
noise its loops need not end, its starts are not seeded, and the input that it returns was wrong
once. So it is run one sample at a time, from a start of ours, with NumPy's global generator seeded
for the sample and put back afterwards, until its budget is all but spent. An input at the boundary
is wrong half of the time, and the nearest wrong one may have been wrong by luck. So the nearest and
the latest wrong inputs are moved along their direction to the surface of the ball, and the rest of
the budget asks which of them is wrong most often. All that is used of a reply is its mode.

A targeted search is the same, with "the target class" for "wrong"; it starts from a sample whose
label is that class.

Source: J. Chen, M. I. Jordan and M. J. Wainwright, arXiv 1904.02144.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from noisevote.models.robustness.aim import Aim
from noisevote.models.robustness.attacks.art import art_modules, check_art, seeded_globally
from noisevote.models.robustness.attacks.attack import Attack, Sees
from noisevote.models.robustness.attacks.square import QueryResult
from noisevote.models.robustness.ball import TINY, Ball, Norm, Purpose, Samples, generator_for
from noisevote.models.robustness.plan import AttackName, Plan
from noisevote.models.robustness.run import Assessment, Role, Step, StepKey, verification, work_of
from noisevote.models.robustness.target import Conditions
from noisevote.models.robustness.trials import StepResult

FIRST_EVALUATIONS = 50
"""Queries of the first estimate of the boundary's direction."""

MOST_ITERATIONS = 1000
"""More than any budget lasts for."""

LATEST = 9
"""Wrong inputs that are remembered beside the nearest."""

FINAL_SHARE = 0.1
"""Of the queries, kept to choose what is submitted."""


class LabelOracle(Protocol):
    """What the attack asks: the class of each input, and nothing else."""

    @property
    def is_random(self) -> bool:
        """Whether the same question may get another reply."""

    def modes(self, inputs: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class of each input ``[n]``."""


class BudgetSpentError(Exception):
    """Ends a search from inside; never leaves this module."""


@dataclass(frozen=True, slots=True)
class DecisionAttack:
    """Settings of the attack.

    Attributes:
        ball: where examples may lie.
        queries: most of them, per sample.
        seed: seed of starts and directions.
    """

    ball: Ball
    queries: int
    seed: int = 0


@dataclass(slots=True)
class Search:
    """One sample's search: answers ART's questions and remembers the wrong inputs.

    Attributes:
        sample: ``[*shape]``.
        aim: which answers are wanted of it; such a point is called wrong.
        start: an input of another class, or of the target class ``[*shape]``, from which the search
            comes nearer.
        left: queries left.
        nearest: the nearest wrong point, wherever it lies.
        distance: distance of that point.
        latest: the latest wrong points.
        asked: queries spent.
    """

    oracle: LabelOracle
    ball: Ball
    sample: NDArray[np.float32]
    aim: Aim
    start: NDArray[np.float32]
    left: int
    nearest: NDArray[np.float32] | None = None
    distance: float = np.inf
    latest: deque[NDArray[np.float32]] = field(default_factory=lambda: deque(maxlen=LATEST))
    asked: int = field(default=0)

    def is_wrong(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer as a classifier of two classes would: 0 right, 1 wrong, ``[n, 2]``.

        ART asks for the sample and the start as if it did not know them; that costs nothing.

        Raises:
            BudgetSpentError: no queries are left.
        """
        if len(points) == 1 and np.array_equal(points[0], self.sample):
            return np.array([[1, 0]], np.float32)
        if len(points) == 1 and np.array_equal(points[0], self.start):
            return np.array([[0, 1]], np.float32)
        if self.left < len(points):
            raise BudgetSpentError
        wrong = self.ask(points)
        self._remember(points, wrong)
        return np.column_stack([~wrong, wrong]).astype(np.float32)

    def ask(self, points: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return whether the target is wrong on each point ``[n]``."""
        self.left -= len(points)
        self.asked += len(points)
        return self.aim.is_met(self.oracle.modes(points))

    def choose(self, queries: int) -> tuple[NDArray[np.float32], bool]:
        """Spend further queries on what to submit; return it and whether it was mostly wrong."""
        self.left = queries
        candidates = self._candidates()
        asked = np.zeros(len(candidates), np.int64)
        wrong = np.zeros(len(candidates), np.int64)
        while self.left > 0:
            least_asked = np.argsort(asked, kind="stable")[: self.left]
            wrong[least_asked] += self.ask(candidates[least_asked])
            asked[least_asked] += 1
            if not self.oracle.is_random:
                break
        best = int((wrong / np.maximum(asked, 1)).argmax())
        if not (wrong.any() or self.oracle.is_random or self.distance > self.ball.epsilon):
            return candidates[-1], True  # was wrong once, and so it is always
        return candidates[best], bool(2 * wrong[best] > asked[best])

    def _candidates(self) -> NDArray[np.float32]:
        """Return points of the ball, the most promising first, the nearest as it is last."""
        nearest = self.start if self.nearest is None else self.nearest
        pushed = [self._on_surface(point) for point in (nearest, *reversed(self.latest))]
        return np.stack([*pushed, self.ball.project_one(nearest, self.sample)])

    def _on_surface(self, point: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the point in the same direction at the full distance, inside the input range.

        A point outside the ball is pulled into it.
        """
        distance = float(self.ball.distances(point[np.newaxis], self.sample[np.newaxis])[0])
        if distance < self.ball.epsilon:
            factor = np.float32(self.ball.epsilon / max(distance, TINY))
            point = self.sample + (point - self.sample) * factor
        return self.ball.project_one(point, self.sample)

    def _remember(self, points: NDArray[np.float32], wrong: NDArray[np.bool_]) -> None:
        if not wrong.any():
            return
        centres = np.broadcast_to(self.sample, points.shape)
        distances = np.where(wrong, self.ball.distances(points, centres), np.inf)
        near = int(distances.argmin())
        if distances[near] < self.distance:
            self.nearest, self.distance = points[near].copy(), float(distances[near])
        self.latest.extend(points[wrong][-LATEST:].copy())


def hop_skip_jump(
    oracle: LabelOracle, samples: Samples, attack: DecisionAttack, donors: Samples
) -> QueryResult:
    """Look for each sample's nearest wrong input.

    Args:
        oracle: oracle that is asked.
        samples: samples under attack.
        attack: settings.
        donors: inputs of several classes; a search starts from one whose label is wanted.

    Returns:
        What is submitted; its margin is -1 where the aim was seen to be met, else 1.
    """
    examples, margins, queries = [], [], []
    for sample in range(len(samples)):
        one = samples.take(slice(sample, sample + 1))
        search = search_near(oracle, one, attack, donors)
        example, is_wrong = search.choose(attack.queries - search.asked)
        examples.append(example)
        margins.append(-1.0 if is_wrong else 1.0)
        queries.append(search.asked)
    found = np.stack(examples)
    return QueryResult(found, np.array(margins), np.array(queries), found[np.newaxis][:0])


def search_near(
    oracle: LabelOracle, one: Samples, attack: DecisionAttack, donors: Samples
) -> Search:
    """Search near one sample, and leave some of the budget to choose what is submitted."""
    generator = generator_for(attack.seed, Purpose.DECISION, int(one.indices[0]))
    others = np.flatnonzero(one.aim.is_met(donors.labels))
    sample = one.inputs[0]
    if len(others) == 0:
        start = attack.ball.random_on_surface(one.inputs, [generator])[0]
    else:
        start = donors.inputs[generator.choice(others)]
    budget = attack.queries - max(1, round(FINAL_SHARE * attack.queries))
    search = Search(oracle, attack.ball, sample, one.aim, start, budget)
    seed = int(generator.integers(2**32))
    with seeded_globally(seed), np.errstate(all="ignore"), suppress(BudgetSpentError):
        art_search(search)
    return search


def art_search(search: Search) -> None:
    """Run ART's HopSkipJump on one search."""
    art = art_modules()
    ball = search.ball
    classifier = art["BlackBoxClassifier"](
        search.is_wrong, search.sample.shape, 2, clip_values=(ball.low, ball.high)
    )
    art["HopSkipJump"](
        classifier,
        norm=np.inf if ball.norm is Norm.LINF else 2,
        max_iter=MOST_ITERATIONS,
        init_eval=FIRST_EVALUATIONS,
        verbose=False,
    ).generate(search.sample[np.newaxis], x_adv_init=search.start[np.newaxis].copy())


def decision_steps(attack: Attack, plan: Plan, samples: int) -> Iterator[Step]:
    """Yield each label-only search and its verification."""
    count = min(samples, plan.query_samples)
    for conditions in attack.conditions(plan):
        search = StepKey(attack.name, conditions.name, Role.SEARCH)
        yield Step(
            search,
            work_of(conditions, count, max(plan.queries, FIRST_EVALUATIONS)),
            partial(search_boundary, conditions=conditions, key=search),
        )
        key = attack.key(conditions.name)
        yield verification(key, search, conditions, plan.replies, count)


def search_boundary(run: Assessment, conditions: Conditions, key: StepKey) -> StepResult:
    """Run HopSkipJump; it starts from samples of other classes, or of the target class."""
    oracle = run.oracle(key, conditions)
    attack = DecisionAttack(run.ball, run.plan.queries, run.plan.seed)
    found = hop_skip_jump(oracle, run.query_samples, attack, run.labelled_samples)
    return found.stored(oracle.bill)


HOP_SKIP_JUMP = Attack(
    AttackName.HOP_SKIP_JUMP.value,
    "HopSkipJump, by the labels of queries",
    "query",
    Sees.LABELS,
    decision_steps,
    title="HopSkipJump",
    times_votes=1,
    starts_at_target_class=True,
    check_installed=check_art,
)
