"""The noise of votes on a device: on which chip each is cast, and what names it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from noisevote.models.card import Card
from noisevote.models.device_specs import DevicesSpec
from noisevote.models.devices.chips import CHIP_SCHEME
from noisevote.models.devices.profile import DIGITS, Profile
from noisevote.models.devices.setting import DeviceSetting
from noisevote.models.errors import CheckpointError, InputError
from noisevote.models.noise import NoiseKind, VoteKey, VoteNoise


@dataclass(frozen=True, slots=True)
class Placement:
    """On what a vote is cast; votes of one placement share forward passes.

    Attributes:
        profiles: digest of each noise point's profile, None where it is digital.
        chip: number of the chip; None without frozen errors.
        ages_s: since the weights of each noise point were written; None where that is no matter.
        temperature_c: None: that at which the profile holds.
        votes: on an input, where that matters for 1/f noise; else 0.
    """

    profiles: tuple[str | None, ...]
    chip: int | None
    ages_s: tuple[float | None, ...]
    temperature_c: float | None
    votes: int


@dataclass(frozen=True, slots=True, eq=False)
class DeviceNoise(VoteNoise):
    """The noise of votes on a device, as a request has it.

    Attributes:
        setting: the device and its condition.
        fingerprint: names what of the device decides votes.
        places: on what the votes of each chip are cast.
        orders: chips of the votes on each input, kept.
    """

    setting: DeviceSetting = field(kw_only=True)
    fingerprint: str = field(kw_only=True)
    places: tuple[Placement, ...] = field(kw_only=True)
    orders: dict[tuple[int, int], NDArray[np.intp]] = field(default_factory=dict)

    @property
    def is_silent(self) -> bool:
        """Whether all votes on an input are the same."""
        is_fresh = self.sigma.any() and any(of.is_fresh for of in self.setting.distinct)
        return self.chip_count == 1 and not is_fresh

    @property
    def chip_count(self) -> int:
        """How many chips cast the votes."""
        return len(self.places)

    def chip_index(self, key: VoteKey) -> int:
        """Return which of the chips casts a vote, from 0."""
        if self.chip_count == 1:
            return 0
        at = key.seed, key.position
        if at not in self.orders:
            self.orders[at] = self.setting.order(*at)
        return int(self.orders[at][key.vote])

    @property
    def overflow(self) -> InputError:
        """What is to be said of outputs that are not finite on it."""
        return InputError(
            f"the outputs overflow single precision on {self.setting.text}; use a profile of "
            "smaller numbers, or smaller inputs",
            "device",
        )

    def is_measured_at(self, kind: NoiseKind, sigma: float) -> bool:  # noqa: ARG002 - of no device
        """Return False: cards hold no thresholds of devices."""
        return False

    def placement(self, key: VoteKey) -> Placement:
        """Return on what a vote is cast."""
        return self.places[self.chip_index(key)]


def placements(setting: DeviceSetting) -> tuple[Placement, ...]:
    """Return on what the votes of each chip are cast."""
    flickers = any(of.flicker for of in setting.distinct)
    chips = setting.chips if setting.differs_by_chip and setting.chips else (None,)
    profiles = tuple(None if of is None else of.digest for of in setting.profiles.values())
    ages_s = tuple(map(setting.age_on, setting.profiles.values()))
    votes = setting.votes if flickers else 0
    return tuple(Placement(profiles, chip, ages_s, setting.temperature_c, votes) for chip in chips)


def device_noise(setting: DeviceSetting, card: Card) -> DeviceNoise:
    """Return the noise of votes on a device.

    Args:
        setting: the device and its condition.
        card: of a checkpoint that has graphs for devices.
    """
    reads = [setting.repeats.get(name, 1) for name in card.point_names]
    return DeviceNoise(
        NoiseKind.ADDITIVE,
        (0.0 if setting.is_quiet else 1.0) / np.sqrt(np.array(reads, np.float64)),
        setting=setting,
        places=placements(setting),
        fingerprint=f"device-{fingerprint_of(card, list(setting.profiles.values()))}",
    )


def fingerprint_of(card: Card, profiles: Sequence[Profile | None] = ()) -> str:
    """Return what names all of a network on devices that decides votes, beside the plain network.

    Args:
        card: of a checkpoint that has graphs for devices.
        profiles: of each noise point. Of one that says for which ages it holds the first counts,
            too: it is that of a request that names none.
    """
    spec = spec_of(card)
    files = sorted({*spec.graphs.values(), spec.scales})
    digest = hashlib.sha256()
    for part in (
        CHIP_SCHEME,
        [None if of is None else of.digest for of in profiles],
        {name: of.model_dump(mode="json") for name, of in spec.arrays.items()},
        [card.digests.get(file) for file in files],
    ):
        digest.update(to_json(part))
    first_ages = [None if of is None or of.ages_s is None else of.ages_s[0] for of in profiles]
    if any(age_s is not None for age_s in first_ages):
        digest.update(to_json(first_ages))
    return digest.hexdigest()[:DIGITS]


def spec_of(card: Card) -> DevicesSpec:
    """Return the part of a card that speaks of devices.

    Raises:
        CheckpointError: there is none.
    """
    if card.devices is None:
        raise CheckpointError(
            f"checkpoint {card.name} has no graphs for devices; make them with: {card.to_fit}"
        )
    return card.devices
