"""The target as an outsider has it: inputs in, vote counts out, every query billed."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from noisevote.models.devices.asked import AskedDevice
from noisevote.models.robustness.aim import Aim
from noisevote.models.robustness.progress import Progress
from noisevote.models.stopping import StopRule

INPUTS_AT_ONCE = 32
"""Inputs of one question to the target; between answers the progress is told."""

Question = Callable[[], NDArray[np.int64]]
"""Casts the votes that were asked for and returns those of each class ``[n, classes]``."""


class Condition(StrEnum):
    """Whether the target has noise."""

    NOISELESS = "noiseless"
    NOISY = "noisy"


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which noise a target is asked, and for how many votes.

    Attributes:
        sigma: standard deviation at every noise point, or by name, where points left out get no
            noise; 0 asks the noiseless network, or the device.
        votes: N of each reply.
        seed: freezes the noise: every input meets the same draws; None draws fresh noise.
        repeats: reads that are averaged at noise points, by name.
        device: device that votes are cast on, instead of noise.
    """

    sigma: float | dict[str, float]
    votes: int
    seed: int | None = None
    repeats: dict[str, int] = field(default_factory=dict)
    device: AskedDevice | None = None

    @property
    def has_noise(self) -> bool:
        """Whether there is noise at any point, or a device."""
        if self.device is not None:
            return True
        if isinstance(self.sigma, dict):
            return any(self.sigma.values())
        return self.sigma > 0

    @property
    def is_random(self) -> bool:
        """Whether the same question may get another reply."""
        return self.has_noise and self.seed is None

    @property
    def name(self) -> Condition:
        """Whether there is noise."""
        return Condition.NOISY if self.has_noise else Condition.NOISELESS


class Target(Protocol):
    """A network behind an interface that answers with votes."""

    @property
    def at_once(self) -> int:
        """How many questions it answers side by side without loss; each may have its thread."""

    def question(
        self, inputs: NDArray[np.float32], conditions: Conditions, stop: StopRule
    ) -> Question:
        """Return what asks for the votes on inputs ``[n, *shape]``, and settle on their noise.

        That is fresh for every question and input unless the conditions freeze it; when and beside
        what the question is asked does not matter. The sum of a row is the number of votes cast.
        """

    def vote_counts(
        self, inputs: NDArray[np.float32], conditions: Conditions, stop: StopRule
    ) -> NDArray[np.int64]:
        """Ask at once; return the votes of each class ``[n, classes]``."""
        return self.question(inputs, conditions, stop)()


class Bill(BaseModel):
    """What was asked of a target."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    queries: int = 0
    """Inputs sent; one sent twice counts twice."""
    votes: int = 0
    """Votes cast on them."""

    def __add__(self, other: "Bill") -> "Bill":
        """Return the sum of two bills."""
        return Bill(queries=self.queries + other.queries, votes=self.votes + other.votes)


class Oracle:
    """A target under fixed conditions; what an attack holds in its hands.

    Args:
        target: target that is asked.
        conditions: conditions of every query.
        progress: told between calls of the target.
    """

    def __init__(self, target: Target, conditions: Conditions, progress: Progress) -> None:
        self.conditions = conditions
        self.bill = Bill()
        self._target = target
        self._progress = progress

    @property
    def is_random(self) -> bool:
        """Whether the same question may get another reply."""
        return self.conditions.is_random

    def vote_counts(
        self, inputs: NDArray[np.float32], stop: StopRule = StopRule.FULL
    ) -> NDArray[np.int64]:
        """Return the votes of each class ``[n, classes]``."""
        (counts,) = self.replies(inputs, [stop])
        return counts

    def replies(
        self, inputs: NDArray[np.float32], stops: Sequence[StopRule]
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the votes of each class ``[n, classes]``, a fresh reply to all for each stop rule.

        Further replies are under way while one is yielded.
        """
        firsts = range(0, len(inputs), INPUTS_AT_ONCE)
        questions = (
            self._target.question(inputs[first : first + INPUTS_AT_ONCE], self.conditions, stop)
            for stop in stops
            for first in firsts
        )
        at_once = min(self._target.at_once, len(stops) * len(firsts))
        parts = []
        with closing(answered(questions, at_once)) as answers:
            for counts in answers:
                votes = int(counts.sum())
                self.bill += Bill(queries=len(counts), votes=votes)
                self._progress.advance(votes if self.conditions.has_noise else len(counts))
                parts.append(counts)
                if len(parts) == len(firsts):
                    yield np.concatenate(parts)
                    parts = []

    def modes(self, inputs: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the mode of the votes on each input ``[n]``, casting no vote that cannot count."""
        return np.asarray(self.vote_counts(inputs, StopRule.EXACT).argmax(axis=1))

    def margins(self, inputs: NDArray[np.float32], aim: Aim) -> NDArray[np.float64]:
        """Return how far the votes on each input are from an aim ``[n]``: its margins."""
        return aim.margins(self.vote_counts(inputs))


def answered(
    questions: Iterable[Question], at_once: int
) -> Generator[NDArray[np.int64], None, None]:
    """Yield the answers to questions in their order, with some of these under way at a time.

    Args:
        questions: taken one by one, in the thread of the caller.
        at_once: threads that ask; 1 asks in that of the caller.
    """
    if at_once <= 1:
        for question in questions:
            yield question()
        return
    under_way: deque[Future[NDArray[np.int64]]] = deque()
    with ThreadPoolExecutor(at_once) as threads:
        try:
            for question in questions:
                under_way.append(threads.submit(question))
                if len(under_way) == 2 * at_once:  # none is idle while the first is waited for
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
