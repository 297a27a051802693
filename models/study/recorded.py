"""The recorded votes of one condition, and what ways to ask them reach on both halves, replayed."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.setting import DeviceSetting
from noisevote.models.statistics import clopper_pearson, student_interval
from noisevote.models.stopping import Stopping
from noisevote.models.study.cells import Half
from noisevote.models.study.head import StudyHead
from noisevote.models.study.replay import Votes, answered, spread_over_chips
from noisevote.models.study.seeds import places_of, request_seed, seed_of
from noisevote.models.study.weighed import Reached

ALPHA = 0.05
"""Chance that an interval misses."""

Run = tuple[int | None, int]
"""A chip, None without or where several share the votes, and the number of a seed."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What requests that ask in one way answer on the samples of a half.

    Attributes:
        right: whether each answer is right ``[samples]``, by run.
        cast: votes until it stopped ``[runs, samples]``.
    """

    right: Mapping[Run, NDArray[np.bool_]]
    cast: NDArray[np.int64]

    @property
    def of_chips(self) -> dict[int | None, NDArray[np.float64]]:
        """Share of right answers on each sample, the mean over the seeds, by chip."""
        runs: dict[int | None, list[NDArray[np.bool_]]] = {}
        for (chip, _), of in self.right.items():
            runs.setdefault(chip, []).append(of)
        return {chip: np.mean(of, axis=0) for chip, of in runs.items()}

    @property
    def of_samples(self) -> NDArray[np.float64]:
        """Share of right answers on each sample, the mean over the chips ``[samples]``."""
        return np.asarray(np.mean(list(self.of_chips.values()), axis=0))


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
        for (half, chip, seed), of in sorted(runs.items(), key=lambda run: in_order(*run[0])):
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

    def replayed(self, half: Half, votes: int, rule: Stopping, chips: int = 1) -> Replayed | None:
        """Return what a way to ask answers on a half; None if too little was recorded."""
        runs = dict(self._asked(half, votes, chips))
        if not runs:
            return None
        samples = len(next(iter(runs.values())))
        labels = self._labels[half][places_of(samples, len(self._labels[half]))]
        found = {run: answered(of, self._head.classes, votes, rule) for run, of in runs.items()}
        return Replayed(
            {run: of.modes == labels for run, of in found.items()},
            np.stack([of.cast for of in found.values()]),
        )

    def reached(self, half: Half, votes: int, rule: Stopping, chips: int = 1) -> Reached | None:
        """Return what a way to ask reaches on a half; None if too little was recorded."""
        found = self.replayed(half, votes, rule, chips)
        return None if found is None else self.told(found, half, votes, rule, chips)

    def told(
        self,
        found: Replayed,
        half: Half,
        votes: int,
        rule: Stopping,
        chips: int = 1,
        accuracy: float | None = None,
    ) -> Reached:
        """Return what a way to ask reaches, from its answers.

        Args:
            found: its answers.
            half: of the samples.
            votes: N.
            rule: when they stop.
            chips: that share the votes.
            accuracy: adjusted to more samples; None: that of the answers.
        """
        own = accuracies(found.of_chips.values())
        alone = self.replayed(half, votes, rule) if chips > 1 else None
        of_chips = own if alone is None else accuracies(alone.of_chips.values())
        mean = float(own.mean()) if accuracy is None else accuracy
        samples = found.cast.shape[1]
        shares = own if len(own) > 1 else accuracies(found.right.values())
        return Reached(
            accuracy=mean,
            interval=interval_of(mean, samples, of_chips, None if alone is None else chips),
            samples=samples,
            runs=tuple(shares.tolist()),
            mean_votes=float(found.cast.mean()),
            p99_votes=int(np.quantile(found.cast, 0.99, method="higher")),
        )

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


def in_order(half: Half, chip: int | None, seed: int) -> tuple[str, int, int]:
    """Return where a run stands among others: seed by seed, chip by chip."""
    return half, seed, -1 if chip is None else chip


def accuracies(
    right: Iterable[NDArray[np.float64]] | Iterable[NDArray[np.bool_]],
) -> NDArray[np.float64]:
    """Return the mean over the samples of each chip, or run."""
    return np.array([of.mean() for of in right])


def interval_of(
    mean: float, samples: int, of_chips: NDArray[np.float64], sharing: int | None = None
) -> tuple[float, float]:
    """Return the interval at 95 % of an accuracy, over samples and chips like these.

    Over samples that of Clopper and Pearson, as if they had been run once: more seeds make it
    rather too wide. Over several chips that of Student, too; on each side the two distances from
    the mean are added as squares, since samples and chips are drawn independently. Chips that share
    the votes are taken to differ from others like the mean of as many that do not.

    Args:
        mean: accuracy.
        samples: that it is the mean over.
        of_chips: accuracy of each chip alone; one value where they do not differ.
        sharing: chips that shared the votes; None: the mean is that of the chips alone.
    """
    low, high = clopper_pearson(round(mean * samples, 6), samples, ALPHA)
    half_width = chip_error(of_chips, sharing)
    if half_width > 0:
        low = max(mean - math.hypot(mean - low, half_width), 0.0)
        high = min(mean + math.hypot(high - mean, half_width), 1.0)
    return low, high


def chip_error(
    of_chips: NDArray[np.float64], sharing: int | None = None, alpha: float = ALPHA
) -> float:
    """Return half the interval of Student of a mean over chips; 0 of a single one.

    Args:
        of_chips: figure of each chip alone.
        sharing: over so many of them; None: over all.
        alpha: chance that the interval misses.
    """
    if len(of_chips) < 2:
        return 0.0
    half_width = float(of_chips.mean()) - student_interval(of_chips, alpha)[0]
    return half_width * math.sqrt(len(of_chips) / (sharing or len(of_chips)))
