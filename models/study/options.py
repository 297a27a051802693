"""Every way to ask that recorded votes can answer for, what it reaches and what it costs.

An option is repeats, a number of votes, a stop rule and a number of chips under one condition. What
it reaches is replayed on both halves of the samples: it is chosen by the first and reported by the
second.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.errors import DataError
from noisevote.models.stopping import Stopping, StopRule
from noisevote.models.study.cells import Half
from noisevote.models.study.costs import CostModel
from noisevote.models.study.differences import Differences, OfChips, paired, samples_of
from noisevote.models.study.head import StudyHead
from noisevote.models.study.recorded import Recorded, Replayed
from noisevote.models.study.replay import FULL
from noisevote.models.study.seeds import shared_places
from noisevote.models.study.weighed import Option, Reached, Weighed

COUNTS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500, 1000)
"""Numbers of votes that are looked at, as far as so many were recorded."""

FEWEST_TO_STOP = 3
"""Votes below which no rule stops sooner than ``full``."""

CHIPS = (2, 5, 10, 20)
"""Numbers of chips that share the votes of a request."""


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


def rule_of(head: StudyHead, card: Card, option: Option) -> Stopping:
    """Return the stop rule of an option, its threshold included.

    Raises:
        DataError: the card has its threshold no more.
    """
    rules = rules_for(head, card, option.condition, option.repeats, option.votes)
    for rule in rules:
        if (rule.row, delta_of(rule)) == (option.stop, option.delta):
            return rule
    raise DataError(f"{option.votes} votes cannot be stopped by {option.stop} as the card is now")


def delta_of(rule: Stopping) -> float | None:
    """Return the chance of another mode that a request names for a rule; None if it has none."""
    return None if rule.promise is None or rule.promise.delta == 0 else rule.promise.delta


@dataclass(frozen=True, slots=True)
class Reference:
    """What options of a condition are compared to, on a half of the samples.

    Options with repeats are recorded on fewer samples, which may be easier or harder than all.

    Attributes:
        votes: all votes without repeats, how many.
        of_chips: share of right answers of these on each sample, by chip.
        clean: whether the network without noise and device is right on each sample ``[samples]``.
        whole: samples of the half, over which those of a cell are spread.
    """

    votes: int
    of_chips: OfChips
    clean: NDArray[np.float64]
    whole: int

    def over_votes(self, right: OfChips) -> Differences:
        """Return how much more often an option is right than all votes without repeats."""
        return self._over(self.of_chips, right)

    def over_clean(self, right: OfChips) -> Differences:
        """Return how much more often an option is right than without noise and device."""
        return self._over({None: self.clean}, right)

    def _over(self, other: OfChips, right: OfChips) -> Differences:
        _, here, there = shared_places(samples_of(right), samples_of(other), self.whole)
        return paired(right, other, (here, there))

    def adjusted(self, right: OfChips) -> float:
        """Return the accuracy of an option as if it had been recorded on the reference's samples.

        That of the reference, and the paired difference on the samples that both have: a regression
        estimate of slope 1 (W. G. Cochran, Sampling Techniques, 1977, section 7.3).

        Args:
            right: share of right answers on each sample, by chip.
        """
        if samples_of(right) == samples_of(self.of_chips):
            return float(np.mean([of.mean() for of in right.values()]))
        mean = np.mean([of.mean() for of in self.of_chips.values()])
        return float(np.clip(mean + self.over_votes(right).mean, 0.0, 1.0))


References = Mapping[Half, Reference]
"""By half, as far as votes without repeats were recorded there."""


def weighed(
    recorded: Recorded,
    head: StudyHead,
    card: Card,
    condition: float | None,
    repeats: Mapping[str, int],
    references: References,
) -> Iterator[Weighed]:
    """Yield all options of one condition and repeats.

    Args:
        recorded: its votes.
        head: of the study.
        card: of its checkpoint.
        condition: sigma at all points, or age.
        repeats: reads that are averaged, by noise point.
        references: to which they are compared; on a half without one each counts as recorded.
    """
    costs = CostModel(head, card)
    for votes, rule, chips in ways_to_ask(recorded, head, card, condition, repeats):
        option = Option(
            condition=condition,
            repeats=dict(repeats),
            votes=votes,
            stop=rule.row,
            delta=delta_of(rule),
            chips=chips,
        )
        found = {half: recorded.replayed(half, votes, rule, chips) for half in Half}
        choice, report = (
            None if of is None else told(recorded, references.get(half), of, half, option, rule)
            for half, of in found.items()
        )
        if choice is None:
            continue
        yield Weighed(
            option=option,
            choice=choice,
            report=report,
            costs=costs.of(
                repeats,
                choice.mean_votes,
                choice.p99_votes,
                chips,
                stops_early=not rule.casts_all,
            ),
            **lower_ends(found[Half.CHOICE], references.get(Half.CHOICE), option),
        )


def told(
    recorded: Recorded,
    reference: Reference | None,
    found: Replayed,
    half: Half,
    option: Option,
    rule: Stopping,
) -> Reached:
    """Return what an option reaches on a half, adjusted to the samples of a reference."""
    accuracy = None if reference is None else reference.adjusted(found.of_chips)
    return recorded.told(found, half, option.votes, rule, option.chips, accuracy)


def lower_ends(
    found: Replayed | None, reference: Reference | None, option: Option
) -> dict[str, float]:
    """Return what an option is shown to lose at most, by the names in :class:`Weighed`."""
    if found is None or reference is None:
        return {}
    # The mode of all votes, which the rule ``exact`` keeps on any input.
    is_same = (
        not option.repeats
        and option.chips == 1
        and option.votes == reference.votes
        and option.stop in {StopRule.FULL, StopRule.EXACT}
    )
    over_votes = 0.0 if is_same else reference.over_votes(found.of_chips).lower
    return {"over_votes": over_votes, "over_clean": reference.over_clean(found.of_chips).lower}


def ways_to_ask(
    recorded: Recorded,
    head: StudyHead,
    card: Card,
    condition: float | None,
    repeats: Mapping[str, int],
) -> Iterator[tuple[int, Stopping, int]]:
    """Yield votes, stop rule and number of chips of every option; see :func:`weighed`."""
    most = recorded.votes_of(Half.CHOICE)
    # Chips whose own votes do not differ can share as many votes as they are.
    shared = max(1, recorded.chips) if head.is_silent else most
    for votes in sorted({*(count for count in COUNTS if count < shared), shared}):
        most_chips = min(votes, max(1, recorded.chips))
        # A chip whose votes do not differ has a single one to cast.
        several = (votes,) if head.is_silent else (1, *CHIPS)
        chips = [count for count in several if count <= most_chips]
        for rule in rules_for(head, card, condition, repeats, votes):
            for count in chips if rule.threshold is None else [1]:
                yield votes, rule, count
