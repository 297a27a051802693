"""The converter of the outputs, as its readings show it: step, levels, clipping, range."""

import math
from dataclasses import dataclass

import numpy as np

from noisevote.training.calibration.measurements import Floats

MOST_DISTINCT = 0.2
"""Share of readings that may differ from all others, if they come from a converter."""

COHERENCE = 0.999
"""Of readings on the lattice of a step: ``|mean exp(2 pi i reading / step)|``."""

DIVISORS = (1, 2, 3, 4)
"""Of the median gap between neighbouring readings: levels may be missing."""

CLIPPED = 0.005
"""Share of readings at an extreme, from which on they are clipped there."""

PILED = 0.75
"""Readings at an extreme over those at the level next to it, from which on they pile up there: of
few levels the last one has a good share, too."""

FEWEST_VALUES = 4
"""Distinct readings that show a lattice."""

FEWEST_BITS, MOST_BITS = 2, 24
"""Of a profile's converter."""

OPEN_BITS = 16
"""More than those that were seen, of a converter whose range was not reached."""

SAME_END = 1.5, 0.02
"""Ends are as far from 0 as each other within so many steps, as -128 and 127, or this share."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a profile, whose range is symmetric about 0, can hold of a converter.

    Attributes:
        bits: of ``2^bits - 1`` levels.
        bound: largest output.
        is_measured: whether the bound is where readings were clipped; if not, it is beyond all
            that was seen by ``2^OPEN_BITS``, or as far as ``MOST_BITS`` reach.
    """

    bits: int
    bound: float
    is_measured: bool


@dataclass(frozen=True, slots=True)
class Converter:
    """What was seen of a converter.

    Attributes:
        step: distance of its levels; None where there is no lattice.
        levels: from the lowest to the highest reading; 0 without a lattice.
        low: lowest reading.
        high: highest reading.
        clipped: shares of readings at the two, where they are clipped; else 0.
    """

    step: float | None
    levels: int
    low: float
    high: float
    clipped: tuple[float, float]

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest reading where they are clipped; else infinite."""
        return (
            self.low if self.clipped[0] else -np.inf,
            self.high if self.clipped[1] else np.inf,
        )

    @property
    def range(self) -> Range | None:
        """What a profile can hold; None of no step and no bound, or more than ``MOST_BITS``.

        A range that was not reached is left open: a network's signals may be larger than those
        that were measured, and nothing may be clipped that was not seen to be.
        """
        farthest = max(abs(self.low), abs(self.high))
        most_apart = max(SAME_END[0] * (self.step or 0.0), SAME_END[1] * farthest)
        ends = zip((self.low, self.high), self.clipped, strict=True)
        is_measured = any(share and abs(end) >= farthest - most_apart for end, share in ends)
        if self.step is None:
            return Range(MOST_BITS, farthest, is_measured) if is_measured else None
        # 127 levels above 0 take 8 bits, and so do 128: readings of two's complement end at -128.
        above_0 = max(round(farthest / self.step), 1)
        bits = max(math.ceil(math.log2(above_0)) + 1, FEWEST_BITS)
        if bits > MOST_BITS:
            return None
        if not is_measured:
            bits = min(bits + OPEN_BITS, MOST_BITS)
        most = 2 ** (bits - 1) - 1
        # Of other numbers of levels the bound is kept, and the step becomes finer.
        is_finer = is_measured and above_0 < most
        return Range(bits, farthest if is_finer else self.step * most, is_measured)


def converter_of(measured: Floats) -> Converter:
    """Look for a converter in readings of any shape."""
    values, counts = np.unique(measured, return_counts=True)
    low, high = float(values[0]), float(values[-1])
    step = step_of(values, measured.size)
    levels = 0 if step is None else round((high - low) / step) + 1
    ends = ((counts[0], counts[1:2]), (counts[-1], counts[-2:-1]))
    shares = [
        float(count / measured.size)
        if count > CLIPPED * measured.size and (not len(next_) or count > PILED * next_[0])
        else 0.0
        for count, next_ in ends
    ]
    return Converter(step, levels, low, high, (shares[0], shares[1]))


def step_of(values: Floats, readings: int) -> float | None:
    """Return the step of the lattice on which values lie, None if they lie on none.

    Args:
        values: distinct readings, rising; the two extremes may lie beside the lattice.
        readings: number of readings, not all distinct.
    """
    inner = values[1:-1]
    if len(inner) < FEWEST_VALUES or len(values) >= MOST_DISTINCT * readings:
        return None
    gaps, extent = np.diff(inner), float(inner[-1] - inner[0])
    median = float(np.median(gaps))
    for divisor in DIVISORS:
        near = median / divisor
        # The whole extent tells the step better than one gap, of readings that are rounded.
        for step in (extent / round(extent / near), near):
            if abs(np.exp(2j * np.pi * inner / step).mean()) > COHERENCE:
                return float(step)
    return None
