"""A device as votes are asked for on it: profiles by noise point, chips, age, temperature."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.devices.profile import Profile
from noisevote.models.errors import InputError

FRESH, WITHOUT_ERRORS = "fresh", "none"
"""Instead of the number of a chip: the seed chooses, or there are no frozen errors."""

FRESH_CHIPS = 2**32
"""Of so many the seed of a request chooses."""

ORDER_KEY = 1 << 128
"""Beyond all keys of votes, in the seed of the order of chips."""

DIGITAL = "digital"
"""A point that no device is put on: its layer is computed without error."""


Told = TypeVar("Told", str, float)


@dataclass(frozen=True, slots=True)
class DeviceSetting:
    """A device and its condition.

    Attributes:
        profiles: of each noise point by name; None is digital.
        chips: numbers of the chips that vote; none: without frozen errors.
        age_s: since the weights were written; None: the smallest age of each profile.
        temperature_c: None: that at which each profile holds.
        votes: on an input; how long the votes last decides what of 1/f noise they share.
        repeats: reads that are averaged before conversion, by noise point; 1 where none are given.
        is_quiet: whether reads are free of noise, so that errors of the chip alone are left.
    """

    profiles: Mapping[str, Profile | None]
    chips: tuple[int, ...] = (0,)
    age_s: float | None = None
    temperature_c: float | None = None
    votes: int = 20
    repeats: Mapping[str, int] = field(default_factory=dict)
    is_quiet: bool = False

    @property
    def distinct(self) -> list[Profile]:
        """The profiles that take part, each once."""
        found = {of.digest: of for of in self.profiles.values() if of is not None}
        return list(found.values())

    def age_on(self, profile: Profile | None) -> float | None:
        """Return the age of a profile's cells, the smallest by default; None: it is no matter."""
        if profile is None or not profile.depends_on_age:
            return None
        return profile.age_range_s[0] if self.age_s is None else self.age_s

    @property
    def differs_by_chip(self) -> bool:
        """Whether chips differ in anything."""
        return any(of.differs_by_chip for of in self.distinct)

    @property
    def names(self) -> str | dict[str, str]:
        """Name of the device; by noise point if they differ."""
        return one_or_all({p: DIGITAL if of is None else of.name for p, of in self.each})

    @property
    def digests(self) -> str | dict[str, str]:
        """Digest of its profile; by noise point if they differ."""
        return one_or_all({p: DIGITAL if of is None else of.digest for p, of in self.each})

    @property
    def each(self) -> list[tuple[str, Profile | None]]:
        """Noise points and their profiles."""
        return list(self.profiles.items())

    @property
    def told_age_s(self) -> float | dict[str, float] | None:
        """Age that was asked for, or the smallest; by noise point if they differ.

        None if nothing depends on it; a map leaves out the points where nothing does.
        """
        if self.age_s is not None:
            return self.age_s
        ages = {p: of.age_range_s[0] for p, of in self.each if of and of.depends_on_age}
        return one_or_all(ages) if ages else None

    @property
    def told_temperature_c(self) -> float | dict[str, float] | None:
        """Temperature that was asked for, or at which it holds; by noise point if they differ.

        None if nothing depends on it; a map leaves out the points where nothing does.
        """
        if self.temperature_c is not None:
            return self.temperature_c
        warmth = {p: of.temperature.reference_c for p, of in self.each if of and of.temperature}
        return one_or_all(warmth) if warmth else None

    @property
    def text(self) -> str:
        """What it is, for people."""
        age = "" if self.age_s is None else f", age {self.age_s:g} s"
        warm = "" if self.temperature_c is None else f", {self.temperature_c:g} C"
        return f"device {self.listed}{age}{warm}"

    @property
    def listed(self) -> str:
        """Names of the devices that take part, for people."""
        return " + ".join(dict.fromkeys(of.name for of in self.distinct)) or DIGITAL

    def order(self, seed: int, position: int) -> NDArray[np.intp]:
        """Return which of the chips casts each vote on an input ``[votes]``.

        All have as many votes, or one more; in an order that is any with the same chance, so that
        what a stop rule says of votes in random order holds.
        """
        words = np.random.SFC64(ORDER_KEY + seed + (position << 64)).random_raw(self.votes)
        return np.argsort(words, kind="stable") % len(self.chips)


def one_or_all(of_points: Mapping[str, Told]) -> Told | dict[str, Told]:
    """Return what is the same at all points, else a map."""
    (first, *others) = set(of_points.values())
    return dict(of_points) if others else first


def chips_of(chip: int | str, chips: int, seed: int) -> tuple[int, ...]:
    """Return the numbers of the chips that a request asks for; none without frozen errors.

    Args:
        chip: the first, or :data:`FRESH` or :data:`WITHOUT_ERRORS`.
        chips: how many.
        seed: of the request; it chooses fresh ones.
    """
    if chip == WITHOUT_ERRORS:
        return ()
    if chip == FRESH:
        return fresh_chips(seed, chips)
    first = int(chip)
    return tuple(range(first, first + chips))


def fresh_chips(seed: int, chips: int) -> tuple[int, ...]:
    """Return chips that the seed of a request chooses, each another."""
    found: dict[int, None] = {}
    source = np.random.SFC64(ORDER_KEY * 2 + seed)
    while len(found) < chips:
        found[int(source.random_raw() % FRESH_CHIPS)] = None
    return tuple(found)


def profiles_at(
    given: Profile | Mapping[str, Profile | None], card: Card
) -> dict[str, Profile | None]:
    """Return the profile of each noise point.

    Args:
        given: one for all points, or by patterns of their names, of which the first that fits
            counts; a point that none fits is digital.
        card: of the checkpoint.

    Raises:
        InputError: a pattern fits no point, or a device cannot be put on a point.
    """
    if card.devices is None:
        raise InputError(
            f"checkpoint {card.name} has no graphs for devices; make them with: {card.to_fit}",
            "device",
        )
    patterns = {"*": given} if isinstance(given, Profile) else dict(given)
    found: dict[str, Profile | None] = dict.fromkeys(card.point_names)
    for pattern in reversed(patterns):
        fitting = [name for name in found if fnmatchcase(name, pattern)]
        if not fitting:
            raise InputError(
                f"{pattern!r} fits no noise point of checkpoint {card.name}; it has "
                f"{', '.join(card.point_names)}",
                "device",
            )
        found.update(dict.fromkeys(fitting, patterns[pattern]))
    for name, profile in found.items():
        if profile is not None and name not in card.devices.arrays:
            why = card.devices.without.get(name, "it is no layer of an array")
            raise InputError(
                f"no device can be put on {name} of checkpoint {card.name}: {why}; set it to "
                f"{DIGITAL!r} in a map from point to device",
                "device",
            )
    return found


def check_condition(setting: DeviceSetting) -> None:
    """Refuse chips, an age or a temperature that a device does not have.

    Raises:
        InputError: it is out of range, or nothing depends on it.
    """
    if len(setting.chips) > 1 and not setting.differs_by_chip:
        raise InputError(
            f"chips is {len(setting.chips)}; device {setting.listed} has no frozen errors, so all "
            "its chips are the same",
            "chips",
        )
    if setting.age_s is not None:
        ranges = {of.name: of.age_range_s for of in setting.distinct if of.depends_on_age}
        check_within("age_s", setting.age_s, ranges, setting)
    if setting.temperature_c is not None:
        ranges = {
            of.name: of.temperature.range_c for of in setting.distinct if of.temperature is not None
        }
        check_within("temperature_c", setting.temperature_c, ranges, setting)


def check_within(
    field: str,
    value: float,
    ranges: Mapping[str, tuple[float, float]],
    setting: DeviceSetting,
) -> None:
    """Refuse a value for which a device is not known, by the ranges of those that it matters to.

    Raises:
        InputError: there is such a device, or it matters to none.
    """
    if not ranges:
        raise InputError(
            f"{field} is {value:g}; nothing of device {setting.listed} depends on it", field
        )
    for name, (low, high) in ranges.items():
        if not low <= value <= high:
            raise InputError(
                f"{field} is {value:g}; device {name} is known from {low:g} to {high:g}", field
            )
