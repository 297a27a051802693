"""Stop rules: when voting ends, and what then holds for the answer.

Every rule looks at the counts of the first t of N votes, in vote order. ``votes_cast`` is the
first t at which it holds. A new rule is a class here and its row in :class:`StopRule`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from noisevote.models.measured import Threshold

DELTA = 0.001
"""Chance of another mode than that of all N votes, where none is given."""
DEFAULT_ALPHA = 0.05
"""Chance that an answer which does not abstain is not the most likely one, where none is given."""
ANY_INPUT = "any input"


@dataclass(frozen=True, slots=True)
class Promise:
    """What holds for the mode of votes that a rule ended before all N were cast.

    Attributes:
        delta: largest chance that it is another one than that of all N votes.
        condition: the inputs for which that holds.
        margin: votes by which the mode led; None for rules without one.
    """

    delta: float
    condition: str = ANY_INPUT
    margin: int | None = None


@dataclass(frozen=True, slots=True)
class Stopping(ABC):
    """A stop rule with the numbers that it goes by.

    Attributes:
        delta: chance of another mode than that of all N votes, above 0, below 1.
        threshold: threshold of the card, for a rule that needs one; None if there is no noise.
        text: when it stops, as an imperative.
        casts_all: whether all N votes are always cast, so that fixed-N statistics hold.
        needs_threshold: whether it can only be used where the card has a threshold.
        has_table: whether :meth:`prepare` takes a time that grows with N.
    """

    text: ClassVar[str]
    casts_all: ClassVar[bool] = False
    needs_threshold: ClassVar[bool] = False
    has_table: ClassVar[bool] = False

    delta: float = DELTA
    threshold: Threshold | None = None

    @abstractmethod
    def fewest(self, vote_counts: NDArray[np.int64], votes: int) -> int:
        """Return the fewest further votes after which the rule could hold; 0 if it holds.

        As many can be computed at once without computing one too many.

        Args:
            vote_counts: votes of each class so far ``[classes]``.
            votes: N, all votes that were asked for.
        """

    @abstractmethod
    def holds(self, counts: NDArray[np.int64], votes: int) -> NDArray[np.bool_]:
        """Return whether the rule holds for each of several inputs ``[n]``.

        It does just where :meth:`fewest` is 0, and is meant for many inputs at once.

        Args:
            counts: votes of each class so far, as many on every input ``[n, classes]``.
            votes: N, all votes that were asked for.
        """

    @property
    @abstractmethod
    def promise(self) -> Promise | None:
        """What the rule promises; None if it never stops early."""

    def prepare(self, votes: int) -> None:  # noqa: B027 - most rules have nothing to prepare
        """Compute what depends on N alone, so that the votes need not wait for it."""

    @property
    def row(self) -> "StopRule":
        """The rule by its name in requests and replies."""
        return next(row for row in StopRule if row.rule is type(self))

    @property
    def margin(self) -> int | None:
        """The votes by which the mode must lead; None for rules without a threshold."""
        return None if self.threshold is None else self.threshold.margin


class Full(Stopping):
    """Casts all N votes."""

    text = "cast all votes"
    casts_all = True

    def fewest(self, vote_counts: NDArray[np.int64], votes: int) -> int:
        """Return the number of votes left."""
        return votes - int(vote_counts.sum())

    def holds(self, counts: NDArray[np.int64], votes: int) -> NDArray[np.bool_]:
        """Return whether no votes are left ``[n]``."""
        return np.asarray(counts.sum(axis=1) == votes)

    @property
    def promise(self) -> None:
        """Nothing: it never stops early."""


class Exact(Stopping):
    """Stops where the answer is fixed."""

    text = "stop once the remaining votes cannot change the mode"

    def fewest(self, vote_counts: NDArray[np.int64], votes: int) -> int:
        """Return the fewest further votes that could fix the mode."""
        return fewest_to_fix_mode(vote_counts, votes)

    def holds(self, counts: NDArray[np.int64], votes: int) -> NDArray[np.bool_]:
        """Return whether the mode is fixed ``[n]``."""
        return is_fixed(counts, votes)

    @property
    def promise(self) -> Promise:
        """The mode of all N votes, on any input."""
        return Promise(0.0)


class Bounded(Stopping):
    """Stops where another mode is unlikely, however the votes fall."""

    text = "stop once they change it with a chance of at most delta, whatever the input"
    has_table = True

    def fewest(self, vote_counts: NDArray[np.int64], votes: int) -> int:
        """Return the fewest further votes that could reach the boundary, or fix the mode."""
        fewest, cast = fewest_to_fix_mode(vote_counts, votes), int(vote_counts.sum())
        boundary = bounded_boundary(votes, self.delta)[cast : cast + fewest]
        reached = vote_counts.max() + np.arange(fewest) >= boundary
        return int(np.argmax(reached)) if reached.any() else fewest

    def holds(self, counts: NDArray[np.int64], votes: int) -> NDArray[np.bool_]:
        """Return whether the mode has reached the boundary, or is fixed ``[n]``."""
        reached = counts.max(axis=1) >= bounded_boundary(votes, self.delta)[counts.sum(axis=1)]
        return np.asarray(reached | is_fixed(counts, votes))

    @property
    def promise(self) -> Promise:
        """At most delta, on any input."""
        return Promise(self.delta)

    def prepare(self, votes: int) -> None:
        """Compute the boundary."""
        bounded_boundary(votes, self.delta)


class Calibrated(Stopping):
    """Stops at a lead that was chosen on validation inputs."""

    text = (
        "stop sooner, with that chance on inputs like the validation inputs of the checkpoint; its "
        "card says for which noise and votes"
    )
    needs_threshold = True

    def fewest(self, vote_counts: NDArray[np.int64], votes: int) -> int:
        """Return the fewest further votes that could give the mode its lead, or fix it."""
        fewest = fewest_to_fix_mode(vote_counts, votes)
        if self.margin is None:
            return fewest
        second, first = (int(count) for count in np.partition(vote_counts, -2)[-2:])
        return min(fewest, max(0, self.margin - (first - second)))

    def holds(self, counts: NDArray[np.int64], votes: int) -> NDArray[np.bool_]:
        """Return whether the mode has its lead, or is fixed ``[n]``."""
        fixed = is_fixed(counts, votes)
        if self.margin is None:
            return fixed
        second, first = np.partition(counts, -2, axis=1)[:, -2:].T
        return np.asarray(fixed | (first - second >= self.margin))

    @property
    def promise(self) -> Promise:
        """The threshold's delta on inputs like those it was chosen on; without noise, any mode."""
        if self.threshold is None:
            return Promise(0.0)
        return Promise(
            self.threshold.delta,
            f"inputs like the {self.threshold.inputs} validation inputs that the margin was "
            f"chosen on, with confidence {self.threshold.confidence:g}",
            self.threshold.margin,
        )


class StopRule(StrEnum):
    """When voting stops, by name."""

    rule: type[Stopping]
    """The class of the rule."""

    FULL = "full", Full
    EXACT = "exact", Exact
    BOUNDED = "bounded", Bounded
    CALIBRATED = "calibrated", Calibrated

    def __new__(cls, name: str, rule: type[Stopping]) -> Self:
        """Make a row of the table."""
        row = str.__new__(cls, name)
        row._value_ = name
        row.rule = rule
        return row


STOP_RULES_TEXT = ". ".join(f"{row}: {row.rule.text}" for row in StopRule) + "."
"""What each rule does, for descriptions."""

StopReason = StopRule | Literal["deadline"]
"""Why voting ended: ``full`` if all votes were cast, else the rule that held, or the deadline."""


def mode_of(vote_counts: NDArray[np.int64]) -> int:
    """Return the class with the most votes; of several, the lowest index."""
    return int(np.argmax(vote_counts))


def fewest_to_fix_mode(vote_counts: NDArray[np.int64], votes: int) -> int:
    """Return the fewest further votes after which the rest could no longer change the mode.

    With r votes left, the mode i is fixed if no rival j can catch up with all of them,
    ``c_j + r < c_i``, or ``c_j + r = c_i`` and i < j, since a tie goes to the lowest index. If the
    next k votes all fall on i, that needs ``2 k >= r - c_i + c_j`` (+ 1 if j < i) for every rival
    j. No other class than the present mode can get there sooner.
    """
    remaining = votes - int(vote_counts.sum())
    mode = mode_of(vote_counts)
    wins_ties = (np.arange(len(vote_counts)) < mode).astype(np.int64)
    needed = remaining - vote_counts[mode] + vote_counts + wins_ties
    needed[mode] = 0
    return min(remaining, max(0, -(-int(needed.max()) // 2)))


def is_fixed(counts: NDArray[np.int64], votes: int) -> NDArray[np.bool_]:
    """Return whether the votes left cannot change the mode ``[n]``.

    Args:
        counts: votes of each class so far ``[n, classes]``.
        votes: N, all votes that were asked for.
    """
    modes, left = counts.argmax(axis=1), votes - counts.sum(axis=1)
    wins_ties = np.arange(counts.shape[1]) < modes[:, np.newaxis]
    reach = counts + left[:, np.newaxis] + wins_ties
    reach[np.arange(len(counts)), modes] = 0
    return np.asarray((left == 0) | (reach.max(axis=1) <= counts.max(axis=1)))


@lru_cache(maxsize=64)
def bounded_boundary(votes: int, delta: float) -> NDArray[np.int64]:
    """Return, for each number t of votes cast, the count at which ``bounded`` stops ``[N + 1]``.

    Given how all N votes fall, their order is uniform, so the count of a class after t of them is
    hypergeometric. A class that is not the mode has at most N / 2 of them. For one that has just
    as many, the boundary is the lowest count above t / 2 that keeps the chance of ever having
    reached it by vote t at or below ``delta t / N``. Classes with fewer votes reach it less often;
    several that share the votes, together, less often than one that has them all (tested by
    enumeration). So a wrong mode stops the voting with a chance of at most delta.

    Args:
        votes: N.
        delta: above 0, below 1.
    """
    most = votes // 2
    counts = np.arange(most + 1)
    chance = np.zeros(most + 1)  # of each count, without having reached the boundary
    chance[0] = 1.0
    reached = 0.0
    boundary = np.full(votes + 1, most + 1)
    for cast in range(1, votes + 1):
        falls_on_it = chance * (most - counts) / (votes - cast + 1)
        chance -= falls_on_it
        chance[1:] += falls_on_it[:-1]
        at_or_above = np.cumsum(chance[::-1])[::-1]
        allowed = (counts > cast / 2) & (reached + at_or_above <= delta * cast / votes)
        if allowed.any():
            first = int(np.argmax(allowed))
            boundary[cast] = first
            reached += at_or_above[first]
            chance[first:] = 0.0
    boundary.flags.writeable = False
    return boundary
