"""The three questions, one sentence each, and what was not measured."""

from dataclasses import dataclass

import numpy as np

from noisevote.models.card import Card
from noisevote.models.stopping import StopRule
from noisevote.models.study.cells import Half
from noisevote.models.study.conclusions import Conclusions
from noisevote.models.study.replay import Rule, answered, is_among_first
from noisevote.models.study.results import Results
from noisevote.models.study.seeds import shared_places
from noisevote.models.study.weighed import Option, Reached, Weighed
from noisevote.training.measure.results import paired
from noisevote.training.study.conclude import is_plain
from noisevote.training.study.section import MANY_CLASSES, option_words
from noisevote.training.study.words import age, energy, points, seconds, share

TOP = 5


def told(reached: Reached) -> str:
    """Return an accuracy with interval and number of samples."""
    low, high = reached.interval
    return f"{share(reached.accuracy)} [{100 * low:.1f}, {100 * high:.1f}]"


def one_or_more(votes: int) -> str:
    """Return a number of votes in words."""
    return "one vote" if votes == 1 else f"{votes} votes"


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of a study.

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
    def place(self) -> str:
        """The operating point in words."""
        head, value = self.results.head, self.found.operating
        if head.device is None:
            return f"{head.kind} noise of sigma {value:g}"
        return head.device.name + ("" if value is None else f" at an age of {age(value)}")

    def how_much_noise(self) -> str:
        """Answer how much noise the network can take."""
        head, most = self.results.head, self.found.reference.votes
        clean = told(self.found.clean)
        if head.device is not None:
            return self.on_device(clean, most)
        largest = max(of.option.condition or 0.0 for of in self.plain)
        parts = [f"with {one_or_more(votes)} {self.up_to(votes)}" for votes in sorted({1, most})]
        return (
            f"Of its accuracy without noise, {clean}, the network loses at most {self.tolerance} "
            f"{', '.join(parts)}. It was studied under {head.kind} noise up to sigma "
            f"{largest:g}; {self.samples}."
        )

    def up_to(self, votes: int) -> str:
        """Return up to which noise so many votes lose no more than the tolerance."""
        good = self.tolerated(votes)
        if good is None:
            least = min((of.option.condition or 0.0 for of in self.plain), default=0.0)
            return f"under less noise than any that was studied (sigma {least:g} and above)"
        figure = told(good.report or good.choice)
        return f"up to sigma {good.option.condition:g} ({figure} there)"

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

    def on_device(self, clean: str, most: int) -> str:
        """Answer how much the device takes away."""
        head = self.results.head
        one, ceiling = self.at(self.found.operating, 1), self.found.ceiling(self.found.operating)
        if one is None or one.report is None:
            return "No vote on the device was measured."
        chips = (
            f"mean of {head.chips} chips"
            if head.device and head.device.differs_by_chip
            else "one chip"
        )
        by_chip = self.by_chip(1)
        worst = (
            f", worst {share(min(by_chip))}, best {share(max(by_chip))}" if len(by_chip) > 1 else ""
        )
        limit = (
            ""
            if ceiling is None or ceiling.report is None
            else f" Without read noise the same chips reach {told(ceiling.report)}: about the "
            "most that votes on one chip can reach."
        )
        later = self.later_ages(most)
        return (
            f"On {self.place} one vote is right for {told(one.report)} ({chips}{worst}), without "
            f"the device {clean}; {self.samples}.{limit}{later}"
        )

    def by_chip(self, votes: int) -> list[float]:
        """Return the accuracy of each chip with so many votes, at the operating point."""
        runs = self.results.settings[self.found.operating, ()].runs[Half.REPORT]
        found = []
        for (_, seed), of in runs.items():
            if seed == 0:
                labels = self.results.labels_of(Half.REPORT, len(of))
                modes = answered(of, self.results.head.classes, min(votes, of.shape[1])).modes
                found.append(float((modes == labels).mean()))
        return found

    def later_ages(self, most: int) -> str:
        """Return what is left at the largest age that was studied."""
        ages = [of for of in self.results.head.ages_s if of is not None]
        last = self.at(ages[-1], most) if len(ages) > 1 else None
        if last is None or last.report is None:
            return ""
        return (
            f" At an age of {age(ages[-1])} {one_or_more(most)} are right for {told(last.report)}."
        )

    def how_many_votes(self) -> str:
        """Answer how many votes buy the accuracy back."""
        head, found = self.results.head, self.found
        ceiling = found.ceiling(found.operating)
        one = self.at(found.operating, 1)
        top = found.weighed(found.reference)
        if one is None or top is None or one.report is None or top.report is None:
            return "Votes were not measured on both halves."
        if top.option.votes == 1:
            return f"On {self.place} all votes of a chip are the same: more of them buy nothing."
        best = ceiling.choice.accuracy if ceiling else top.choice.accuracy
        enough = next(
            (
                of
                for of in sorted(self.plain, key=lambda of: of.option.votes)
                if of.option.condition == found.operating
                and of.choice.accuracy >= best - head.tolerance
            ),
            None,
        )
        limit = (
            ""
            if ceiling is None or ceiling.report is None
            else f" The ceiling, {self.ceiling_text(ceiling.votes)}, is {told(ceiling.report)}."
        )
        reached = (
            f"not even {one_or_more(top.option.votes)} come within {self.tolerance} of the ceiling "
            f"({told(top.report)})"
            if enough is None or enough.report is None
            else f"{one_or_more(enough.option.votes)} "
            f"{'comes' if enough.option.votes == 1 else 'come'} within {self.tolerance} of the "
            f"ceiling: {told(enough.report)}"
        )
        return (
            f"At {self.place} one vote is right for {told(one.report)}; {reached}; "
            f"{self.samples}.{limit}{self.saved()}"
        )

    def ceiling_text(self, votes: int) -> str:
        """Return what a ceiling is."""
        if self.results.head.device is not None:
            return "the same chips without read noise"
        return f"the mode of all {votes} recorded votes"

    def saved(self) -> str:
        """Return what stopping early saves."""
        rules = [
            of
            for of in self.found.at(self.found.operating)
            if of.option.stop is StopRule.BOUNDED
            and of.option.votes == self.found.reference.votes
            and not of.option.repeats
            and of.option.chips == 1
        ]
        if not rules:
            return ""
        (of,) = rules[:1]
        reached = of.report or of.choice
        return (
            f" Stopped by `bounded`, {of.option.votes} votes become {reached.mean_votes:.1f} on "
            f"average, with {share(reached.accuracy)}."
        )

    def at_what_cost(self) -> str:
        """Answer what that costs."""
        found, best = self.found, self.found.weighed(self.found.recommended)
        top = found.weighed(found.reference)
        if best is None or top is None:
            return "Nothing can be recommended: no option was measured."
        figure = (
            f"{told(best.report)} on the half that it was not chosen on"
            if best.report is not None
            else f"{told(best.choice)}, on the half that it was chosen on"
        )
        unit = best.costs.unit
        late = "" if best.costs.latency_s is None else f" and {seconds(best.costs.latency_s)}"
        instead = "" if top.costs.latency_s is None else f" and {seconds(top.costs.latency_s)}"
        return (
            f"Recommended is {option_words(best.option)['ask']}: {energy(best.costs.energy, unit)}"
            f"{late} an answer, {figure}; {one_or_more(top.option.votes)} without repeats take "
            f"{energy(top.costs.energy, unit)}{instead}{self.against(best, top)}."
        )

    def against(self, best: Weighed, top: Weighed) -> str:
        """Return the paired difference of the recommended option to the reference."""
        ours, theirs = (self.right(of.option) for of in (best, top))
        if best.option == top.option or ours is None or theirs is None:
            return ""
        whole = len(self.results.labels[Half.REPORT])
        places, here, there = shared_places(len(ours), len(theirs), whole)
        told_of = paired(ours[here], theirs[there])
        values = [
            float(str(told_of[key])) for key in ("difference", "difference_low", "difference_high")
        ]
        return (
            f", the difference is {100 * values[0]:+.2f} points [{points(values[1])}, "
            f"{points(values[2])}] on the same {len(places):,} samples"
        )

    def right(self, option: Option) -> np.ndarray | None:
        """Return whether answers are right on the half that is reported, of the first run."""
        recorded = self.results.settings.get((option.condition, tuple(option.repeats.items())))
        runs = {} if recorded is None else recorded.runs[Half.REPORT]
        if not runs or option.chips > 1 or option.stop is StopRule.CALIBRATED:
            return None
        votes = next(iter(runs.values()))
        rule = Rule(option.stop, option.delta)
        modes = answered(votes, self.results.head.classes, option.votes, rule).modes
        return np.asarray(modes == self.results.labels_of(Half.REPORT, len(votes)))

    def among_first(self) -> str | None:
        """Return how often the label is among the five classes with the most votes; for many."""
        classes = self.results.head.classes
        recorded = self.results.settings.get((self.found.operating, ()))
        if classes <= MANY_CLASSES or recorded is None or not recorded.runs[Half.REPORT]:
            return None
        votes = next(iter(recorded.runs[Half.REPORT].values()))
        labels = self.results.labels_of(Half.REPORT, len(votes))
        found = is_among_first(votes, labels, classes, TOP)
        return (
            f"Of {classes} classes the label is among the {TOP} with the most of "
            f"{one_or_more(votes.shape[1])} for {share(found)} of the samples ({self.samples})."
        )
