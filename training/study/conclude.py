"""From what was measured to what it says: options, ceilings, a recommendation."""

from collections.abc import Iterator

import numpy as np

from noisevote.models.card import Card
from noisevote.models.errors import DataError
from noisevote.models.study.cells import Half
from noisevote.models.study.conclusions import Conclusions, recommended
from noisevote.models.study.options import Reference, References, weighed
from noisevote.models.study.recorded import Recorded
from noisevote.models.study.replay import FULL
from noisevote.models.study.results import Results
from noisevote.models.study.weighed import Ceiling, Reached, Weighed


def options_at(results: Results, card: Card, condition: float | None) -> list[Weighed]:
    """Return all options that were recorded under a condition."""
    references = references_of(results, condition)
    return [
        option
        for (at, repeats), recorded in results.settings.items()
        if at == condition
        for option in weighed(recorded, results.head, card, condition, dict(repeats), references)
    ]


def references_of(results: Results, condition: float | None) -> References:
    """Return what the options of a condition are compared to, by half."""
    recorded = results.settings.get((condition, ()))
    found: dict[Half, Reference] = {}
    if recorded is None:
        return found
    for half in Half:
        votes = recorded.votes_of(half)
        replayed = recorded.replayed(half, votes, FULL)
        whole = len(results.labels[half])
        if replayed is not None:
            clean = results.clean_right(half, whole).astype(np.float64)
            found[half] = Reference(votes, replayed.of_chips, clean, whole)
    return found


def operating_condition(results: Results) -> float | None:
    """Return the condition that the questions are about."""
    head = results.head
    return head.operating_sigma if head.device is None else head.ages_s[0]


def concluded(results: Results, card: Card) -> Conclusions:
    """Return what a study concludes.

    Raises:
        DataError: too little is measured.
    """
    head = results.head
    clean_choice, clean = results.clean(Half.CHOICE), results.clean(Half.REPORT)
    if clean_choice is None or clean is None:
        raise DataError("the network without noise is not measured yet")
    conditions = [of for of in head.conditions if of != 0 or head.device is not None]
    options = [of for condition in conditions for of in options_at(results, card, condition)]
    operating = operating_condition(results)
    at_operating = [of for of in options if of.option.condition == operating]
    plain = [of.option for of in at_operating if of.option.is_plain]
    if not plain:
        why = [of.problem for of in results.problems if of.cell.sigma in {None, operating}]
        raise DataError(f"votes at the operating point: {(*why, 'they are not measured yet')[0]}")
    best = recommended(at_operating, head.tolerance, clean_choice.accuracy)
    return Conclusions(
        clean_choice=clean_choice,
        clean=clean,
        ceilings=tuple(ceilings(results, conditions)),
        options=tuple(options),
        operating=operating,
        reference=max(plain, key=lambda option: option.votes),
        recommended=None if best is None else best.chosen.option,
    )


def ceilings(results: Results, conditions: list[float | None]) -> Iterator[Ceiling]:
    """Yield about the most that votes without repeats can reach under each condition.

    On a device that is what its chips reach when their reads are free of noise; else what all
    recorded votes of a sample decide together, as far as votes of several seeds are there.
    """
    for condition in conditions:
        recorded = results.settings.get((condition, ()))
        if recorded is None:
            continue
        if results.head.device is not None:
            choice = results.quiet(condition, Half.CHOICE)
            report, votes = results.quiet(condition, Half.REPORT), 1
        else:
            votes = min(all_votes(recorded, half) for half in Half)
            choice = together(recorded, results, Half.CHOICE)
            report = together(recorded, results, Half.REPORT)
        if choice is not None:
            yield Ceiling(
                condition=condition,
                votes=votes,
                choice=choice,
                report=report,
            )


def all_votes(recorded: Recorded, half: Half) -> int:
    """Return how many votes on a sample all seeds of a half have together."""
    return max(1, sum(int(of.shape[1]) for of in recorded.runs[half].values()))


def together(recorded: Recorded, results: Results, half: Half) -> Reached | None:
    """Return what all votes of all seeds decide together."""
    runs = list(recorded.runs[half].values())
    if not runs:
        return None
    samples = min(len(of) for of in runs)
    every = np.concatenate([of[:samples] for of in runs], axis=1)
    return results.of_votes(half, every).reached(half, every.shape[1], FULL)
