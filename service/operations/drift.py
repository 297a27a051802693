"""The vote drift monitor: do votes agree as the checkpoint's card says for the noise in use?

Answers are taken in windows of :data:`WINDOW`. In each, agreement and top-two margin are tested
against the card, to either side, after every answer (``models/drift.py``). The chance of a false
alarm is at most :data:`ALPHA` in a window, whatever the number of looks, as long as the inputs are
like those that the card was measured on and the card's means are within four standard errors.

An alarm says that the votes agree less, or more, than they should: the hardware is noisier than it
is said to be, or the inputs are others. Votes alone cannot tell the two apart; known inputs can
(``noisevote evaluate``).

What is compared: answers of the stop rule ``full``, whose number of votes is fixed in advance, at a
sigma that the card has figures for; and not the bulk work of assessments, which asks about the same
input again and again. More votes than the card's are thinned to its number.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.drift import (
    INTERVAL_ERRORS,
    MeanTest,
    band_of,
    effective_sigma,
    some_of,
    top_two,
)
from noisevote.models.measured import AgreementReference
from noisevote.models.stopping import StopRule
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.voting.priority import Priority
from noisevote.service.wire.replies import DriftBody, DriftState, PredictResponse, SharesBody

log = logging.getLogger("noisevote")

WINDOW = 1000
"""Answers, after which a test begins anew."""

ALPHA = 1e-4
"""Chance of a false alarm in a window."""

ENOUGH = 100
"""Answers before an effective sigma is told."""

TOLD_EVERY = 50
"""Answers after which the observer is told anew."""

DIRECTIONS = {-1: DriftState.LOWER, 1: DriftState.HIGHER}


@dataclass(slots=True)
class Sums:
    """Sums over answers of agreement and margin, and of their squares ``[2]``."""

    answers: int = 0
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def add(self, shares: NDArray[np.float64]) -> None:
        """Add an answer."""
        self.answers += 1
        self.total += shares
        self.squares += shares**2

    def plus(self, other: "Sums") -> "Sums":
        """Return the sums over both."""
        return Sums(
            self.answers + other.answers, self.total + other.total, self.squares + other.squares
        )


class Series:
    """The answers of a checkpoint under one noise.

    Args:
        reference: what the card expects.
        curve: the card's figures for the same kind of noise and number of votes.
        sigma_train: the largest that the network was hardened for.
    """

    def __init__(
        self, reference: AgreementReference, curve: list[AgreementReference], sigma_train: float
    ) -> None:
        self.reference = reference
        self._curve = curve
        self._sigma_train = sigma_train
        self._before = Sums()
        self._state_before: DriftState = DriftState.TOO_FEW
        self._now = Sums()
        self._alarm: DriftState | None = None
        self._test = self._new_test()

    def _new_test(self) -> MeanTest:
        of = self.reference
        bands = [
            band_of(of.agreement_mean, of.agreement_sd, of.inputs),
            band_of(of.margin_mean, of.margin_sd, of.inputs),
        ]
        low, high = np.array(bands).T
        return MeanTest(low, high, ALPHA)

    def add(self, shares: NDArray[np.float64]) -> DriftState | None:
        """Take an answer; return the direction if it is the one that raises the alarm."""
        self._now.add(shares)
        raised = None
        if self._alarm is None:
            raised = self._alarm = DIRECTIONS.get(self._test.add(shares))
        if self._now.answers == WINDOW:
            self._state_before = self._alarm or DriftState.AS_EXPECTED
            self._before, self._now, self._alarm = self._now, Sums(), None
            self._test = self._new_test()
        return raised

    @property
    def answers(self) -> int:
        """How many there are in this window."""
        return self._now.answers

    @property
    def state(self) -> DriftState:
        """An alarm of this window, or else what the last one ended with."""
        return self._alarm or self._state_before

    def body(self) -> DriftBody:
        """Return what there is to say, of this window and the one before."""
        of, sums = self.reference, self._now.plus(self._before)
        means = (sums.total / max(sums.answers, 1)).tolist()
        sigma, interval = self._effective_sigma(sums)
        is_beyond = interval is not None and interval[0] > self._sigma_train
        asked_for_more = of.sigma > self._sigma_train
        return DriftBody(
            noise=of.kind,
            sigma=of.sigma,
            votes=of.votes,
            answers=sums.answers,
            state=self.state,
            agreement=SharesBody(seen=means[0], expected=of.agreement_mean),
            margin=SharesBody(seen=means[1], expected=of.margin_mean),
            effective_sigma=sigma,
            effective_sigma_interval=interval,
            is_noisier_than_hardened_for=is_beyond
            and (asked_for_more or self.state is DriftState.LOWER),
        )

    def _effective_sigma(self, sums: Sums) -> tuple[float | None, tuple[float, float] | None]:
        """Return the sigma that the votes look like, and an interval for it."""
        if sums.answers < ENOUGH or len(self._curve) < 2:
            return None, None
        mean = float(sums.total[0]) / sums.answers
        variance = max(0.0, float(sums.squares[0]) / sums.answers - mean**2)
        of = self.reference
        error = math.sqrt(variance / sums.answers + of.agreement_sd**2 / of.inputs)
        low, middle, high = (
            effective_sigma(mean - by * error, self._curve)
            for by in (-INTERVAL_ERRORS, 0, INTERVAL_ERRORS)
        )
        return middle, (low, high)


DriftObserver = Callable[[str, DriftBody, DriftState | None], None]
"""Is told how the votes of a checkpoint agree of late, and of an alarm when it is raised."""


class DriftMonitor:
    """Follows the answers of all checkpoints; to be used on the event loop only.

    Args:
        observer: is told now and then, and at once of an alarm.
    """

    def __init__(self, observer: DriftObserver) -> None:
        self._observer = observer
        self._series: dict[tuple[str, str], list[Series]] = {}
        self._generator = np.random.default_rng()  # thins votes; no answer hangs on it

    def answered(self, prepared: Prepared, answer: PredictResponse) -> None:
        """Compare the answer to a prediction, if there is anything to compare it with."""
        is_bulk = prepared.priority is not Priority.NORMAL
        if not prepared.request.stop.casts_all or is_bulk:
            return
        series = self._series_for(prepared)
        if series is None:
            return
        compared = series.reference.votes
        for one in answer.predictions:
            if one.stopped_by == StopRule.FULL:
                counts = one.counts
                if one.votes_cast > compared:
                    counts = some_of(counts, compared, self._generator).tolist()
                first, second = top_two(counts)
                raised = series.add(np.array([first, first - second]) / compared)
                self._tell(prepared.checkpoint.name, series, raised)

    def bodies(self, card: Card, fingerprint: str) -> list[DriftBody]:
        """Return what there is to say of a checkpoint, by noise and votes."""
        return [series.body() for series in self._series_of(card, fingerprint)]

    def _tell(self, name: str, series: Series, raised: DriftState | None) -> None:
        """Tell the observer, and the log of an alarm."""
        if raised is None and series.answers % TOLD_EVERY:
            return
        body = series.body()
        self._observer(name, body, raised)
        if raised is not None:
            log.warning(
                "votes of %s under %s noise of sigma %g agree %s than its card says: "
                "%.3f, expected are %.3f",
                name,
                body.noise,
                body.sigma,
                "less" if raised is DriftState.LOWER else "more",
                body.agreement.seen,
                body.agreement.expected,
            )

    def _series_of(self, card: Card, fingerprint: str) -> list[Series]:
        """Return the series of a checkpoint; a replaced one begins anew.

        That of the one before stays, since requests may still end on it.
        """
        key = card.name, fingerprint
        if key not in self._series:
            for old in [other for other in self._series if other[0] == card.name][:-1]:
                del self._series[old]
            self._series[key] = [
                Series(
                    reference,
                    [of for of in card.agreements if alike(of, reference)],
                    card.noise.largest_sigma,
                )
                for reference in card.agreements
            ]
        return self._series[key]

    def _series_for(self, prepared: Prepared) -> Series | None:
        """Return the series that an answer belongs to: of most votes that it has."""
        request, checkpoint = prepared.request, prepared.checkpoint
        found: Series | None = None
        for series in self._series_of(checkpoint.card, checkpoint.fingerprint):
            of = series.reference
            most = 0 if found is None else found.reference.votes
            is_more = most < of.votes <= request.votes
            if is_more and request.noise.is_measured_at(of.kind, of.sigma):
                found = series
        return found


def alike(one: AgreementReference, other: AgreementReference) -> bool:
    """Return whether two figures differ in nothing but sigma."""
    return (one.kind, one.votes) == (other.kind, other.votes)
