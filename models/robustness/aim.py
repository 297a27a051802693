"""What an attacker wants of each sample: any wrong class, or one class that he chose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Aim:
    """What is wanted of some samples, and how near answers come to it.

    Attributes:
        labels: the right class of each sample ``[n]``, int64.
        target_classes: the class that each is to be answered with ``[n]``, int64; None: any wrong
            one will do.
    """

    labels: NDArray[np.int64]
    target_classes: NDArray[np.int64] | None = None

    def is_met(self, answers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether answers ``[..., n]`` are what the attacker wants."""
        if self.target_classes is None:
            return np.asarray(answers != self.labels)
        return np.asarray(answers == self.target_classes)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "Aim":
        """Return the aim at the chosen samples, in order."""
        classes = self.target_classes
        return Aim(self.labels[chosen], None if classes is None else classes[chosen])

    def margins(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how far votes ``[n, classes]`` are from the aim, as shares ``[n]``.

        Untargeted, it is the lead of the label over the strongest other class; targeted, that of
        the strongest other class over the target class. It is below 0 exactly where the mode is
        what the attacker wants, and -1 where all votes are on one such class.
        """
        if self.target_classes is None:
            return vote_margins(counts, self.labels)
        return target_margins(counts, self.target_classes)


def vote_margins(counts: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the lead of the labels in votes ``[n, classes]`` as shares ``[n]``.

    A tie goes to the lowest class, as the mode does: a label that loses it leads by less than 0.
    """
    lead, strongest = leads(counts, labels)
    lead -= 0.5 * ((lead == 0) & (strongest < labels))
    return np.asarray(lead / counts.sum(axis=1))


def target_margins(counts: NDArray[np.int64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how far target classes trail in votes ``[n, classes]`` as shares ``[n]``.

    A target class that wins a tie trails by less than 0.
    """
    lead, strongest = leads(counts, classes)
    lead += 0.5 * ((lead == 0) & (classes < strongest))
    return np.asarray(-lead / counts.sum(axis=1))


def leads(
    counts: NDArray[np.int64], classes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the lead of one class a row in votes ``[n]``, and the strongest other class ``[n]``.

    Of others that are equally strong it is the lowest.
    """
    rows = np.arange(len(counts))
    rivals = counts.copy()
    rivals[rows, classes] = -1
    strongest = rivals.argmax(axis=1)
    lead = (counts[rows, classes] - rivals[rows, strongest]).astype(np.float64)
    return lead, strongest
