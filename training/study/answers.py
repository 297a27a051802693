"""The three questions, in a few sentences each."""

import numpy as np

from noisevote.models.stopping import StopRule
from noisevote.models.study.cells import Half
from noisevote.models.study.conclusions import ROUNDING, Yardstick, recommended
from noisevote.models.study.recorded import Replayed, accuracies, interval_of
from noisevote.models.study.replay import is_among_first
from noisevote.models.study.weighed import Ceiling, Weighed
from noisevote.models.study.words import age, energy, seconds, share, snr
from noisevote.training.study.recalled import Recalled, one_or_more, told
from noisevote.training.study.section import MANY_CLASSES, option_words

TOP = 5


class Answers(Recalled):
    """Answers of a study."""

    def how_much_noise(self) -> str:
        """Answer how much noise the network can take."""
        head, most = self.results.head, self.found.reference.votes
        clean = told(self.found.clean)
        if head.device is not None:
            return self.on_device(clean, most)
        largest = max(of.option.condition or 0.0 for of in self.plain)
        parts = [f"with {one_or_more(votes)} {self.up_to(votes)}" for votes in sorted({1, most})]
        return (
            f"Of its accuracy without noise, {clean}, the network loses {self.tolerance} or less, "
            f"by the half that is chosen on, {', '.join(parts)}. It was studied under {head.kind} "
            f"noise up to sigma {largest:g}; {self.samples}."
        )

    def up_to(self, votes: int) -> str:
        """Return up to which noise so many votes lose no more than the tolerance."""
        good, following = self.tolerated(votes)
        if good is None:
            least = min((of.option.condition or 0.0 for of in self.plain), default=0.0)
            return f"under less noise than any that was studied (sigma {least:g} and above)"
        sigma = good.option.condition or 0.0
        beyond = "at least " if following is None else ""
        further = "" if following is None else f"; next studied: {following:g}"
        figure = told(good.report or good.choice)
        return (
            f"{beyond}up to sigma {sigma:g}{snr(self.results.head.kind, sigma)} ({figure} there"
            f"{self.loss(good.option)}{further})"
        )

    def on_device(self, clean: str, most: int) -> str:
        """Answer how much the device takes away."""
        head = self.results.head
        one, ceiling = self.at(self.found.operating, 1), self.found.ceiling(self.found.operating)
        if one is None or one.report is None:
            return "No vote on the device was measured."
        differ = head.device is not None and head.device.differs_by_chip and head.chips > 1
        chips = f"mean of {head.chips} chips" if differ else "one chip"
        runs = one.report.runs if differ else ()
        worst = f", worst {share(min(runs))}, best {share(max(runs))}" if len(runs) > 1 else ""
        limit = (
            ""
            if ceiling is None or ceiling.report is None
            else f" Without read noise the same chips are right for {told(ceiling.report)}."
        )
        later = self.later_ages(most)
        return (
            f"On {self.place} one vote is right for {told(one.report)} ({chips}{worst}), without "
            f"the device {clean}; {self.samples}.{limit}{later}"
        )

    def later_ages(self, most: int) -> str:
        """Return what is left at the largest age that was studied."""
        ages = [of for of in self.results.head.ages_s if of is not None]
        if len(ages) < 2:
            return ""
        last = [(votes, self.at(ages[-1], votes)) for votes in sorted({1, most})]
        parts = [
            f"{one_or_more(votes)} {'is' if votes == 1 else 'are'} right for {told(of.report)}"
            for votes, of in last
            if of is not None and of.report is not None
        ]
        return f" At an age of {age(ages[-1])} {' and '.join(parts)}." if parts else ""

    def how_many_votes(self) -> str:
        """Answer how many votes buy the accuracy back."""
        head, found = self.results.head, self.found
        ceiling = found.ceiling(found.operating)
        one = self.at(found.operating, 1)
        top = found.weighed(found.reference)
        if one is None or top is None or one.report is None or top.report is None:
            return "Votes were not measured on both halves."
        if head.is_silent:
            return f"On {self.place} all votes of a chip are the same: more of them buy nothing."
        if top.option.votes == 1:
            return (
                f"{self.at_place} one vote is right for {told(one.report)}; {self.samples}. More "
                "votes were not studied (--votes)."
            )
        limit = (
            ""
            if ceiling is None or ceiling.report is None
            else f" {self.ceiling_text(ceiling.votes)} is right for {told(ceiling.report)}."
        )
        return (
            f"{self.at_place} one vote is right for {told(one.report)}; "
            f"{self.enough_votes(ceiling or top, top)}; {self.samples}.{limit}{self.saved()}"
        )

    def enough_votes(self, most: Ceiling | Weighed, top: Weighed) -> str:
        """Return how many votes come near to the most that they can reach.

        Args:
            most: that they can reach.
            top: all recorded votes.
        """
        needed = most.choice.accuracy - self.results.head.tolerance - ROUNDING
        of_point = [of for of in self.plain if of.option.condition == self.found.operating]
        by_votes = sorted(of_point, key=lambda of: of.option.votes)
        enough = next((of for of in by_votes if of.choice.accuracy >= needed), None)
        near = f"come within {self.tolerance} of the most that votes reach"
        if enough is None:
            text, shown = f"not even {one_or_more(top.option.votes)} {near}", top
        elif enough.option.votes == 1:
            return f"by the half that is chosen on, it {near.replace('come', 'comes')}"
        else:
            text, shown = f"{one_or_more(enough.option.votes)} {near}", enough
        if shown.report is None:
            return f"by the half that is chosen on, {text}"
        limit = most.report.accuracy if most.report is not None else shown.report.accuracy
        is_less = enough is not None and limit - shown.report.accuracy > self.results.head.tolerance
        less = " and are further below it" if is_less else ""
        return (
            f"by the half that is chosen on, {text}; on the other they have {told(shown.report)}"
            f"{less}"
        )

    def ceiling_text(self, votes: int) -> str:
        """Return what a ceiling is."""
        if self.results.head.device is not None:
            return "About the most that votes reach, the same chips without read noise,"
        return f"About the most that votes reach, the mode of all {votes} recorded ones,"

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
        reached, cast = of.report or of.choice, of.choice.mean_votes
        return (
            f" The stop rule bounded casts {cast:.1f} of {of.option.votes} votes on average, and "
            f"is right for {share(reached.accuracy)}."
        )

    def at_what_cost(self) -> str:
        """Answer what that costs."""
        found, best = self.found, self.found.weighed(self.found.recommended)
        top = found.weighed(found.reference)
        if best is None or top is None:
            return "Nothing can be recommended: no option was measured."
        figure = (
            f"{told(best.report)} on the other half of the samples{self.loss(best.option)}"
            if best.report is not None
            else f"{told(best.choice)} on the half that it was chosen on; on the other it was not "
            "recorded"
        )
        unit = best.costs.unit
        late = "" if best.costs.latency_s is None else f" and {seconds(best.costs.latency_s)}"
        instead = "" if top.costs.latency_s is None else f" and {seconds(top.costs.latency_s)}"
        return (
            f"Recommended is {option_words(best.option)['ask']}, at "
            f"{energy(best.costs.energy, unit)}{late} an answer: {figure}. "
            f"It is the cheapest option that {self.chosen_for()}. "
            f"{one_or_more(top.option.votes).capitalize()} without repeats "
            f"take{'s' if top.option.votes == 1 else ''} {energy(top.costs.energy, unit)}{instead}"
            f"{self.against(best, top)}."
        )

    def chosen_for(self) -> str:
        """Return by what the recommended option was chosen."""
        clean, tolerance = self.found.clean_choice.accuracy, self.results.head.tolerance
        by = recommended(self.found.at(self.found.operating), tolerance, clean)
        if by is None:
            return "was measured"
        against = {
            Yardstick.CLEAN: f"{self.without}, {share(by.accuracy)}",
            Yardstick.VOTES: f"all votes without repeats, {share(by.accuracy)} (with "
            f"{self.without} {share(clean)})",
            Yardstick.BEST: f"the best, {share(by.accuracy)}; none comes so near to "
            f"{share(clean)}, with {self.without}",
        }[by.yardstick]
        shown = (
            "is shown to lose"
            if by.is_shown
            else "seems to lose, which is not shown of any option,"
        )
        return f"{shown} at most {self.tolerance} on the half that is chosen on against {against}"

    def against(self, best: Weighed, top: Weighed) -> str:
        """Return the paired difference of the recommended option to the reference."""
        if best.option == top.option:
            return ""
        found = self.differences(top.option, best.option)
        if found is None:
            return ""
        tolerance = self.results.head.tolerance
        beyond = (
            f": more than the {self.tolerance} that the choice was for"
            if found.mean > tolerance + ROUNDING
            else ""
        )
        return (
            f" for {self.told_difference(found)} more, on the same {len(found.of_samples):,} "
            f"samples{beyond}"
        )

    def among_first(self) -> str | None:
        """Return how often the label is among the five classes with the most votes; for many."""
        classes, votes = self.results.head.classes, self.found.reference.votes
        recorded = self.results.settings.get((self.found.operating, ()))
        if classes <= MANY_CLASSES or recorded is None or not recorded.runs[Half.REPORT]:
            return None
        runs = recorded.runs[Half.REPORT]
        samples = len(next(iter(runs.values())))
        labels = self.results.labels_of(Half.REPORT, samples)
        found = Replayed(
            {run: is_among_first(of, labels, classes, TOP) for run, of in runs.items()},
            np.full((len(runs), samples), votes),
        )
        of_chips = accuracies(found.of_chips.values())
        mean = float(of_chips.mean())
        low, high = interval_of(mean, samples, of_chips)
        return (
            f"Of {classes} classes the label is among the {TOP} with the most of "
            f"{one_or_more(votes)} for {share(mean)} [{100 * low:.1f}, {100 * high:.1f}] of the "
            f"samples (n = {samples:,})."
        )
