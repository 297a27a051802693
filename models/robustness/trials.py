"""Trials: what an attack sent and how the target answered, as raw as it is stored.

All figures of a report are computed from trials; nothing is counted while an attack runs.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.robustness.target import Bill, Oracle
from models.statistics import top_two_p_value


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step of an assessment leaves behind.

    Attributes:
        data: plain values, as JSON can hold them.
        arrays: by name.
    """

    data: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """What an attack came up with.

    Attributes:
        examples: ``[n, *shape]``.
        believed: whether the attacker saw the target fooled, on noise that is gone ``[n]``; None
            if it did not look.
        queries: that it spent on each sample ``[n]``; None if it asked nothing.
        bill: what it asked of the target in all.
        by_budget: the best points within smaller budgets ``[budgets, n, *shape]``, if it kept them.
    """

    examples: NDArray[np.float32]
    believed: NDArray[np.bool_] | None = None
    queries: NDArray[np.int64] | None = None
    bill: Bill = field(default_factory=Bill)
    by_budget: NDArray[np.float32] | None = None

    def stored(self) -> StepResult:
        """Return it as a step's result."""
        arrays = {
            "examples": self.examples,
            "believed": self.believed,
            "queries": self.queries,
            "by_budget": self.by_budget,
        }
        kept = {name: array for name, array in arrays.items() if array is not None}
        return StepResult({"bill": self.bill.model_dump()}, kept)


def found_from(result: StepResult) -> Found:
    """Return what :meth:`Found.stored` stored."""
    return Found(**result.arrays, bill=Bill.model_validate(result.data["bill"]))


@dataclass(frozen=True, slots=True)
class Trial:
    """Inputs shown to the target and what fresh replies said.

    Attributes:
        examples: what was shown ``[n, *shape]``.
        labels: the right class of each ``[n]``.
        modes: of each reply ``[replies, n]``. The first reply stands for what the service answers;
            the others verify it.
        abstained: whether the first reply abstains ``[n]``.
        believed: whether the attacker saw the target fooled, on noise that is gone ``[n]``.
        queries: that the attack spent on each sample ``[n]``.
        attack_bill: what the attack asked of the target.
        verification_bill: what the replies took.
    """

    examples: NDArray[np.float32]
    labels: NDArray[np.int64]
    modes: NDArray[np.int64]
    abstained: NDArray[np.bool_]
    believed: NDArray[np.bool_]
    queries: NDArray[np.int64]
    attack_bill: Bill
    verification_bill: Bill

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether a reply was right ``[replies, n]``."""
        return np.asarray(self.modes == self.labels)

    @property
    def flip_shares(self) -> NDArray[np.float64]:
        """Share of wrong replies ``[n]``."""
        return np.asarray(1.0 - self.is_right.mean(axis=0))

    @property
    def is_fooled(self) -> NDArray[np.bool_]:
        """Whether most replies are wrong ``[n]``."""
        return np.asarray(self.flip_shares > 0.5)

    def stored(self) -> StepResult:
        """Return the trial as a step's result."""
        bills = {
            "attack_bill": self.attack_bill.model_dump(),
            "verification_bill": self.verification_bill.model_dump(),
        }
        arrays: dict[str, NDArray[Any]] = {
            "examples": self.examples,
            "labels": self.labels,
            "modes": self.modes,
            "abstained": self.abstained,
            "believed": self.believed,
            "queries": self.queries,
        }
        return StepResult(bills, arrays)


def trial_from(result: StepResult) -> Trial:
    """Return the trial that :meth:`Trial.stored` stored."""
    return Trial(
        **result.arrays,
        attack_bill=Bill.model_validate(result.data["attack_bill"]),
        verification_bill=Bill.model_validate(result.data["verification_bill"]),
    )


def verify(
    oracle: Oracle, found: Found, labels: NDArray[np.int64], replies: int, alpha: float
) -> Trial:
    """Ask for fresh replies on what an attack found.

    Args:
        oracle: of the verification, on noise that no attack has seen.
        found: inputs to show.
        labels: the right class of each.
        replies: asked for per input; one stands for all where none can differ.
        alpha: p-value of the top two classes above which a reply abstains.
    """
    asked = replies if oracle.is_random else 1
    counts = oracle.vote_counts(found.examples)
    further = [oracle.modes(found.examples) for _ in range(asked - 1)]
    modes = np.stack([counts.argmax(axis=1), *further])
    seen = modes[0] != labels
    nothing = np.zeros(len(labels), np.int64)
    return Trial(
        examples=found.examples,
        labels=labels,
        modes=np.repeat(modes, replies, axis=0) if asked < replies else modes,
        abstained=abstaining(oracle, counts, alpha),
        believed=seen if found.believed is None else found.believed,
        queries=nothing if found.queries is None else found.queries,
        attack_bill=found.bill,
        verification_bill=oracle.bill,
    )


def abstaining(oracle: Oracle, counts: NDArray[np.int64], alpha: float) -> NDArray[np.bool_]:
    """Return which replies abstain ``[n]``, as the service does; without noise none does."""
    if oracle.conditions.sigma == 0:
        return np.zeros(len(counts), np.bool_)
    return np.array([top_two_p_value(of_one) > alpha for of_one in counts])
