"""How much more often one way to ask, or one study, is right than another, on the same samples."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr

from noisevote.models.statistics import paired_interval
from noisevote.models.study.recorded import ALPHA, chip_error
from noisevote.models.study.words import points

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
    def interval(self) -> tuple[float, float]:
        """Of the mean at 95 %, over samples and chips, whose distances are added as squares."""
        mean, (low, high) = self.mean, paired_interval(self.of_samples)
        chips = [chip_error(of) for of in self.of_chips]
        return mean - math.hypot(mean - low, *chips), mean + math.hypot(high - mean, *chips)

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference: Student's t, with the fewest chips' degrees of freedom."""
        low, high = paired_interval(self.of_samples)
        several = [of for of in self.of_chips if len(of) > 1]
        variance = ((high - low) / 2 / float(ndtri(1 - ALPHA / 2))) ** 2
        variance += sum(float(of.var(ddof=1)) / len(of) for of in several)
        t = -abs(low + high) / 2 / math.sqrt(variance)
        if not several:
            return 2 * float(ndtr(t))
        return 2 * float(stdtr(min(len(of) for of in several) - 1, t))

    @property
    def tells_of_other_chips(self) -> bool:
        """Whether the interval is over chips, too."""
        return any(len(of) > 1 for of in self.of_chips)

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
