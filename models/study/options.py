"""Every way to ask that recorded votes can answer for, what it reaches and what it costs.

An option is repeats, a number of votes, a stop rule and a number of chips under one condition. What
it reaches is replayed on both halves of the samples: it is chosen by the first and reported by the
second.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.devices.setting import DeviceSetting
from noisevote.models.statistics import clopper_pearson, student_interval
from noisevote.models.stopping import Stopping, StopRule
from noisevote.models.study.cells import Half
from noisevote.models.study.costs import CostModel
from noisevote.models.study.head import StudyHead
from noisevote.models.study.replay import FULL, Outcome, Votes, answered, spread_over_chips
from noisevote.models.study.seeds import places_of, request_seed, seed_of
from noisevote.models.study.weighed import Option, Reached, Weighed

ALPHA = 0.05
"""Chance that an interval misses."""

COUNTS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500, 1000)
"""Numbers of votes that are looked at, as far as so many were recorded."""

FEWEST_TO_STOP = 3
"""Votes below which no rule stops sooner than ``full``."""

CHIPS = (2, 5, 10, 20)
"""Numbers of chips that share the votes of a request."""


Run = tuple[int | None, int]
"""A chip, None without, and the number of a seed."""


class Recorded:
    """The votes of one condition and repeats on both halves.

    Args:
        head: of the study.
        labels: of the samples of each half.
        numbers: of these in their file; they are part of the seeds.
        runs: votes by half, chip and number of the seed.
    """

    def __init__(
        self,
        head: StudyHead,
        labels: Mapping[Half, NDArray[np.int64]],
        numbers: Mapping[Half, NDArray[np.int64]],
        runs: Mapping[tuple[Half, int | None, int], Votes],
    ) -> None:
        self._head, self._labels, self._numbers = head, labels, numbers
        self.runs: dict[Half, dict[Run, Votes]] = {half: {} for half in Half}
        for (half, chip, seed), of in sorted(runs.items(), key=lambda run: place_of(*run[0])):
            self.runs[half][chip, seed] = of

    def votes_of(self, half: Half) -> int:
        """Return how many votes all runs of a half have; 0 without any."""
        return min((of.shape[1] for of in self.runs[half].values()), default=0)

    @property
    def chips(self) -> int:
        """How many chips cast the same votes on both halves."""
        held = [{chip for chip, seed in self.runs[half] if seed == 0} for half in Half]
        common = held[0] if not held[1] else held[0] & held[1]
        return len(common - {None})

    def reached(self, half: Half, votes: int, rule: Stopping, chips: int = 1) -> Reached | None:
        """Return what a way to ask reaches on a half; None if too little was recorded."""
        runs = list(self._asked(half, votes, chips))
        if not runs:
            return None
        outcomes = [(run, answered(of, self._head.classes, votes, rule)) for run, of in runs]
        return self._told(half, outcomes)

    def _asked(self, half: Half, votes: int, chips: int) -> Iterator[tuple[Run, Votes]]:
        runs = {
            run: of
            for run, of in self.runs[half].items()
            if self._head.is_silent or of.shape[1] >= votes
        }
        if chips == 1:
            yield from runs.items()
            return
        for seed in sorted({seed for _, seed in runs}):
            of_chips = [runs[chip, seed] for chip in range(chips) if (chip, seed) in runs]
            if len(of_chips) == chips and len({of.shape for of in of_chips}) == 1:
                orders = self._orders(half, votes, chips, seed, len(of_chips[0]))
                yield (None, seed), spread_over_chips(np.stack(of_chips), orders)

    def _orders(
        self, half: Half, votes: int, chips: int, seed: int, samples: int
    ) -> NDArray[np.intp]:
        setting = DeviceSetting({}, tuple(range(chips)), votes=votes)
        base = seed_of(self._head.seed, half, seed)
        numbers = self._numbers[half][places_of(samples, len(self._numbers[half]))]
        seeds = [request_seed(base, number) for number in numbers.tolist()]
        return np.stack([setting.order(each, 0) for each in seeds])

    def _told(self, half: Half, outcomes: Sequence[tuple[Run, Outcome]]) -> Reached:
        samples = len(outcomes[0][1].modes)
        labels = self._labels[half][places_of(samples, len(self._labels[half]))]
        shares = {run: float((out.modes == labels).mean()) for run, out in outcomes}
        cast = np.concatenate([out.cast for _, out in outcomes])
        return Reached(
            accuracy=float(np.mean(means_of(shares))),
            interval=interval_of(shares, samples),
            samples=samples,
            runs=tuple(shares.values()),
            mean_votes=float(cast.mean()),
            p99_votes=int(np.quantile(cast, 0.99, method="higher")),
        )


def place_of(half: Half, chip: int | None, seed: int) -> tuple[str, int, int]:
    """Return where a run stands among others: seed by seed, chip by chip."""
    return half, seed, -1 if chip is None else chip


def interval_of(shares: Mapping[Run, float], samples: int) -> tuple[float, float]:
    """Return the interval at 95 % of a mean accuracy, over samples and chips like these.

    Over samples that of Clopper and Pearson, as if they had been run once: more seeds make it
    rather too wide. Over several chips that of Student, too; on each side the two distances from
    the mean are added as squares, since samples and chips are drawn independently.
    """
    of_chips = means_of(shares)
    mean = float(of_chips.mean())
    low, high = clopper_pearson(round(mean * samples, 6), samples, ALPHA)
    if len(of_chips) > 1:
        half = mean - student_interval(of_chips, ALPHA)[0]
        low = max(mean - math.hypot(mean - low, half), 0.0)
        high = min(mean + math.hypot(high - mean, half), 1.0)
    return low, high


def means_of(shares: Mapping[Run, float]) -> NDArray[np.float64]:
    """Return the mean over the seeds of each chip ``[chips]``; without chips that of all."""
    by_chip: dict[int | None, list[float]] = {}
    for (chip, _), share in shares.items():
        by_chip.setdefault(chip, []).append(share)
    return np.array([np.mean(of) for of in by_chip.values()])


def rules_for(
    head: StudyHead, card: Card, condition: float | None, repeats: Mapping[str, int], votes: int
) -> list[Stopping]:
    """Return the stop rules that a request of so many votes may name.

    One that needs a threshold is among them where the card has it for just these votes.
    """
    if votes < FEWEST_TO_STOP:
        return [FULL]
    thresholds = [
        threshold
        for threshold in card.thresholds
        if head.device is None
        and not repeats
        and (threshold.kind, threshold.sigma, threshold.votes) == (head.kind, condition, votes)
    ]
    return [
        rule
        for row in StopRule
        for rule in (
            [row.rule(of.delta, of) for of in thresholds]
            if row.rule.needs_threshold
            else [row.rule()]
        )
    ]


def delta_of(rule: Stopping) -> float | None:
    """Return the chance of another mode that a request names for a rule; None if it has none."""
    return None if rule.promise is None or rule.promise.delta == 0 else rule.promise.delta


def weighed(
    recorded: Recorded,
    head: StudyHead,
    card: Card,
    condition: float | None,
    repeats: Mapping[str, int],
) -> Iterator[Weighed]:
    """Yield all options of one condition and repeats.

    Args:
        recorded: its votes.
        head: of the study.
        card: of its checkpoint.
        condition: sigma at all points, or age.
        repeats: reads that are averaged, by noise point.
    """
    costs = CostModel(head, card)
    most = recorded.votes_of(Half.CHOICE)
    # Chips whose own votes do not differ can share as many votes as they are.
    shared = max(1, recorded.chips) if head.is_silent else most
    for votes in sorted({*(count for count in COUNTS if count < shared), shared}):
        chips = [count for count in (1, *CHIPS) if count <= min(votes, max(1, recorded.chips))]
        if head.is_silent and votes > 1:
            chips = chips[1:]
        for rule in rules_for(head, card, condition, repeats, votes):
            for count in chips if rule.threshold is None else [1]:
                choice = recorded.reached(Half.CHOICE, votes, rule, count)
                if choice is None:
                    continue
                yield Weighed(
                    option=Option(
                        condition=condition,
                        repeats=dict(repeats),
                        votes=votes,
                        stop=rule.row,
                        delta=delta_of(rule),
                        chips=count,
                    ),
                    choice=choice,
                    report=recorded.reached(Half.REPORT, votes, rule, count),
                    costs=costs.of(
                        repeats,
                        choice.mean_votes,
                        choice.p99_votes,
                        count,
                        stops_early=not rule.casts_all,
                    ),
                )
