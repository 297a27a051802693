"""What a study recorded, as its answers need it: options, right answers, differences, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from noisevote.models.card import Card
from noisevote.models.study.cells import Half
from noisevote.models.study.conclusions import ROUNDING, Conclusions
from noisevote.models.study.differences import Differences, OfChips, paired, samples_of
from noisevote.models.study.options import rule_of
from noisevote.models.study.results import Results
from noisevote.models.study.seeds import shared_places
from noisevote.models.study.weighed import Option, Reached, Weighed
from noisevote.models.study.words import age, share, snr


def told(reached: Reached) -> str:
    """Return an accuracy with its interval."""
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
        return [of for of in self.found.options if of.option.is_plain]

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
    def without(self) -> str:
        """What the network is set against that has none."""
        return "no noise" if self.results.head.device is None else "no device"

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

    def tolerated(self, votes: int) -> tuple[Weighed | None, float | None]:
        """Return the largest noise at which so many votes lose no more than the tolerance.

        It is chosen on the half that settings are chosen on, by the isotonic regression of the loss
        against no noise over sigma: losses that fall from one sigma to the next are averaged, so
        that neither a dip nor a lucky point decides alone.

        Returns:
            It, None where there is none; and the next larger sigma that was studied, None where
            there is none.
        """
        tried = [self.at(of, votes) for of in sorted(c for c in self.results.head.conditions if c)]
        losses = [
            (of, -found.mean)
            for of in tried
            if of is not None
            and (found := self.differences(of.option, None, Half.CHOICE)) is not None
        ]
        if not losses:
            return None, None
        good = how_many_are_good([loss for _, loss in losses], self.results.head.tolerance)
        following = losses[good][0].option.condition if good < len(losses) else None
        return (losses[good - 1][0] if good else None), following

    def loss(self, option: Option) -> str:
        """Return what an option loses against the network without noise, on the other half."""
        found = self.differences(option, None)
        return "" if found is None else f", {self.told_difference(found)} against {self.without}"

    def told_difference(self, found: Differences) -> str:
        """Return a difference in points, and whether it speaks of other chips."""
        device = self.results.head.device
        differ = device is not None and device.differs_by_chip
        is_open = differ and not found.tells_of_other_chips
        return f"{found.text}{' on these chips' if is_open else ''}"

    def differences(
        self, option: Option, other: Option | None, half: Half = Half.REPORT
    ) -> Differences | None:
        """Return how much more often an option is right than another, on the samples of both.

        Args:
            option: that is set against the other.
            other: None: the network without noise and device.
            half: of the samples.

        Returns:
            None where one was not recorded.
        """
        ours, theirs = self.right_by_chip(option, half), self.right_by_chip(other, half)
        if ours is None or theirs is None:
            return None
        whole = len(self.results.labels[half])
        _, *places = shared_places(samples_of(ours), samples_of(theirs), whole)
        return paired(ours, theirs, tuple(places))

    def right_by_chip(self, option: Option | None, half: Half) -> OfChips | None:
        """Return the share of right answers on each sample by chip; None where not recorded.

        Args:
            option: how to ask; None: the network without noise and device.
            half: of the samples.
        """
        if option is None:
            samples = len(self.results.clean_votes(half))
            return {None: self.results.clean_right(half, samples).astype(np.float64)}
        recorded = self.results.settings.get((option.condition, tuple(option.repeats.items())))
        if recorded is None:
            return None
        rule = rule_of(self.results.head, self.card, option)
        found = recorded.replayed(half, option.votes, rule, option.chips)
        return None if found is None else found.of_chips


def how_many_are_good(losses: Sequence[float], tolerance: float) -> int:
    """Return how many strengths of the noise, from the least on, lose no more than the tolerance.

    Args:
        losses: estimated, by rising strength; their isotonic regression decides.
        tolerance: loss that is accepted.
    """
    return int((isotonic_regression(losses).x <= tolerance + ROUNDING).sum())
