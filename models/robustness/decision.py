"""The label-only attack: HopSkipJump, by the Adversarial Robustness Toolbox (ART).

ART searches for the nearest wrong input of a target that always gives the same answer. Against
noise its loops need not end, its starts are not seeded, and the input that it returns was wrong
once. So it is run one sample at a time, from a start of ours, with NumPy's global generator seeded
for the sample and put back afterwards, until its budget is spent; and of all inputs that it asked
for, the one inside the ball with the lowest margin is taken, or, if none was inside, the nearest
wrong one pulled into the ball.

Source: J. Chen, M. I. Jordan and M. J. Wainwright, arXiv 1904.02144.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import MissingExtraError
from models.robustness.ball import Ball, Norm
from models.robustness.samples import Purpose, Samples, generator_for
from models.robustness.square import MarginOracle, QueryResult

FIRST_EVALUATIONS = 50
"""Queries of the first estimate of the boundary's direction."""

MOST_ITERATIONS = 1000
"""More than any budget lasts for."""


class BudgetSpentError(Exception):
    """Ends a search from inside; never leaves this module."""


@dataclass(frozen=True, slots=True)
class DecisionAttack:
    """Settings of the attack.

    Attributes:
        ball: where examples may lie.
        queries: most of them, per sample.
        seed: of starts and directions.
    """

    ball: Ball
    queries: int
    seed: int = 0


@dataclass(slots=True)
class Search:
    """One sample's search: answers ART's questions and remembers the best of them.

    Attributes:
        sample: ``[*shape]``.
        label: its class.
        start: a wrong input ``[*shape]``, from which the search comes nearer.
        left: queries left.
        inside: the point inside the ball with the lowest margin.
        margin: of that point.
        nearest: the nearest wrong point, wherever it lies.
        distance: of that point.
    """

    oracle: MarginOracle
    ball: Ball
    sample: NDArray[np.float32]
    label: int
    start: NDArray[np.float32]
    left: int
    inside: NDArray[np.float32] | None = None
    margin: float = np.inf
    nearest: NDArray[np.float32] | None = None
    distance: float = np.inf
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
        self.left -= len(points)
        self.asked += len(points)
        labels = np.full(len(points), self.label)
        margins = self.oracle.margins(points, labels)
        self._remember(points, margins)
        return np.column_stack([margins >= 0, margins < 0]).astype(np.float32)

    def found(self) -> NDArray[np.float32]:
        """Return the point to submit."""
        if self.inside is not None:
            return self.inside
        nearest = self.start if self.nearest is None else self.nearest
        return self.ball.project_one(nearest, self.sample)

    def _remember(self, points: NDArray[np.float32], margins: NDArray[np.float64]) -> None:
        centres = np.broadcast_to(self.sample, points.shape)
        distances = self.ball.distances(points, centres)
        is_wrong = margins < 0
        inside = is_wrong & (distances <= self.ball.epsilon)
        if inside.any():
            best = int(np.where(inside, margins, np.inf).argmin())
            if margins[best] < self.margin:
                self.inside, self.margin = points[best].copy(), float(margins[best])
        if is_wrong.any():
            near = int(np.where(is_wrong, distances, np.inf).argmin())
            if distances[near] < self.distance:
                self.nearest, self.distance = points[near].copy(), float(distances[near])


def hop_skip_jump(
    oracle: MarginOracle, samples: Samples, attack: DecisionAttack, donors: Samples
) -> QueryResult:
    """Look for each sample's nearest wrong input.

    Args:
        oracle: that is asked.
        samples: under attack.
        attack: settings.
        donors: inputs of several classes; a search starts from one of another class.

    Raises:
        MissingExtraError: ART is not installed.
    """
    examples, margins, queries = [], [], []
    for sample in range(len(samples)):
        one = samples.take(slice(sample, sample + 1))
        search = search_near(oracle, one, attack, donors)
        examples.append(search.found())
        margins.append(search.margin)
        queries.append(search.asked)
    found = np.stack(examples)
    return QueryResult(found, np.array(margins), np.array(queries), found[np.newaxis][:0])


def search_near(
    oracle: MarginOracle, one: Samples, attack: DecisionAttack, donors: Samples
) -> Search:
    """Search near one sample."""
    generator = generator_for(attack.seed, Purpose.DECISION, int(one.indices[0]))
    others = np.flatnonzero(donors.labels != one.labels[0])
    sample = one.inputs[0]
    if len(others) == 0:
        start = attack.ball.random_on_surface(one.inputs, [generator])[0]
    else:
        start = donors.inputs[generator.choice(others)]
    search = Search(oracle, attack.ball, sample, int(one.labels[0]), start, attack.queries)
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


def art_modules() -> dict[str, Any]:
    """Import what is needed of ART.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from art.attacks.evasion import HopSkipJump
            from art.estimators.classification import BlackBoxClassifier
    except ImportError as error:
        raise MissingExtraError(
            "the attack hop_skip_jump needs the Adversarial Robustness Toolbox; install "
            'it with: pip install "noisevote[art]"'
        ) from error
    return {"HopSkipJump": HopSkipJump, "BlackBoxClassifier": BlackBoxClassifier}


@contextmanager
def seeded_globally(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which ART draws from, and put it back afterwards."""
    before = np.random.get_state()  # noqa: NPY002 - the global generator is ART's
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
