"""Curves of a device profile: numbers that depend on the conductance of a cell, as data."""

from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from noisevote.models.specs import CardPart

MAX_POINTS = 64
"""Most points of a table and pieces of a curve."""

MAX_COEFFICIENTS = 12
LARGEST = 1e12
"""Of any number of a curve."""

HUGE = 1e290
"""Of any power, so that it can be multiplied."""

BUCKETS = 1024
"""Even pieces of a table, by which the place of a number is found."""

SMALLEST_ARGUMENT = 1e-7
"""From which on logarithms and powers are taken, as aihwkit does."""

Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Pair = tuple[Number, Number]


class Piece(CardPart):
    """One formula of x, which is the conductance over the largest one, 0 to 1."""

    coefficients: Annotated[tuple[Number, ...], Field(max_length=MAX_COEFFICIENTS)] | None = None
    """``c0 + c1 x + c2 x^2 ...``"""
    table: Annotated[tuple[Pair, ...], Field(max_length=MAX_POINTS)] | None = None
    """Points ``[x, value]``, x rising; straight lines between them, level beyond them."""
    log: Pair | None = None
    """``[a, b]``: ``a ln(x) + b``."""
    power: Pair | None = None
    """``[k, p]``: ``k x^p``."""
    saturating: tuple[Number, Annotated[float, Field(gt=0, le=LARGEST)]] | None = None
    """``[k, s]``: ``k (1 - exp(-x / s))``."""
    clip: Pair | None = None
    """Smallest and largest value; by default it is not clipped."""
    below: Annotated[float, Field(gt=0, le=1)] | None = None
    """Where the next piece begins; of the last, or only, piece: left out."""

    @field_validator("table")
    @classmethod
    def rises(cls, table: tuple[Pair, ...] | None) -> tuple[Pair, ...] | None:
        """Refuse points that are out of order."""
        if table is not None:
            places = [x for x, _ in table]
            if not places or any(b <= a for a, b in pairwise(places)):
                raise ValueError(
                    f"needed are one or more points [x, value], x rising; got {places}"
                )
        return table

    @model_validator(mode="after")
    def is_one_formula(self) -> Self:
        """Refuse none or several, and limits out of order."""
        given = [name for name in FORMULAS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"got {', '.join(given) or 'none'}; needed is one of {LISTED}")
        if self.clip is not None and self.clip[0] > self.clip[1]:
            raise ValueError(f"clip is {list(self.clip)}; allowed is [smallest, largest]")
        return self

    def at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at conductances over the largest one, of any shape."""
        values = np.zeros(x.shape)
        if self.coefficients is not None:
            values = np.polynomial.polynomial.polyval(x, np.array(self.coefficients or (0.0,)))
        elif self.table is not None:
            values = on_table(x, np.array(self.table))
        elif self.log is not None:
            values = self.log[0] * np.log(np.maximum(x, SMALLEST_ARGUMENT)) + self.log[1]
        elif self.power is not None:
            factor, exponent = self.power
            with np.errstate(over="ignore", under="ignore"):
                of_x = np.maximum(x, SMALLEST_ARGUMENT) ** exponent
                values = np.clip(factor * np.minimum(of_x, HUGE), -LARGEST, LARGEST)
        elif self.saturating is not None:
            with np.errstate(under="ignore"):
                values = self.saturating[0] * -np.expm1(-x / self.saturating[1])
        return values if self.clip is None else np.clip(values, *self.clip)


FORMULAS = ("coefficients", "table", "log", "power", "saturating")
LISTED = ", ".join(FORMULAS)


def form_of(value: object) -> str:
    """Return in which form a curve is given."""
    if isinstance(value, list | tuple):
        return "pieces"
    return "formula" if isinstance(value, dict | Piece) else "number"


Curve = Annotated[
    Annotated[Number, Tag("number")]
    | Annotated[Piece, Tag("formula")]
    | Annotated[
        Annotated[tuple[Piece, ...], Field(min_length=1, max_length=MAX_POINTS)], Tag("pieces")
    ],
    Discriminator(form_of),
]
"""A number, one formula, or pieces of several, each up to its ``below``."""


def on_table(x: NDArray[np.float64], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values on straight lines between points, level beyond them.

    As ``numpy.interp``, which looks for the place of each x anew and takes five times as long.
    Where no two points share one of :data:`BUCKETS` even pieces, a piece tells the two lines that
    x may lie on.

    Args:
        x: places, of any shape.
        table: points ``[points, 2]``, x rising.
    """
    places, values = table.T
    width = (places[-1] - places[0]) / BUCKETS
    if x.size < BUCKETS or len(places) < 2 or np.diff(places).min() <= 1.01 * width:
        found: NDArray[np.float64] = np.interp(x, places, values)
        return found
    slopes = np.append(np.diff(values) / np.diff(places), 0.0)
    line_of = np.searchsorted(places, places[0] + width * np.arange(BUCKETS + 1), "right") - 1
    within = np.clip(x, places[0], places[-1])
    line = line_of[((within - places[0]) / width).astype(np.intp)]
    following = np.append(places[1:], np.inf)
    line += within >= following[line]
    on_line: NDArray[np.float64] = values[line] + slopes[line] * (within - places[line])
    return on_line


def curve_at(curve: Curve, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a curve's values at conductances over the largest one, of any shape."""
    if isinstance(curve, Piece):
        return curve.at(x)
    if not isinstance(curve, tuple):
        return np.full(x.shape, float(curve))
    values = curve[-1].at(x)
    for piece in reversed(curve[:-1]):
        # As numpy.where, whose branches take four times as long; numbers of curves are finite.
        is_below = (x < (piece.below or 0.0)).astype(np.float64)
        values = piece.at(x) * is_below + values * (1 - is_below)
    return values


def checked(curve: Curve) -> Curve:
    """Return a curve whose pieces follow each other.

    Raises:
        ValueError: one lacks its end, or begins before the one before it ends.
    """
    pieces = curve if isinstance(curve, tuple) else ((curve,) if isinstance(curve, Piece) else ())
    ends = [piece.below for piece in pieces]
    rising = [end for end in ends[:-1] if end is not None]
    is_right = len(rising) == len(ends) - 1 and all(b > a for a, b in pairwise(rising))
    if pieces and not (is_right and ends[-1] is None):
        raise ValueError(f"pieces end below {ends}; all but the last need a rising below")
    return curve
