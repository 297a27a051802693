"""A device, its chips and ages as command lines give them."""

import re
import tomllib
from pathlib import Path
from typing import Any

from noisevote.models.devices.chips import MAX_CHIP
from noisevote.models.devices.parts import MAX_AGE_S
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import MAX_PROFILE_BYTES, Profile, profile_of
from noisevote.models.errors import InputError
from noisevote.models.files import regular_content

SUFFIX = ".toml"

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "y": 31_557_600.0}
"""In each unit that an age may have."""

UNLIKE_NUMBERS = ("fresh", "none")


def parse_age(text: str) -> float:
    """Return the seconds of an age: ``60``, ``60s``, ``1h``, ``1d``, ``1y``.

    Raises:
        InputError: it is no age.
    """
    found = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-z]*)\s*", text.lower())
    try:
        seconds = float(found[1]) * SECONDS[found[2]] if found else -1.0
    except (ValueError, KeyError):
        seconds = -1.0
    if not 0 <= seconds <= MAX_AGE_S:
        raise InputError(f"{text!r} is no age; write 60s, 5min, 1h, 1d or 1y", "age_s")
    return seconds


def parse_ages(text: str) -> list[float]:
    """Return ages with commas between, in seconds.

    Raises:
        InputError: one is no age.
    """
    return [parse_age(part) for part in text.split(",") if part.strip()]


def parse_chip(text: str) -> int | str:
    """Return a chip: a number, ``fresh`` or ``none``.

    Raises:
        InputError: it is none of these.
    """
    if text in UNLIKE_NUMBERS:
        return text
    if text.isascii() and text.isdigit() and int(text) <= MAX_CHIP:
        return int(text)
    raise InputError(
        f"{text!r} is no chip; write a number from 0 to {MAX_CHIP}, fresh or none", "chip"
    )


def parse_device(text: str) -> str | dict[str, Any]:
    """Return a device as a request has it: a name, or what a TOML file holds.

    Raises:
        InputError: the file cannot be read, or holds no profile.
    """
    if not text.endswith(SUFFIX):
        return text
    file = Path(text)
    try:
        content = tomllib.loads(regular_content(file, MAX_PROFILE_BYTES).decode())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", "device") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is no TOML: {error}", "device") from error
    profile_of(content, file.name)
    return content


def profile_named(text: str) -> Profile:
    """Return the profile of a preset, or in a file.

    Raises:
        UnknownDeviceError: there is no device of that name.
        InputError: the file cannot be read, or holds no profile.
    """
    given = parse_device(text)
    return DeviceStore().find(given) if isinstance(given, str) else profile_of(given, text)
