"""Quantities as people read them."""

import math

PREFIXES = (
    (1e-15, "f"), (1e-12, "p"), (1e-9, "n"), (1e-6, "u"), (1e-3, "m"), (1.0, ""), (1e3, "k"),
)  # fmt: skip
MANY_PASSES = 99_999.5
"""From which on five figures are not enough to write them without an exponent."""
AGES = (
    (31_557_600.0, "years"), (86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "s"),
)  # fmt: skip


def share(value: float) -> str:
    """Return a share in per cent."""
    return f"{100 * value:.1f} %"


def points(value: float, sign: str = "-", digits: int = 1) -> str:
    """Return a difference of shares in points; zero has no sign of its own.

    Args:
        value: as a share.
        sign: ``+`` to write that of more than zero, too.
        digits: behind the point.
    """
    return f"{round(100 * value, digits) + 0.0:{sign}.{digits}f}"


def with_prefix(value: float, unit: str) -> str:
    """Return a quantity with the prefix that suits it."""
    rounded = float(f"{value:.3g}")
    factor, prefix = next(((f, p) for f, p in reversed(PREFIXES) if rounded >= f), PREFIXES[0])
    return f"{rounded / factor:.3g} {prefix}{unit}"


def energy(value: float, unit: str) -> str:
    """Return an energy in joules, or in passes."""
    if unit == "J":
        return with_prefix(value, "J")
    text = f"{value:.5g}" if value < MANY_PASSES else f"{value:,.0f}"
    return f"{text} {'pass' if text == '1' else 'passes'}"


def seconds(value: float | None) -> str:
    """Return a time."""
    return "-" if value is None else with_prefix(value, "s")


def age(value: float) -> str:
    """Return an age."""
    rounded = float(f"{value:.3g}")
    for length, name in AGES:
        if rounded >= length or (name == "s" and rounded > 0):
            count = f"{rounded / length:.3g}"
            return f"{count} {name.removesuffix('s') if count == '1' and len(name) > 1 else name}"
    return f"{value:g} s"


def snr(kind: str, sigma: float) -> str:
    """Return the signal-to-noise ratio of multiplicative noise, to stand behind its sigma."""
    if kind != "multiplicative" or sigma <= 0:
        return ""
    return f" (SNR {-20 * math.log10(sigma) + 0.0:.1f} dB)"
