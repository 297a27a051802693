"""How much more often one way to ask, or one study, is right than another, on the same samples."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from noisevote.models.statistics import paired_interval
from noisevote.models.study.recorded import ALPHA, chip_error
from noisevote.models.study.words import points

LEAST_P_VALUE = 1e-12
"""Smaller ones are told as this."""

OfChips = Mapping[int | None, NDArray[np.float64]]
"""Share of right answers on each sample, by chip; None: of all, or without chips."""


@dataclass(frozen=True, slots=True)
class Differences:
    """By how much one is right more often than the other.

    Attributes:
        of_samples: paired differences, the mean over chips and seeds ``[samples]``, -1 to 1.
        of_chips: figures by chip whose means the difference is made of ``[chips]``: paired
            differences on the same chips, or the accuracies of both on chips of their own. One
            figure alone says nothing of other chips.
    """

    of_samples: NDArray[np.float64]
    of_chips: tuple[NDArray[np.float64], ...] = ()

    @property
    def mean(self) -> float:
        """Over the samples."""
        return float(self.of_samples.mean())

    @property
    def centre(self) -> float:
        """Of the interval; that of Agresti and Min lies a little nearer to 0 than the mean."""
        return sum(paired_interval(self.of_samples)) / 2

    def half_width(self, alpha: float) -> float:
        """Return half the interval at confidence ``1 - alpha``, over samples and chips.

        The half widths over samples (Agresti and Min) and over each group of chips (Student) are
        added as squares, since they are drawn independently.
        """
        low, high = paired_interval(self.of_samples, alpha)
        chips = (chip_error(of, alpha=alpha) for of in self.of_chips)
        return math.hypot((high - low) / 2, *chips)

    @property
    def interval(self) -> tuple[float, float]:
        """Of the mean at 95 %, over samples and chips."""
        half_width = self.half_width(ALPHA)
        return self.centre - half_width, self.centre + half_width

    @property
    def lower(self) -> float:
        """What the mean is above with a confidence of 95 %."""
        return self.centre - self.half_width(2 * ALPHA)

    @property
    def p_value(self) -> float:
        """Of no difference, two-sided: the alpha at which the interval ends at 0."""
        if self.half_width(LEAST_P_VALUE) <= abs(self.centre):
            return LEAST_P_VALUE
        if self.centre == 0.0:
            return 1.0
        found = brentq(
            lambda log: self.half_width(math.exp(log)) - abs(self.centre),
            math.log(LEAST_P_VALUE), 0.0,
        )  # fmt: skip
        return math.exp(float(found))

    @property
    def tells_of_other_chips(self) -> bool:
        """Whether the interval is over chips, too."""
        return all(len(of) > 1 for of in self.of_chips)

    @property
    def text(self) -> str:
        """The mean in points, with its interval."""
        low, high = self.interval
        return f"{points(self.mean, '+')} points [{points(low)}, {points(high)}]"


def paired_by_chip(ours: OfChips, theirs: OfChips) -> NDArray[np.float64]:
    """Return the mean difference on each chip ``[chips]``.

    Args:
        ours: by chip.
        theirs: on the same samples; those of all chips stand against each of ours.
    """
    pairs = [(of, theirs.get(chip, theirs.get(None))) for chip, of in ours.items()]
    return np.array([(of - other).mean() for of, other in pairs if other is not None])


def paired(ours: OfChips, theirs: OfChips, places: tuple[NDArray[np.int64], ...]) -> Differences:
    """Return the differences on the samples that both have, paired chip by chip.

    Args:
        ours: by chip.
        theirs: by chip, the same chips; None for all.
        places: of these samples in ours and in theirs.
    """
    mine, others = (
        {chip: of[place] for chip, of in side.items()}
        for side, place in zip((ours, theirs), places, strict=True)
    )
    of_samples = np.mean([*mine.values()], axis=0) - np.mean([*others.values()], axis=0)
    return Differences(of_samples, (paired_by_chip(mine, others),))


def samples_of(right: OfChips) -> int:
    """Return on how many samples answers were recorded."""
    return len(next(iter(right.values())))
