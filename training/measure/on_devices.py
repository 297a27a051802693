"""Accuracy on the chips of a device: mean, spread and worst, at several ages."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from noisevote.models.devices.profile import Profile
from noisevote.models.devices.setting import DeviceSetting, check_condition, profiles_at
from noisevote.models.measured import DeviceAccuracy
from noisevote.models.statistics import student_interval
from noisevote.training.measure.evaluate import Caster, NumberedExamples, reported

ALPHA = 0.05
"""Chance that an interval misses."""


@dataclass(frozen=True, slots=True)
class OnDevicePlan:
    """What is measured on a device.

    Attributes:
        profile: of the device.
        chips: how many chips, from number 0 on.
        ages_s: since the weights were written; none: the smallest for which the device is known.
        temperature_c: None: that at which the profile holds.
        votes: on each image.
    """

    profile: Profile
    chips: int = 10
    ages_s: Sequence[float] = ()
    temperature_c: float | None = None
    votes: int = 20

    def settings(self, caster: Caster) -> list[list[DeviceSetting]]:
        """Return the setting of each age and chip; one chip if all are the same.

        Raises:
            InputError: the device cannot be put on the network, or is not known for an age.
        """
        at = profiles_at(self.profile, caster.checkpoint.card)
        chips = self.chips if self.profile.differs_by_chip else 1
        youngest = self.profile.age_range_s[0] if self.profile.depends_on_age else None
        ages: list[float | None] = [*self.ages_s] or [youngest]
        found = [
            [
                DeviceSetting(at, (chip,), age_s, self.temperature_c, self.votes)
                for chip in range(chips)
            ]
            for age_s in ages
        ]
        for of_age in found:
            check_condition(of_age[0])
        return found


def measured_on_device(
    caster: Caster, images: NumberedExamples, plan: OnDevicePlan
) -> Iterator[DeviceAccuracy]:
    """Yield the accuracy at each age and reported number of votes.

    Raises:
        InputError: the device cannot be put on the network, or is not known for an age.
        DataError: outputs are not finite.
    """
    for of_age in plan.settings(caster):
        cast = [caster.cast(images, setting, plan.votes) for setting in of_age]
        for votes in reported(plan.votes):
            correct = [of_chip.correct(votes) for of_chip in cast]
            yield accuracy_on_chips(plan.profile, of_age[0], votes, correct, len(images))


def left_out(profiles: Iterable[Profile], ages_s: Iterable[float]) -> Iterator[str]:
    """Yield for people which devices are not measured at which ages, and why."""
    for profile in profiles:
        low, high = profile.age_range_s
        beyond = [f"{age_s:g} s" for age_s in ages_s if not low <= age_s <= high]
        if profile.depends_on_age and beyond:
            yield (
                f"{profile.name} is left out at {', '.join(beyond)}: it is known from {low:g} to "
                f"{high:g} s"
            )


def accuracy_on_chips(
    profile: Profile, setting: DeviceSetting, votes: int, correct: Sequence[int], images: int
) -> DeviceAccuracy:
    """Return an accuracy over chips; its interval is Student's, for the mean over all chips."""
    shares = np.array(correct) / images
    interval = None
    if len(shares) > 1:
        low, high = np.clip(student_interval(shares, ALPHA), 0, 1).tolist()
        interval = low, high
    return DeviceAccuracy(
        device=profile.name,
        digest=profile.digest,
        age_s=setting.age_s,
        temperature_c=setting.temperature_c,
        votes=votes,
        correct=tuple(correct),
        images=images,
        mean=float(shares.mean()),
        worst=float(shares.min()),
        best=float(shares.max()),
        interval=interval,
    )
