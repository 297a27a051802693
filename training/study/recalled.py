"""What a study recorded, as its answers need it: options, right answers, differences, in words."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.stopping import DELTA
from noisevote.models.study.cells import Half
from noisevote.models.study.conclusions import Conclusions
from noisevote.models.study.replay import answered
from noisevote.models.study.results import Results
from noisevote.models.study.weighed import Option, Reached, Weighed
from noisevote.training.measure.results import Z_95
from noisevote.training.study.conclude import is_plain
from noisevote.training.study.words import age, share, snr


def told(reached: Reached) -> str:
    """Return an accuracy with interval and number of samples."""
    low, high = reached.interval
    return f"{share(reached.accuracy)} [{100 * low:.1f}, {100 * high:.1f}]"


def one_or_more(votes: int) -> str:
    """Return a number of votes in words."""
    return "one vote" if votes == 1 else f"{votes} votes"


@dataclass(frozen=True, slots=True)
class Recalled:
    """A study that has come to its end.

    Attributes:
        results: of it.
        found: its conclusions.
        card: of its checkpoint.
    """

    results: Results
    found: Conclusions
    card: Card

    @property
    def tolerance(self) -> str:
        """Loss that is accepted, in words."""
        value = 100 * self.results.head.tolerance
        return f"{value:g} point{'' if value == 1 else 's'}"

    @property
    def samples(self) -> str:
        """Number of the samples that figures come from."""
        return f"n = {self.found.clean.samples:,}"

    @property
    def plain(self) -> list[Weighed]:
        """Options without repeats, rules and several chips."""
        return [of for of in self.found.options if is_plain(of.option)]

    def at(self, condition: float | None, votes: int) -> Weighed | None:
        """Return all of so many votes under a condition."""
        return next(
            (
                of
                for of in self.plain
                if (of.option.condition, of.option.votes) == (condition, votes)
            ),
            None,
        )

    @property
    def at_place(self) -> str:
        """The operating point, to begin a sentence."""
        return f"{'Under' if self.results.head.device is None else 'On'} {self.place}"

    @property
    def place(self) -> str:
        """The operating point in words."""
        head, value = self.results.head, self.found.operating
        if head.device is None:
            return f"{head.kind} noise of sigma {value:g}{snr(head.kind, value or 0.0)}"
        return head.device.name + ("" if value is None else f" at an age of {age(value)}")

    def tolerated(self, votes: int) -> Weighed | None:
        """Return the largest noise up to which so many votes lose no more than the tolerance.

        It is chosen on the half that settings are chosen on, all smaller strengths included.
        """
        needed = self.found.clean_choice.accuracy - self.results.head.tolerance
        good = None
        for condition in sorted(of for of in self.results.head.conditions if of):
            of = self.at(condition, votes)
            if of is not None and of.choice.accuracy < needed:
                break
            good = of or good
        return good

    def loss(self, option: Option) -> str:
        """Return what an option loses against the network without noise, on the other half."""
        ours = self.right(option)
        if ours is None:
            return ""
        clean = self.results.clean_right(Half.REPORT, len(ours)).astype(np.float64)
        return f", {difference_text(ours - clean)} against no noise"

    def right(self, option: Option) -> NDArray[np.float64] | None:
        """Return the share of right answers on each sample of the other half ``[samples]``.

        The mean over the chips of the mean over their seeds; None where it was not recorded.
        """
        recorded = self.results.settings.get((option.condition, tuple(option.repeats.items())))
        if recorded is None or option.chips > 1 or option.stop.rule.needs_threshold:
            return None
        rule = option.stop.rule(option.delta or DELTA)
        classes = self.results.head.classes
        by_chip: dict[int | None, list[NDArray[np.bool_]]] = {}
        for (chip, _), votes in recorded.runs[Half.REPORT].items():
            modes = answered(votes, classes, option.votes, rule).modes
            right = modes == self.results.labels_of(Half.REPORT, len(votes))
            by_chip.setdefault(chip, []).append(right)
        if not by_chip:
            return None
        return np.asarray(np.mean([np.mean(of, axis=0) for of in by_chip.values()], axis=0))

    def by_chip(self, votes: int) -> list[float]:
        """Return the accuracy of each chip with so many votes, at the operating point."""
        head = self.results.head
        by_chip: dict[int | None, list[float]] = {}
        runs = self.results.settings[self.found.operating, ()].runs[Half.REPORT]
        for (chip, _), of in runs.items():
            labels = self.results.labels_of(Half.REPORT, len(of))
            modes = answered(of, head.classes, min(votes, of.shape[1])).modes
            by_chip.setdefault(chip, []).append(float((modes == labels).mean()))
        return [float(np.mean(of)) for of in by_chip.values()]


def difference_text(differences: NDArray[np.float64]) -> str:
    """Return a paired difference of accuracies in points, with its interval at 95 %.

    The interval is that of Agresti and Min (Statistics in Medicine 24, 2005), half a pair added to
    each cell, for shares of right answers instead of one answer each.

    Args:
        differences: of each sample ``[samples]``, -1 to 1.
    """
    samples, total = len(differences), float(differences.sum())
    centre = total / (samples + 2)
    variance = float((differences**2).sum()) + 1 - total**2 / (samples + 2)
    half = Z_95 * math.sqrt(variance) / (samples + 2)
    return (
        f"{100 * total / samples:+.1f} points [{100 * (centre - half):.1f}, "
        f"{100 * (centre + half):.1f}]"
    )
