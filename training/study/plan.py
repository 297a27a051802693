"""Which cells a study measures: they follow from its head and from what was measured before.

Three stages. The first has votes over the noise, or over chips and ages, and each layer alone. The
second has layers that are read several times, as what the first gave promises; the third measures
what came out best of these on the other half of the samples. The passes that the study may take
decide how many samples each cell has and how thorough the first stage is.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from noisevote.models.card import Card
from noisevote.models.errors import InputError
from noisevote.models.noise import NoiseKind
from noisevote.models.study.cells import (
    MOST_CELL_VOTES,
    Cell,
    Condition,
    Half,
    OnChip,
    OnNoise,
    Part,
)
from noisevote.models.study.head import StudyHead

SHARES = (0.75, 0.15, 0.10)
"""Of the passes, for each stage."""

ENOUGH_SAMPLES = 1000
"""From which on the study becomes more thorough instead of having more samples."""

FEWER_SAMPLES = 300
"""For which a study becomes quick, if there are passes for no more."""

FEWEST_SAMPLES = 50
"""Of a cell, if there are so many; a study of fewer is refused."""

SIGMA_RANGE = (0.1, 100.0)
"""Of the noise at one point alone."""

ERROR_SAMPLES, ERROR_VOTES = 64, 4
"""On which the error at each noise point is measured."""

MOST_REPEATED_VOTES = 10
"""Votes that repeats are combined with at most."""


@dataclass(frozen=True, slots=True)
class Thoroughness:
    """How much is measured on each sample.

    Attributes:
        all_seeds: whether every strength of the noise, or age, gets all seeds; else the first.
        every: of so many strengths of the noise, or ages, one is measured, and the operating one.
        layer_sigmas: strengths of the noise at one point alone.
        layer_share: of the samples on which layers are measured alone.
        left_out: what that leaves out, for people.
    """

    all_seeds: bool
    every: int
    layer_sigmas: int
    layer_share: float
    left_out: str = ""


FEWER_SEEDS = "seeds beyond the first away from the operating point"
FEWER_FOR_LAYERS = "part of the strengths and samples for noise in single layers"

LEVELS = (
    Thoroughness(True, 1, 19, 1.0),
    Thoroughness(False, 1, 13, 0.5, f"{FEWER_SEEDS}, and {FEWER_FOR_LAYERS}"),
    Thoroughness(False, 1, 9, 0.25, f"{FEWER_SEEDS}, and most {FEWER_FOR_LAYERS[5:]}"),
    Thoroughness(False, 3, 0, 0.0, f"{FEWER_SEEDS}, and layers alone"),
)
"""From thorough to quick."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a study goes.

    Attributes:
        samples: of each cell.
        level: how much is measured on each.
    """

    samples: int
    level: Thoroughness


ONE_SAMPLE = Extent(1, LEVELS[0])


def extent_of(head: StudyHead, card: Card) -> Extent:
    """Return how far a study can go with its passes.

    Raises:
        InputError: they have no room for the quickest study.
    """
    room = MOST_CELL_VOTES // head.votes
    most = min(room, max(head.choice_samples, head.report_samples))
    extents = [Extent(affordable(head, card, level, most), level) for level in LEVELS]
    for enough in (ENOUGH_SAMPLES, FEWER_SAMPLES, FEWEST_SAMPLES):
        for extent in extents:
            if extent.samples >= min(enough, most):
                return extent
    few = Extent(min(FEWEST_SAMPLES, most), LEVELS[-1])
    needed = sum(cell.passes for cell in first_stage(head, card, few)) / SHARES[0]
    raise InputError(
        f"the budget is {head.passes:,} passes; a study of {few.samples} samples takes "
        f"{int(needed) + 1:,}: give more, or fewer --votes, --seeds, --sigma or --chips",
        "budget",
    )


def affordable(head: StudyHead, card: Card, level: Thoroughness, most: int) -> int:
    """Return how many samples each cell of the first stage can have, at most ``most``."""
    passes = SHARES[0] * head.passes
    samples = range(1, most + 1)

    def taken(count: int) -> int:
        return sum(cell.passes for cell in first_stage(head, card, Extent(count, level)))

    return bisect_right(samples, passes, key=taken)


def first_stage(head: StudyHead, card: Card, extent: Extent) -> Iterator[Cell]:
    """Yield votes over noise, or chips and ages, and each layer alone."""
    make = Maker(head, extent)
    for half in Half:
        yield make.cell(Part.CLEAN, half, SILENT[head.kind])
    yield from sweep_of_noise(make) if head.device is None else sweep_of_device(make)
    yield from layers_alone(make, card)
    yield make.cell(
        Part.ERRORS, Half.CHOICE, make.operating, votes=ERROR_VOTES, most=ERROR_SAMPLES,
        gives="errors",
    )  # fmt: skip


SILENT = {kind: OnNoise(kind=kind, sigma=0.0) for kind in NoiseKind}


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the cells of a study.

    Attributes:
        head: of the study.
        extent: how far it goes.
    """

    head: StudyHead
    extent: Extent

    def cell(  # noqa: PLR0913 - all that a cell has
        self,
        part: Part,
        half: Half,
        at: OnNoise | OnChip,
        *,
        repeats: Mapping[str, int] | None = None,
        seed: int = 0,
        votes: int = 1,
        most: int | None = None,
        gives: Literal["votes", "errors"] = "votes",
    ) -> Cell:
        """Return a cell; its samples are those of the extent, at most ``most``."""
        held = self.head.choice_samples if half is Half.CHOICE else self.head.report_samples
        samples = min(self.extent.samples, held, most or held)
        condition = Condition(at=at, repeats=dict(repeats or {}))
        return Cell(
            part=part, half=half, condition=condition, seed=seed, votes=votes, samples=samples,
            gives=gives,
        )  # fmt: skip

    @property
    def operating(self) -> OnNoise | OnChip:
        """The noise, or the first chip at the first age, that the questions are about."""
        head = self.head
        if head.device is None:
            return OnNoise(kind=head.kind, sigma=head.operating_sigma)
        return OnChip(chip=self.chips[0], age_s=head.ages_s[0])

    @property
    def chips(self) -> list[int | None]:
        """Numbers of the chips; one None where they do not differ."""
        differs = self.head.device is not None and self.head.device.differs_by_chip
        return [*range(self.head.chips)] if differs else [None]

    @property
    def votes(self) -> int:
        """Votes on a sample; one where all would be the same."""
        return 1 if self.head.is_silent else self.head.votes

    @property
    def seeds(self) -> range:
        """Numbers of the seeds; one where votes do not differ."""
        return range(self.head.seeds if self.votes > 1 else 1)


def sweep_of_noise(make: Maker) -> Iterator[Cell]:
    """Yield votes at each strength of the noise, with all seeds at the operating point at least."""
    head = make.head
    noisy = [sigma for sigma in head.sigmas if sigma > 0]
    for sigma in thinned(noisy, make.extent.level.every, head.operating_sigma):
        at = OnNoise(kind=head.kind, sigma=sigma)
        is_operating = sigma == head.operating_sigma
        of_half = {
            Half.CHOICE: is_operating,
            Half.REPORT: is_operating or make.extent.level.all_seeds,
        }
        for half, has_all in of_half.items():
            for seed in make.seeds if has_all else (0,):
                yield make.cell(Part.SWEEP, half, at, seed=seed, votes=make.votes)


def sweep_of_device(make: Maker) -> Iterator[Cell]:
    """Yield votes on each chip at each age, and what its frozen errors alone leave."""
    for age_s in thinned(make.head.ages_s, make.extent.level.every, make.head.ages_s[0]):
        for chip in make.chips:
            at = OnChip(chip=chip, age_s=age_s)
            for half in Half:
                yield make.cell(Part.SWEEP, half, at, votes=make.votes)
                yield make.cell(Part.CEILING, half, at.model_copy(update={"is_quiet": True}))
        has_all = make.extent.level.all_seeds or age_s == make.head.ages_s[0]
        for seed in make.seeds[1:] if has_all else ():
            at = OnChip(chip=make.chips[0], age_s=age_s)
            yield make.cell(Part.SWEEP, Half.REPORT, at, seed=seed, votes=make.votes)


def thinned(
    conditions: Sequence[float | None], every: int, operating: float | None
) -> list[float | None]:
    """Return one of so many conditions from the last on, and the operating one."""
    kept = {*conditions[::-1][::every], operating}
    return [condition for condition in conditions if condition in kept]


def layers_alone(make: Maker, card: Card) -> Iterator[Cell]:
    """Yield noise at one point at a time, or the device there alone, with a single vote."""
    level, head = make.extent.level, make.head
    if level.layer_sigmas == 0:
        return
    most = max(1, round(level.layer_share * make.extent.samples))
    for point in card.point_names:
        for at in at_point(head, point, level.layer_sigmas, make.chips[0], card):
            yield make.cell(Part.LAYERS, Half.CHOICE, at, most=most)


def at_point(
    head: StudyHead, point: str, strengths: int, chip: int | None, card: Card
) -> list[OnNoise | OnChip]:
    """Return noise at one point, strength by strength, or the device there if it can be put on."""
    if head.device is None:
        sigmas = np.geomspace(*SIGMA_RANGE, strengths).round(4).tolist()
        return [OnNoise(kind=head.kind, sigma={point: sigma}) for sigma in sigmas]
    can_lie = card.devices is not None and point in card.devices.arrays
    return [OnChip(chip=chip, age_s=head.ages_s[0], point=point)] if can_lie else []


def repeated(
    make: Maker, half: Half, settings: Sequence[Mapping[str, int]], share: float
) -> Iterator[Cell]:
    """Yield votes with layers that are read several times, at the operating point.

    Args:
        make: makes cells.
        half: of the samples.
        settings: repeats by noise point.
        share: of the study's passes that they may take.
    """
    votes = min(make.votes, MOST_REPEATED_VOTES)
    each = votes * len(make.chips) * max(1, len(settings))
    most = max(int(share * make.head.passes / each), min(FEWEST_SAMPLES, make.extent.samples))
    for repeats in settings:
        for chip in make.chips:
            at = make.operating
            if isinstance(at, OnChip):
                at = at.model_copy(update={"chip": chip})
            yield make.cell(Part.REPEATS, half, at, repeats=repeats, votes=votes, most=most)
