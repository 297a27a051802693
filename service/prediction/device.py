"""From what a request says of a device to the noise of its votes, and what the reply says of it."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from noisevote.models.card import Card
from noisevote.models.cost import Hardware
from noisevote.models.devices.asked import AskedDevice
from noisevote.models.devices.cost import hardware_of_device
from noisevote.models.devices.noise import DeviceNoise, device_noise
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import MAX_PROFILE_BYTES, Profile, profile_of
from noisevote.models.devices.runtime import DeviceRuntime
from noisevote.models.devices.setting import DIGITAL
from noisevote.models.errors import InputError, LimitError, UnknownDeviceError
from noisevote.service.configuration.settings import Settings
from noisevote.service.wire.device import DeviceBody, DeviceFields
from noisevote.service.wire.requests import PredictRequest
from noisevote.service.wire.shortened import shortened

INLINE, BY_POINT = "inline", "by point"
"""What a device is called that has no name here: its profile, or a map, stands in the request."""

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
    asked = asked_device(request, store, settings)
    assert asked is not None  # noqa: S101 - the caller has looked
    return device_noise(asked.setting(card, request.votes, seed, request.repeats), card)


def asked_device(asked: DeviceFields, store: DeviceStore, settings: Settings) -> AskedDevice | None:
    """Return the device that a request names, with its profiles; None if it names none.

    Raises:
        InputError: it holds a profile that is none, or none may be held.
        UnknownDeviceError: there is no device of that name.
    """
    if asked.device is None:
        return None
    return AskedDevice(
        profiles=given_profiles(asked.device, store, settings),
        chip=0 if asked.chip is None else asked.chip,
        chips=asked.chips or 1,
        age_s=asked.age_s,
        temperature_c=asked.temperature_c,
    )


def given_profiles(
    given: str | dict[str, Any], store: DeviceStore, settings: Settings
) -> Profile | dict[str, Profile | None]:
    """Return the profiles that a request names or holds: one, or some by patterns of points."""
    if given == DIGITAL and DIGITAL not in store.names():
        raise UnknownDeviceError(
            f"there is no device {DIGITAL!r}; a network of which no layer lies on a device is the "
            f'map {{"*": "{DIGITAL}"}}'
        )
    if not isinstance(given, dict):
        return store.find(given)
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
    """Return how many votes the chips of a request count for in its limits, held or not."""
    return VOTES_A_CHIP * noise.chip_count if noise.setting.differs_by_chip else 0


def votes_for_new_chips(noise: DeviceNoise, runtime: DeviceRuntime | None) -> int:
    """Return how many votes the chips of a request count for that have to be made.

    Args:
        noise: of the request.
        runtime: that casts its votes, if it is loaded.
    """
    if not noise.setting.differs_by_chip:
        return 0
    return VOTES_A_CHIP * (noise.chip_count if runtime is None else runtime.missing(noise))


def name_of(given: str | dict[str, Any] | None) -> str | None:
    """Return what logs and metrics call the device of a request: by few names, whatever is sent."""
    if not isinstance(given, dict):
        return given
    return INLINE if "profile" in given else BY_POINT


def device_hardware(noise: DeviceNoise, card: Card) -> Hardware | None:
    """Return what the device costs, if its profile tells."""
    return hardware_of_device(noise.setting.profiles, card)


def device_body(noise: DeviceNoise, compensation: Mapping[str, float]) -> DeviceBody:
    """Return the device of a reply."""
    setting = noise.setting
    return DeviceBody(
        name=setting.names,
        digest=setting.digests,
        chips=list(setting.chips) if setting.differs_by_chip else [],
        age_s=setting.told_age_s,
        temperature_c=setting.told_temperature_c,
        repeats=dict(setting.repeats) or None,
        compensation=dict(compensation) if compensation else None,
    )
