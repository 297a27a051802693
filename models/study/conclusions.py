"""What a study concludes: every option weighed, the ceilings, and the one that is recommended."""

from collections.abc import Sequence
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
    """The cheapest option at that condition that is, on the half that is chosen on, at most the
    tolerance below the accuracy to keep (:func:`accuracy_to_keep`); one that was confirmed on the
    other half if any such is good enough. None if none was weighed."""

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


def accuracy_to_keep(options: Sequence[Weighed], tolerance: float, clean: float) -> float:
    """Return the accuracy that a recommended option loses little against.

    That without noise, or of votes without repeats at their best where noise and votes gain; that
    of the best option where none comes within the tolerance of no noise. All are of the half that
    is chosen on. Options with repeats, which are many and recorded on fewer samples, are no measure
    else: the best of them is too good by chance.

    Args:
        options: of one condition.
        tolerance: loss that is accepted, as a share.
        clean: accuracy without noise.
    """
    best = max((of.choice.accuracy for of in options), default=0.0)
    if best < clean - tolerance - ROUNDING:
        return best
    plain = (of.choice.accuracy for of in options if not of.option.repeats)
    return max(clean, *plain)


def recommended(options: Sequence[Weighed], tolerance: float, clean: float) -> Weighed | None:
    """Return the cheapest option that loses at most ``tolerance``.

    One that was confirmed on the other half is taken where any such is good enough, and one of
    several chips only where no other is.

    Args:
        options: of one condition.
        tolerance: loss that is accepted, as a share.
        clean: accuracy without noise.
    """
    needed = accuracy_to_keep(options, tolerance, clean) - tolerance
    enough = [of for of in options if of.choice.accuracy >= needed - ROUNDING]
    confirmed = [of for of in enough if of.report is not None]
    return min(
        confirmed or enough,
        key=lambda of: (of.option.chips > 1, of.costs.energy, of.costs.latency_s or 0.0),
        default=None,
    )
