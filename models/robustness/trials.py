"""Trials: what an attack sent and how the target answered, as raw as it is stored.

All figures of a report are computed from trials; nothing is counted while an attack runs.
"""

import json
import zipfile
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from noisevote.models.errors import DataError
from noisevote.models.files import whole_file, write_whole
from noisevote.models.robustness.aim import Aim
from noisevote.models.robustness.target import Bill, Oracle
from noisevote.models.statistics import top_two_p_value
from noisevote.models.stopping import StopRule


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step of an assessment leaves behind.

    Attributes:
        data: plain values, as JSON can hold them.
        arrays: arrays by name.
    """

    data: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """What an attack came up with.

    Attributes:
        examples: ``[n, *shape]``.
        believed: whether the attacker saw his aim met, on noise that is gone ``[n]``; None if it
            did not look.
        queries: queries spent on each sample ``[n]``; None if nothing was asked.
        bill: what it asked of the target in all.
        by_budget: the best points within smaller budgets ``[budgets, n, *shape]``, if it kept them.
    """

    examples: NDArray[np.float32]
    believed: NDArray[np.bool_] | None = None
    queries: NDArray[np.int64] | None = None
    bill: Bill = field(default_factory=Bill)
    by_budget: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """Inputs shown to the target and what fresh replies said.

    Attributes:
        examples: what was shown ``[n, *shape]``.
        labels: the right class of each ``[n]``.
        modes: of each reply ``[replies, n]``. The first reply stands for what the service answers;
            the others verify it.
        believed: whether the attacker saw his aim met, on noise that is gone ``[n]``.
        queries: queries that the attack spent on each sample ``[n]``.
        attack_bill: what the attack asked of the target.
        verification_bill: what the replies took.
        target_classes: the class that each was to be answered with ``[n]``; None: any wrong one.
        abstained: whether the first reply abstains ``[n]``; None where no report says so.
    """

    examples: NDArray[np.float32]
    labels: NDArray[np.int64]
    modes: NDArray[np.int64]
    believed: NDArray[np.bool_]
    queries: NDArray[np.int64]
    attack_bill: Bill
    verification_bill: Bill
    target_classes: NDArray[np.int64] | None = None
    abstained: NDArray[np.bool_] | None = None

    @property
    def aim(self) -> Aim:
        """What the attacker wanted."""
        return Aim(self.labels, self.target_classes)

    @property
    def withstood(self) -> NDArray[np.bool_]:
        """Whether a reply was not what the attacker wanted ``[replies, n]``."""
        return ~self.aim.is_met(self.modes)

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether a reply was right ``[replies, n]``."""
        return np.asarray(self.modes == self.labels)

    def first(self, count: int) -> "Trial":
        """Return the trial of the first samples; its bills are those of all."""
        aim = self.aim.take(slice(count))
        return replace(
            self,
            examples=self.examples[:count],
            labels=aim.labels,
            target_classes=aim.target_classes,
            modes=self.modes[:, :count],
            abstained=None if self.abstained is None else self.abstained[:count],
            believed=self.believed[:count],
            queries=self.queries[:count],
        )

    @property
    def abstentions(self) -> NDArray[np.bool_]:
        """Whether the first reply abstains ``[n]``; KeyError where nobody looked."""
        if self.abstained is None:
            raise KeyError("abstained")
        return self.abstained

    @property
    def flip_shares(self) -> NDArray[np.float64]:
        """Share of wrong replies ``[n]``."""
        return np.asarray(1.0 - self.is_right.mean(axis=0))

    @property
    def is_turned(self) -> NDArray[np.bool_]:
        """Whether most replies are wrong ``[n]``."""
        return np.asarray(self.flip_shares > 0.5)

    @property
    def met_shares(self) -> NDArray[np.float64]:
        """Share of replies that are what the attacker wanted ``[n]``."""
        return np.asarray(1.0 - self.withstood.mean(axis=0))

    @property
    def is_fooled(self) -> NDArray[np.bool_]:
        """Whether most replies are what the attacker wanted ``[n]``."""
        return np.asarray(self.met_shares > 0.5)


Kept = TypeVar("Kept", Found, Trial)


def stored(kept: Found | Trial) -> StepResult:
    """Return what was found, or a trial, as a step's result."""
    values = {each.name: getattr(kept, each.name) for each in fields(kept)}
    bills = {name: bill.model_dump() for name, bill in values.items() if isinstance(bill, Bill)}
    arrays = {name: array for name, array in values.items() if isinstance(array, np.ndarray)}
    return StepResult(bills, arrays)


def read(kind: type[Kept], result: StepResult) -> Kept:
    """Return what :func:`stored` made a result of."""
    values: dict[str, Any] = dict(result.arrays)
    values |= {name: Bill.model_validate(bill) for name, bill in result.data.items()}
    return kind(**values)


def verify(oracle: Oracle, found: Found, aim: Aim, replies: int, alpha: float | None) -> Trial:
    """Ask for fresh replies on what an attack found.

    Whether one abstains is a matter of all its votes, so these are cast in the first reply. Of all
    others nothing is kept but the mode, and no vote is cast that cannot change it.

    Args:
        oracle: oracle of the verification, on noise that no attack has seen.
        found: inputs to show.
        aim: what the attacker wants of each.
        replies: asked for per input; one stands for all where none can differ.
        alpha: p-value of the top two classes above which a reply abstains; None: nobody looks.
    """
    asked = replies if oracle.is_random else 1
    first = StopRule.EXACT if alpha is None else StopRule.FULL
    stops = [first, *[StopRule.EXACT] * (asked - 1)]
    answers = oracle.replies(found.examples, stops)
    counts = next(answers)
    modes = np.stack([counts.argmax(axis=1), *(further.argmax(axis=1) for further in answers)])
    seen = aim.is_met(modes[0])
    nothing = np.zeros(len(seen), np.int64)
    return Trial(
        examples=found.examples,
        labels=aim.labels,
        target_classes=aim.target_classes,
        modes=np.repeat(modes, replies, axis=0) if asked < replies else modes,
        abstained=None if alpha is None else abstaining(oracle, counts, alpha),
        believed=seen if found.believed is None else found.believed,
        queries=nothing if found.queries is None else found.queries,
        attack_bill=found.bill,
        verification_bill=oracle.bill,
    )


def abstaining(oracle: Oracle, counts: NDArray[np.int64], alpha: float) -> NDArray[np.bool_]:
    """Return which replies abstain ``[n]``, as the service does; without noise none does."""
    if not oracle.conditions.has_noise:
        return np.zeros(len(counts), np.bool_)
    return np.array([top_two_p_value(of_one) > alpha for of_one in counts])


IDENTITY_FILE = "identity.json"
DATA_KEY = "__data__"


class State(Protocol):
    """Where results of steps lie."""

    def load(self, step: str) -> StepResult | None:
        """Return the result of a step, or None if it has not been finished."""

    def save(self, step: str, result: StepResult) -> None:
        """Keep the result of a finished step."""


class MemoryState:
    """Keeps results as long as the process lives."""

    def __init__(self) -> None:
        self._results: dict[str, StepResult] = {}

    def load(self, step: str) -> StepResult | None:
        """Return the result of a step, or None."""
        return self._results.get(step)

    def save(self, step: str, result: StepResult) -> None:
        """Keep the result of a finished step."""
        self._results[step] = result


class FolderState:
    """Keeps each result in a file of its own; a process killed while writing leaves none.

    Args:
        folder: made if absent.
        identity: what decides the results, as plain data.

    Raises:
        DataError: the folder holds the steps of another assessment.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._folder = folder
        self._read = MemoryState()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / IDENTITY_FILE
        text = json.dumps(identity, sort_keys=True, indent=1)
        if not path.is_file():
            write_whole(path, text.encode())
        elif path.read_text() != text:
            raise DataError(
                f"{folder} holds the steps of another assessment; name another folder, or delete it"
            )

    def load(self, step: str) -> StepResult | None:
        """Return the result of a step, or None.

        Raises:
            DataError: its file is damaged.
        """
        path = self._path(step)
        if (kept := self._read.load(step)) is not None or not path.is_file():
            return kept
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
            data = json.loads(arrays.pop(DATA_KEY).tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is damaged; delete it and run again") from error
        result = StepResult(data, arrays)
        self._read.save(step, result)
        return result

    def save(self, step: str, result: StepResult) -> None:
        """Keep the result of a finished step."""
        data = np.frombuffer(json.dumps(result.data).encode(), np.uint8)
        with whole_file(self._path(step)) as file:
            np.savez_compressed(file, allow_pickle=False, **(result.arrays | {DATA_KEY: data}))
        self._read.save(step, result)

    def _path(self, step: str) -> Path:
        return self._folder / f"{step.replace('/', '-').replace(' ', '_')}.npz"
