"""A device, its chips and ages as command lines give them."""

import re
import tomllib
from pathlib import Path
from typing import Any

from noisevote.models.devices.chips import MAX_CHIP
from noisevote.models.devices.parts import MAX_AGE_S
from noisevote.models.devices.presets import SUFFIX, profile_in, store_of_environment, text_in
from noisevote.models.devices.profile import Profile, read_profile
from noisevote.models.devices.setting import FRESH, WITHOUT_ERRORS
from noisevote.models.errors import InputError

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "y": 31_557_600.0}
"""In each unit that an age may have."""


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
    if text in {FRESH, WITHOUT_ERRORS}:
        return text
    if text.isascii() and text.isdigit() and int(text) <= MAX_CHIP:
        return int(text)
    raise InputError(
        f"{text!r} is no chip; write a number from 0 to {MAX_CHIP}, {FRESH} or {WITHOUT_ERRORS}",
        "chip",
    )


def parse_device(text: str) -> str | dict[str, Any]:
    """Return a device as a request has it: a name, or what a TOML file holds.

    Raises:
        InputError: the file cannot be read, or holds no profile.
    """
    if not text.endswith(SUFFIX):
        return text
    content = text_in(Path(text))
    read_profile(content, text)
    return tomllib.loads(content)


def profile_named(text: str) -> Profile:
    """Return the profile of a preset, or in a file.

    Raises:
        UnknownDeviceError: there is no device of that name.
        InputError: the file cannot be read, or holds no profile.
    """
    return profile_in(Path(text)) if text.endswith(SUFFIX) else store_of_environment().find(text)
