"""A study as it is asked for: its samples, and the head that follows from checkpoint and plan."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.samples import read_samples
from noisevote.models.devices.profile import Profile
from noisevote.models.devices.setting import DeviceSetting, check_condition
from noisevote.models.errors import DataError, InputError
from noisevote.models.noise import MAX_SIGMA, NoiseKind
from noisevote.models.study.cells import MOST_VOTES, Half
from noisevote.models.study.head import MOST_CLASSES, MOST_SEED, MOST_SEEDS, StudyHead
from noisevote.models.study.placing import placed
from noisevote.training.measure.evaluate import NumberedExamples
from noisevote.training.measure.plan import Plan
from noisevote.training.measure.splits import Split
from noisevote.training.measure.subject import Source, of_recipe_split, subject_of

MOST_HALF = 20_000
"""Samples of a half that a study looks at, spread over it."""

MOST_CHIPS = 1000
SWEEP = tuple(round(0.1 * step, 1) for step in range(11))
"""Strengths of the noise, as shares of the largest that is asked for or 1."""

LEAST_SIGMA = 1e-6
"""At which the questions can be answered."""

DEFAULT_SIGMA = 0.5
"""At which the questions are answered for a network that was trained without noise."""

AGES_S = (3600.0, 86_400.0, 2_592_000.0)
"""Beside the smallest for which the device is known, as far as it is known for them."""


class StudyPlan(Plan):
    """What is studied."""

    noise: NoiseKind | None = None
    """Kind of noise; by default the checkpoint's."""

    sigma: tuple[Annotated[float, Field(ge=0, le=MAX_SIGMA)], ...] = ()
    """Strengths of the noise; by default eleven from 0 to 1, or to twice `at` if that is more."""

    at: Annotated[float, Field(ge=LEAST_SIGMA, le=MAX_SIGMA)] | None = None
    """Strength of the noise that votes, costs and the recommendation are for; by default that of
    requests which name none, or 0.5."""

    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)] = 5
    """Seeds of the noise."""

    chips: Annotated[int, Field(ge=1, le=MOST_CHIPS)] = 10
    """Chips of the device."""

    temperature: float | None = None
    """Of the device in degrees Celsius; by default that at which its profile holds."""

    votes: Annotated[int, Field(ge=1, le=MOST_VOTES)] = 20
    """Most votes on a sample."""

    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Loss of accuracy that is accepted, as a share."""

    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0
    """From which the seeds of the noise follow."""


@dataclass(frozen=True, slots=True)
class Halves:
    """The samples of a study.

    Attributes:
        examples: of each half.
        texts: what these are, in words.
    """

    examples: dict[Half, NumberedExamples]
    texts: dict[Half, str]

    def spread(self, samples: int) -> "Halves":
        """Return at most so many samples of each half, spread over it."""
        return replace(
            self, examples={half: of.spread(samples)[0] for half, of in self.examples.items()}
        )

    @property
    def digest(self) -> str:
        """SHA-256 of all labels and numbers, shortened."""
        digest = hashlib.sha256()
        for labels, numbers in self.numbered.values():
            digest.update(labels.astype("<i8").tobytes() + numbers.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    @property
    def numbered(self) -> dict[Half, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Labels and numbers of the samples of each half."""
        return {half: (of.examples.labels, of.numbers) for half, of in self.examples.items()}


def halves_of(checkpoint: Checkpoint, source: Source, test: str | None) -> Halves:
    """Load the samples of a study.

    Args:
        checkpoint: that votes.
        source: of the samples; without any the data of its recipe.
        test: samples that figures come from; None: a half of the others, or the recipe's test data.

    Raises:
        DataError: there are none, they do not fit the checkpoint, or both halves share some.
        CheckpointError: there are no samples, and no recipe tells its data.
    """
    if test is not None and source.samples is None:
        raise InputError("--test goes with --samples, on which settings are chosen")
    if test is not None:
        choice = subject_of(checkpoint, source, None)
        report = subject_of(checkpoint, replace(source, samples=test), None)
        check_apart(source, test)
    else:
        split = Split.TEST if source.samples else of_recipe_split(checkpoint, source)
        choice = subject_of(checkpoint, source, Split.VALIDATION)
        report = subject_of(checkpoint, source, split)
    found = {Half.CHOICE: choice, Half.REPORT: report}
    return Halves(
        {half: of.examples.spread(MOST_HALF)[0] for half, of in found.items()},
        {half: told_apart(of.split, source, checkpoint) for half, of in found.items()},
    )


def check_apart(source: Source, test: str) -> None:
    """Refuse samples to report on that are among those to choose on.

    Raises:
        DataError: there are some.
    """
    chosen_on, reported_on = (
        read_samples(str(given), source.directory, source.allow_unknown)
        for given in (source.samples, test)
    )
    if shared := len({*chosen_on.digests} & {*reported_on.digests}):
        raise DataError(
            f"{shared} of the samples of {reported_on.source} are among those of "
            f"{chosen_on.source}, on which settings are chosen; give others, or leave out --test"
        )


def told_apart(split: str, source: Source, checkpoint: Checkpoint) -> str:
    """Return what a half is, in words."""
    if source.samples:
        return split
    return f"{split.replace('_', ' ')} data of {checkpoint.card.recipe['dataset']}"


def head_of(
    checkpoint: Checkpoint,
    plan: StudyPlan,
    halves: Halves,
    device: Profile | None,
    ages_s: Sequence[float],
    passes: int,
) -> StudyHead:
    """Return the head of a study.

    Raises:
        InputError: the plan does not fit the checkpoint or the device.
    """
    card = checkpoint.card
    operating = plan.at or operating_sigma(card)
    largest = min(MAX_SIGMA, max(1.0, 2 * operating))
    sigmas = plan.sigma or tuple(round(share * largest, 6) for share in SWEEP)
    if len(card.labels) > MOST_CLASSES:
        raise InputError(f"it has {len(card.labels):,} classes; studies take {MOST_CLASSES:,}")
    if device is not None:
        check_device(device, card, plan, ages_s)
    elif given := [name for name, of in (("temperature", plan.temperature), ("age", ages_s)) if of]:
        raise InputError(f"--{given[0]} is that of a device; give a --device, too", given[0])
    samples = {half: len(of) for half, of in halves.examples.items()}
    return StudyHead(
        checkpoint=checkpoint.name,
        fingerprint=checkpoint.fingerprint,
        classes=len(card.labels),
        noise_scheme=card.noise_scheme,
        kind=plan.noise or card.noise.kind,
        operating_sigma=operating,
        device=device,
        device_digest=None if device is None else device.digest,
        temperature_c=plan.temperature,
        choice=halves.texts[Half.CHOICE],
        report=halves.texts[Half.REPORT],
        choice_samples=samples[Half.CHOICE],
        report_samples=samples[Half.REPORT],
        samples_digest=halves.digest,
        sigmas=() if device else tuple(sorted({0.0, float(operating), *map(float, sigmas)})),
        ages_s=ages_of(device, ages_s) if device else (),
        chips=plan.chips if device else 0,
        seeds=plan.seeds,
        votes=plan.votes,
        seed=plan.seed,
        tolerance=plan.tolerance,
        passes=passes,
    )


def operating_sigma(card: Card) -> float:
    """Return the strength of the noise that the questions are about."""
    return card.noise.largest_sigma or DEFAULT_SIGMA


def ages_of(device: Profile, asked: Sequence[float]) -> tuple[float | None, ...]:
    """Return the ages that are studied, from the smallest: those asked for, or some."""
    if not device.depends_on_age:
        return (None,)
    low, high = device.age_range_s
    return tuple(sorted({*asked})) or (low, *(age for age in AGES_S if low < age <= high))


def check_device(device: Profile, card: Card, plan: StudyPlan, ages_s: Sequence[float]) -> None:
    """Refuse a device that cannot be put on the network, or options that do not go with it.

    Raises:
        InputError: it cannot, or they do not.
    """
    given = [name for name in ("noise", "sigma", "at") if getattr(plan, name)]
    if given:
        raise InputError(
            f"--device takes the place of --{given[0]}; leave out one or the other", given[0]
        )
    at = placed(device, card)
    for age_s in ages_s or (None,):
        check_condition(DeviceSetting(at, (0,), age_s, plan.temperature))
