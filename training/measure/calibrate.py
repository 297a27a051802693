"""Calibration: the margin at which voting may stop, chosen on validation inputs.

The rule ``calibrated`` stops as soon as the mode leads by a margin m. Its risk R(m) is the chance,
over inputs and noise, that the mode is then another one than after all N votes. Validation inputs,
each with N votes of its own, are independent draws of "changed or not", so the number changed is
binomial, and an exact test can reject "R(m) > delta".

Margins are tested from the largest down, each at the level 1 - confidence, until one is not
rejected; the last rejected one is chosen. In that fixed order the levels need not be shared out:
with the stated confidence, over the choice of the validation inputs, R(m) <= delta.

Source: A. Angelopoulos, S. Bates, E. Candes, M. Jordan and L. Lei, "Learn then Test", arXiv
2110.01052 (fixed sequence testing, section 3; the binomial p-value for binary losses). The test is
that of the interval of Clopper and Pearson, Biometrika 26 (1934).
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import bdtr

from noisevote.models.card import Card
from noisevote.models.measured import Threshold
from noisevote.models.noise import Noise, NoiseKind
from noisevote.training.measure.evaluate import MAX_SEED, Caster, NumberedExamples
from noisevote.training.measure.plan import Count, Plan, Positive

CONFIDENCE = 0.95


class CalibrationPlan(Plan):
    """What to calibrate for; every combination gets a threshold."""

    noise: NoiseKind | None = None
    """Multiplicative or additive; by default the checkpoint's."""

    sigma: tuple[Positive, ...] = (0.5, 1.0)
    """Standard deviations, each at all noise points."""

    votes: tuple[Count, ...] = (20,)
    """Numbers of votes, N."""

    delta: tuple[Annotated[float, Field(gt=0, le=0.5)], ...] = (0.001,)
    """Largest chances of another mode than that of all N votes."""

    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 1
    """Of the votes' noise."""


class Outcome(NamedTuple):
    """What a margin does to some inputs.

    Attributes:
        changed: inputs whose mode is not that of all N votes.
        mean_votes: cast on an input on average.
    """

    changed: int
    mean_votes: float


def calibrate(
    caster: Caster, images: NumberedExamples, plan: CalibrationPlan, command: str
) -> Iterator[Threshold]:
    """Yield a threshold for each sigma, number of votes and delta.

    Args:
        caster: casts the votes.
        images: validation images; none of them trained the network.
        plan: noise, votes and deltas.
        command: command that is kept with the thresholds.
    """
    card = caster.checkpoint.card
    kind, classes = plan.noise or card.noise.kind, len(card.labels)
    for sigma in plan.sigma:
        fell_on = caster.cast(images, Noise(kind, sigma), max(plan.votes)).fell_on
        for votes in plan.votes:
            course = Course(fell_on[:, :votes], classes)
            for delta in plan.delta:
                margin = course.choose_margin(delta, CONFIDENCE)
                outcome = course.outcome(margin)
                yield Threshold(
                    kind=kind,
                    sigma=sigma,
                    votes=votes,
                    delta=delta,
                    confidence=CONFIDENCE,
                    margin=margin,
                    changed=outcome.changed,
                    inputs=len(images),
                    mean_votes=round(outcome.mean_votes, 4),
                    seed=caster.seed,
                    noise_scheme=card.noise_scheme,
                    command=command,
                )


def with_thresholds(card: Card, new: Sequence[Threshold]) -> Card:
    """Return a card with thresholds, in the place of those for the same noise, votes and delta."""
    replaced = {key_of(entry) for entry in new}
    kept = [entry for entry in card.thresholds if key_of(entry) not in replaced]
    return card.model_copy(update={"thresholds": tuple(sorted([*kept, *new], key=key_of))})


def key_of(threshold: Threshold) -> tuple[str, float, int, float]:
    """Return what a threshold is for."""
    return threshold.kind, threshold.sigma, threshold.votes, threshold.delta


def check_thresholds(
    caster: Caster, images: NumberedExamples
) -> Iterator[tuple[Threshold, "Outcome"]]:
    """Yield what the card's thresholds do to other images than those they were chosen on."""
    card = caster.checkpoint.card
    for kind, sigma in sorted({(entry.kind, entry.sigma) for entry in card.thresholds}):
        entries = [e for e in card.thresholds if (e.kind, e.sigma) == (kind, sigma)]
        most = max(entry.votes for entry in entries)
        fell_on = caster.cast(images, Noise(kind, sigma), most).fell_on
        for entry in entries:
            course = Course(fell_on[:, : entry.votes], len(card.labels))
            yield entry, course.outcome(entry.margin)


class Course:
    """How the votes on some inputs went, one after the other.

    Args:
        votes: class that each vote fell on, in vote order ``[inputs, N]``.
        classes: number of classes.
    """

    def __init__(self, votes: NDArray[np.int16], classes: int) -> None:
        inputs, self._votes = votes.shape
        self._rows = np.arange(inputs)
        counts = np.zeros((inputs, classes), np.int32)
        # Of each input after each vote: the mode, its lead, and whether nothing can change it.
        self._modes = np.zeros((inputs, self._votes), np.int16)
        self._leads = np.zeros((inputs, self._votes), np.int16)
        self._is_fixed = np.zeros((inputs, self._votes), bool)
        for cast in range(self._votes):
            counts[self._rows, votes[:, cast]] += 1
            self._add(counts, cast)

    def _add(self, counts: NDArray[np.int32], cast: int) -> None:
        modes = counts.argmax(axis=1)
        leads = counts[self._rows, modes][:, np.newaxis] - counts
        wins_ties = np.arange(counts.shape[1]) < modes[:, np.newaxis]
        is_fixed = leads - wins_ties >= self._votes - 1 - cast
        is_fixed[self._rows, modes] = True
        leads[self._rows, modes] = self._votes + 1
        self._modes[:, cast] = modes
        self._leads[:, cast] = leads.min(axis=1)
        self._is_fixed[:, cast] = is_fixed.all(axis=1)

    def outcome(self, margin: int) -> Outcome:
        """Return what stopping at a margin does."""
        stops = (self._leads >= margin) | self._is_fixed
        last = stops.argmax(axis=1)
        changed = self._modes[self._rows, last] != self._modes[:, -1]
        return Outcome(int(changed.sum()), float(last.mean() + 1))

    def choose_margin(self, delta: float, confidence: float) -> int:
        """Return the smallest margin whose risk is shown to be at most delta.

        A margin of N leaves only stops that cannot change the mode; it needs no proof.

        Args:
            delta: largest chance of another mode than that of all N votes.
            confidence: confidence of the proof, over the choice of the inputs.
        """
        margin: int = self._votes
        while margin > 1:
            changed = self.outcome(margin - 1).changed
            if float(bdtr(changed, len(self._rows), delta)) > 1 - confidence:
                break
            margin -= 1
        return margin
