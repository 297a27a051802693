"""A way to ask, what it reaches and what it costs: what studies conclude with and plans answer."""

from typing import Annotated, Literal

from pydantic import Field

from noisevote.models.specs import CardPart, Count, Name, Share
from noisevote.models.stopping import StopRule


class Reached(CardPart):
    """What an option reaches on a half of the samples."""

    accuracy: Share
    """Mean share of right answers over chips, seeds and samples."""
    interval: tuple[Share, Share]
    """Of that mean at 95 %; see ``interval_of`` in ``recorded.py``."""
    samples: Count
    """How many."""
    runs: Annotated[tuple[Share, ...], Field(min_length=1)]
    """Accuracy of each chip, the mean over its seeds; of each seed where there is one chip, or
    none, or several share the votes."""
    mean_votes: Annotated[float, Field(ge=1)]
    """Cast on a sample."""
    p99_votes: Count
    """That 99 % of the answers do not pass."""


class Option(CardPart):
    """A way to ask."""

    condition: float | None
    """Sigma at all points, or age of the device."""
    repeats: dict[Name, Count] = Field(default_factory=dict)
    """Reads that are averaged, by noise point; 1 where none are given."""
    votes: Count
    """On an input, N."""
    stop: StopRule = StopRule.FULL
    """When they stop."""
    delta: float | None = None
    """Of the rule, where it has one."""
    chips: Count = 1
    """That share the votes."""

    @property
    def is_plain(self) -> bool:
        """Whether one chip, or none, casts all votes without repeats."""
        return not self.repeats and self.chips == 1 and self.stop is StopRule.FULL


class Costs(CardPart):
    """What an answer costs."""

    energy: Annotated[float, Field(ge=0)]
    """Of an answer, on average."""
    unit: Literal["J", "passes"]
    """Of the energy: joules, or passes of the network without repeats."""
    latency_s: Annotated[float, Field(ge=0)] | None
    """In which 99 % of the answers are there; None where the device does not tell."""


class Weighed(CardPart):
    """An option, what it reaches and what it costs."""

    option: Option
    """How to ask."""
    choice: Reached
    """What it reaches on the half that is chosen on. Where it was recorded on fewer samples than
    all votes without repeats, the accuracy is adjusted to theirs, on the other half, too."""
    report: Reached | None
    """What it reaches on the other half; None where that was not recorded."""
    costs: Costs
    """Of an answer."""
    over_votes: float | None = None
    """What its accuracy is shown to be over that of all votes without repeats, or under it if below
    0, on the half that is chosen on: the lower end of the paired difference, at 95 %."""
    over_clean: float | None = None
    """The same over the network without noise and device."""


class Ceiling(CardPart):
    """About the most that votes without repeats can reach, as far as it was measured."""

    condition: float | None
    """Sigma at all points, or age of the device."""
    votes: Count
    """Recorded votes that were counted together, on the half that has fewer; 1 of chips whose reads
    are free of noise."""
    choice: Reached
    """On the half that is chosen on."""
    report: Reached | None
    """On the other half."""
