"""The cells of a study: each is one condition, measured on one half of the samples.

A cell is known by a key that tells all that decides its numbers beside the samples, checkpoint and
device of the study, so that it gives the same wherever it is measured.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from noisevote.models.errors import DataError
from noisevote.models.noise import MAX_REPEATS, NoiseKind
from noisevote.models.specs import CardPart, Count, CountFromZero, Name, Sigma

MOST_VOTES = 10_000
"""That a cell may hold on an input."""

MOST_CELL_VOTES = 2**24
"""That a cell may hold on all its samples, so that its file is read within bounds."""


class Half(StrEnum):
    """Half of the samples. What is chosen is chosen on one, and its figures come from the other."""

    CHOICE = "choice"
    REPORT = "report"


class Part(StrEnum):
    """What a cell is measured for."""

    CLEAN = "clean"
    """The network without noise and device."""
    CEILING = "ceiling"
    """A chip whose reads are free of noise: its frozen errors alone."""
    SWEEP = "sweep"
    """Votes over the noise, or over chips and ages."""
    LAYERS = "layers"
    """Noise, or the device, at one noise point alone."""
    REPEATS = "repeats"
    """Votes with layers that are read several times."""
    ERRORS = "errors"
    """The error at each noise point beside its signal."""


class OnNoise(CardPart):
    """Noise of a strength."""

    kind: NoiseKind
    """How it meets the signal."""
    sigma: Sigma | dict[Name, Sigma]
    """Standard deviation of one read at every noise point, or by noise point; points left out get
    none."""


class OnChip(CardPart):
    """One chip of the study's device."""

    chip: CountFromZero | None
    """Its number; None: without frozen errors."""
    age_s: Annotated[float, Field(ge=0)] | None = None
    """Since its weights were written; None where that is no matter."""
    point: Name | None = None
    """The only noise point that lies on the device, all others being digital; None: all do."""
    is_quiet: bool = False
    """Whether its reads are free of noise."""


class Condition(CardPart):
    """What decides the votes of a cell beside samples, checkpoint, device and temperature."""

    at: OnNoise | OnChip
    """Noise, or a chip."""
    repeats: dict[Name, Annotated[int, Field(ge=1, le=MAX_REPEATS)]] = Field(default_factory=dict)
    """Reads that are averaged, by noise point; 1 where none are given."""


class Cell(CardPart):
    """One measurement of a study."""

    part: Part
    """What it is for."""
    half: Half
    """On which samples."""
    condition: Condition
    """Of the votes."""
    seed: CountFromZero
    """Number of the noise's seed among those of the study."""
    votes: Annotated[int, Field(ge=1, le=MOST_VOTES)]
    """On each sample."""
    samples: Count
    """So many, spread over the half."""
    gives: Literal["votes", "errors"] = "votes"
    """What is kept of it: the class of each vote, or figures by noise point."""

    @property
    def key(self) -> str:
        """What names it in the study; what it is for does not matter."""
        return self.model_dump_json(exclude={"part"}, exclude_defaults=True)

    @property
    def passes(self) -> int:
        """Forward passes that it takes."""
        return self.samples * self.votes

    @property
    def sigma(self) -> float | None:
        """Sigma at all noise points; None on a device, or if they differ."""
        at = self.condition.at
        return at.sigma if isinstance(at, OnNoise) and isinstance(at.sigma, float) else None

    @property
    def only_point(self) -> str:
        """The noise point that alone has noise.

        Raises:
            DataError: there is none, or several.
        """
        at = self.condition.at
        names = list(at.sigma) if isinstance(at, OnNoise) and isinstance(at.sigma, dict) else []
        if len(names) != 1:
            raise DataError(f"a cell of a study has noise at {len(names)} points; known is one")
        return names[0]

    @property
    def on_chip(self) -> OnChip | None:
        """The chip; None without a device."""
        return self.condition.at if isinstance(self.condition.at, OnChip) else None
