"""What a study concludes: every option weighed, the ceilings, and the one that is recommended."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from noisevote.models.specs import CardPart
from noisevote.models.study.weighed import Ceiling, Option, Reached, Weighed

ROUNDING = 1e-9
"""By which shares differ that are the same: 0.8 - 0.1 is above 0.7."""


class Conclusions(CardPart):
    """What a study concludes."""

    clean_choice: Reached
    """The network without noise and device, on the half that is chosen on."""
    clean: Reached
    """The network without noise and device, on the other half."""
    ceilings: tuple[Ceiling, ...]
    """One for each condition."""
    options: Annotated[tuple[Weighed, ...], Field(min_length=1)]
    """Every option that was recorded."""
    operating: float | None
    """Condition that the questions are about: sigma, or age."""
    reference: Option
    """All votes at that condition without repeats."""
    recommended: Option | None
    """The option at that condition that :func:`recommended` chooses; None if none was weighed."""

    def at(self, condition: float | None) -> list[Weighed]:
        """Return the options of a condition."""
        return [of for of in self.options if of.option.condition == condition]

    def weighed(self, option: Option | None) -> Weighed | None:
        """Return an option with what it reaches and costs."""
        return next((of for of in self.options if of.option == option), None)

    def ceiling(self, condition: float | None) -> Ceiling | None:
        """Return the ceiling of a condition."""
        return next((of for of in self.ceilings if of.condition == condition), None)


def pareto(options: Sequence[Weighed], by_latency: bool = False) -> list[Weighed]:
    """Return the options that nothing as cheap reaches or beats on the half that is chosen on.

    Args:
        options: of one condition.
        by_latency: whether cheap is soon; else it is little energy.
    """

    def cost(of: Weighed) -> float:
        return (of.costs.latency_s or 0.0) if by_latency else of.costs.energy

    front: list[Weighed] = []
    for of in sorted(options, key=lambda of: (cost(of), -of.choice.accuracy, of.option.votes)):
        if not front or of.choice.accuracy > front[-1].choice.accuracy:
            front.append(of)
    return front


class Yardstick(StrEnum):
    """What a recommended option may lose little against."""

    CLEAN = "clean"
    """The network without noise and device."""
    VOTES = "votes"
    """All votes without repeats, where they are better."""
    BEST = "best"
    """The best option, where none comes within the tolerance of no noise."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The option that a study recommends, and by what.

    Attributes:
        chosen: the option.
        yardstick: what it may lose little against.
        accuracy: of that.
        is_shown: whether it is shown to lose no more than the tolerance; else it is estimated.
    """

    chosen: Weighed
    yardstick: Yardstick
    accuracy: float
    is_shown: bool


def recommended(
    options: Sequence[Weighed], tolerance: float, clean: float
) -> Recommendation | None:
    """Return the cheapest option that is shown to lose at most ``tolerance``, if one is.

    That it loses no more is shown by the lower end of its paired difference (non-inferiority, at
    95 %), since the cheapest of many that only seem good enough is so by chance. Where that is
    shown of none, or there is no yardstick but the best option, estimates decide. One that was
    recorded on the other half is taken where any such is good enough, and one of several chips only
    where no other is.

    Args:
        options: of one condition, with all votes without repeats among them.
        tolerance: loss that is accepted, as a share.
        clean: accuracy without noise.
    """
    plain = [of for of in options if of.option.is_plain]
    if not plain:
        return None
    best = max(of.choice.accuracy for of in options)
    top = max(plain, key=lambda of: of.option.votes).choice.accuracy
    if best < clean - tolerance - ROUNDING:
        yardstick, accuracy = Yardstick.BEST, best
    elif top > clean:
        yardstick, accuracy = Yardstick.VOTES, top
    else:
        yardstick, accuracy = Yardstick.CLEAN, clean
    shown = [of for of in options if is_shown(of, yardstick, tolerance)]
    seems = [of for of in options if of.choice.accuracy >= accuracy - tolerance - ROUNDING]
    enough = shown or seems
    chosen = min(
        [of for of in enough if of.report is not None] or enough,
        key=lambda of: (of.option.chips > 1, of.costs.energy, of.costs.latency_s or 0.0),
    )
    return Recommendation(chosen, yardstick, accuracy, bool(shown))


def is_shown(of: Weighed, yardstick: Yardstick, tolerance: float) -> bool:
    """Return whether an option is shown to lose no more than the tolerance."""
    lower = {Yardstick.CLEAN: of.over_clean, Yardstick.VOTES: of.over_votes}.get(yardstick)
    return lower is not None and lower >= -tolerance - ROUNDING
