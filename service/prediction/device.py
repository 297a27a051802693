"""From what a request says of a device to the noise of its votes, and what the reply says of it."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from noisevote.models.card import Card
from noisevote.models.cost import Hardware
from noisevote.models.devices.cost import hardware_of_device
from noisevote.models.devices.noise import DeviceNoise, device_noise
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import MAX_PROFILE_BYTES, Profile, profile_of
from noisevote.models.devices.setting import (
    DIGITAL,
    DeviceSetting,
    check_condition,
    chips_from,
    fresh_chips,
    profiles_at,
)
from noisevote.models.errors import InputError, LimitError
from noisevote.service.configuration.settings import Settings
from noisevote.service.wire.device import FRESH, DeviceBody
from noisevote.service.wire.requests import PredictRequest
from noisevote.service.wire.shortened import shortened

VOTES_A_CHIP = 80
"""As many votes as it counts for to make a chip: four tiles of 20."""


def device_of(
    request: PredictRequest, card: Card, seed: int, store: DeviceStore, settings: Settings
) -> DeviceNoise:
    """Return the noise of the votes of a request that names a device.

    Args:
        request: as it was validated.
        card: of the checkpoint.
        seed: of the request, given or drawn.
        store: the devices by name.
        settings: limits.

    Raises:
        InputError: device, chip, age or temperature cannot be used; the message says what can.
        UnknownDeviceError: there is no device of that name.
    """
    chips = request.chips or 1
    most = min(settings.max_chips, request.votes)
    if chips > most:
        raise LimitError(
            f"chips is {shortened(chips)}; allowed are 1 to {most}, no more than votes", "chips"
        )
    profiles = profiles_at(given_profiles(request.device, store, settings), card)
    if request.chip == FRESH:
        numbers = fresh_chips(seed, chips)
    else:
        is_number = isinstance(request.chip, int)
        first = 0 if request.chip is None else int(request.chip) if is_number else None
        numbers = chips_from(first, chips)
    setting = DeviceSetting(
        profiles=profiles,
        chips=numbers,
        age_s=request.age_s,
        temperature_c=request.temperature_c,
        votes=request.votes,
        repeats=request.repeats or {},
    )
    check_condition(setting)
    return device_noise(setting, card)


def given_profiles(
    given: str | dict[str, Any] | None, store: DeviceStore, settings: Settings
) -> Profile | dict[str, Profile | None]:
    """Return the profiles that a request names or holds: one, or some by patterns of points."""
    if not isinstance(given, dict):
        return store.find(given or "")
    if "profile" in given:
        return inline(given, "device", settings)
    found: dict[str, Profile | None] = {}
    for pattern, of in given.items():
        if of == DIGITAL:
            found[pattern] = None
        elif isinstance(of, str):
            found[pattern] = store.find(of)
        else:
            found[pattern] = inline(of, f"device.{shortened(pattern)}", settings)
    return found


def inline(given: Mapping[str, Any], field: str, settings: Settings) -> Profile:
    """Return a profile that stands in the request itself."""
    if not settings.allow_inline_devices:
        raise InputError(
            "this service takes devices by name only; GET /devices lists them", "device"
        )
    if len(to_json(given)) > MAX_PROFILE_BYTES:
        raise InputError(f"{field} is longer than {MAX_PROFILE_BYTES // 1024} KiB", "device")
    return profile_of(given, field)


def votes_for_chips(noise: DeviceNoise) -> int:
    """Return how many votes the chips of a request count for, held or not."""
    return VOTES_A_CHIP * noise.parts if noise.setting.differs_by_chip else 0


def device_hardware(noise: DeviceNoise, card: Card) -> Hardware | None:
    """Return what the device costs, if its profile tells."""
    return hardware_of_device(noise.setting.profiles, card)


def device_body(noise: DeviceNoise, compensation: Mapping[str, float]) -> DeviceBody:
    """Return the device of a reply."""
    setting = noise.setting
    names = {point: DIGITAL if of is None else of.name for point, of in setting.profiles.items()}
    digests = {
        point: DIGITAL if of is None else of.digest for point, of in setting.profiles.items()
    }
    ages = [of.age_range_s[0] for of in setting.distinct if of.ages]
    temperatures = [of.temperature.reference_c for of in setting.distinct if of.temperature]
    return DeviceBody(
        name=one_or_all(names),
        digest=one_or_all(digests),
        chips=list(setting.chips) if setting.differs_by_chip else [],
        age_s=first_of(ages) if setting.age_s is None else setting.age_s,
        temperature_c=first_of(temperatures)
        if setting.temperature_c is None
        else setting.temperature_c,
        compensation=dict(compensation) if compensation else None,
    )


def first_of(numbers: list[float]) -> float | None:
    """Return the first number, if there is one."""
    return numbers[0] if numbers else None


def one_or_all(of_points: Mapping[str, str]) -> str | dict[str, str]:
    """Return what is the same at all points, else a map."""
    (first, *others) = set(of_points.values())
    return dict(of_points) if others else first
