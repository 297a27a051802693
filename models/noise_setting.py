"""Sigma and repeats of a measurement, as command lines and results files write them."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from noisevote.models.errors import InputError

Number = TypeVar("Number", int, float)

Sigma = float | dict[str, float]
"""Standard deviation at all noise points, or by noise point; points left out get no noise."""


def parse_sigma(text: str) -> Sigma:
    """Return the sigma that a command line or results file names: ``0.5`` or ``fc1=0.2;fc2=1``.

    Raises:
        InputError: it is no sigma.
    """
    try:
        sigma = parse_map(text, float) if "=" in text else float(text)
    except ValueError:
        raise InputError(f"{text!r} is no sigma; write 0.5, or fc1=0.2;fc2=1") from None
    values = sigma.values() if isinstance(sigma, dict) else [sigma]
    if not all(0 <= value < float("inf") for value in values):
        raise InputError(f"sigma is {text}; it must be 0 or positive")
    return sigma


def parse_repeats(text: str) -> dict[str, int]:
    """Return the repeats that a command line or results file names: ``fc1=4;fc2=20``.

    Raises:
        InputError: they are no repeats.
    """
    try:
        repeats = parse_map(text, int)
    except ValueError:
        raise InputError(f"{text!r} are no repeats; write fc1=4;fc2=20") from None
    if any(count < 1 for count in repeats.values()):
        raise InputError(f"repeats are {text}; each must be at least 1")
    return repeats


def parse_map(text: str, number: Callable[[str], Number]) -> dict[str, Number]:
    """Return ``a=1;b=2`` (or with commas) as a map; nothing gives an empty one."""
    entries = {}
    for part in text.replace(",", ";").split(";"):
        if part.strip():
            name, separator, value = part.partition("=")
            if not separator:
                raise ValueError(part)
            entries[name.strip()] = number(value)
    return entries


def shown_sigma(sigma: Sigma) -> str:
    """Return a sigma as :func:`parse_sigma` reads it."""
    return shown_map(sigma) if isinstance(sigma, dict) else f"{sigma:g}"


def shown_map(entries: Mapping[str, float]) -> str:
    """Return a map as :func:`parse_map` reads it."""
    return ";".join(f"{name}={value:g}" for name, value in entries.items())
