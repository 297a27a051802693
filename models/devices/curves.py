"""Curves of a device profile: numbers that depend on the conductance of a cell, as data."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from noisevote.models.specs import CardPart

Floats = NDArray[np.floating]
"""In single or double precision; what is computed of them has the same."""

MAX_POINTS = 64
"""Most points of a table."""

MAX_PIECES = 8
"""Most pieces of a curve: each is worked out for every cell of a chip."""

MAX_COEFFICIENTS = 12
LARGEST = 1e12
"""Of any number of a curve."""

CLOSEST = 1e-9
"""Distance of two points of a table at least: a line between them is still no wall."""

HUGE = 1e25
"""Of any power, so that single precision can hold its product with a factor."""

BUCKETS = 1024
"""Even pieces of a table, by which the place of a number is found."""

SMALLEST_SCALE = 1e-12
"""Of an exponential."""

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
    saturating: tuple[Number, Annotated[float, Field(ge=SMALLEST_SCALE, le=LARGEST)]] | None = None
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
            if not places or any(b - a < CLOSEST for a, b in pairwise(places)):
                raise ValueError(
                    f"needed are one or more points [x, value], x rising by {CLOSEST:g} or more; "
                    f"got {places}"
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

    def at(self, x: Floats) -> Floats:
        """Return the values at conductances over the largest one, of any shape."""
        values = self.formula_at(x)
        return values if self.clip is None else values.clip(*self.clip, out=values)

    def formula_at(self, x: Floats) -> Floats:
        """Return the values before they are clipped."""
        if self.table is not None:
            return on_table(x, np.array(self.table))
        if self.log is not None:
            values = x.clip(SMALLEST_ARGUMENT, np.inf)
            np.log(values, out=values)
            values *= self.log[0]
            values += self.log[1]
            return values
        if self.power is not None:
            factor, exponent = self.power
            values = x.clip(SMALLEST_ARGUMENT, np.inf)
            with np.errstate(over="ignore", under="ignore"):
                np.power(values, exponent, out=values)
                values.clip(-np.inf, HUGE, out=values)
                values *= factor
            return values.clip(-LARGEST, LARGEST, out=values)
        if self.saturating is not None:
            values = x * (-1 / self.saturating[1])
            with np.errstate(under="ignore"):
                np.expm1(values, out=values)
            values *= -self.saturating[0]
            return values
        return polynomial(x, self.coefficients or (0.0,))


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
        Annotated[tuple[Piece, ...], Field(min_length=1, max_length=MAX_PIECES)], Tag("pieces")
    ],
    Discriminator(form_of),
]
"""A number, one formula, or pieces of several, each up to its ``below``."""


def polynomial(x: Floats, coefficients: Sequence[float]) -> Floats:
    """Return ``c0 + c1 x + c2 x^2 ...``."""
    values = np.full(x.shape, coefficients[-1], x.dtype)
    for coefficient in reversed(coefficients[:-1]):
        values *= x
        values += coefficient
    return values


def on_table(x: Floats, table: NDArray[np.float64]) -> Floats:
    """Return values on straight lines between points, level beyond them.

    As ``numpy.interp``, which looks for the place of each x anew and takes five times as long.
    Where no two points share one of :data:`BUCKETS` even pieces, a piece tells the two lines that
    x may lie on.

    Args:
        x: places, of any shape.
        table: points ``[points, 2]``, x rising.
    """
    places, values = table.T.astype(x.dtype)
    width = (places[-1] - places[0]) / BUCKETS
    if x.size < BUCKETS or len(places) < 2 or np.diff(places).min() <= 1.01 * width:
        found: Floats = np.interp(x, places, values).astype(x.dtype)
        return found
    slopes = np.append(np.diff(values) / np.diff(places), x.dtype.type(0))
    line_of = np.searchsorted(places, places[0] + width * np.arange(BUCKETS + 1), "right") - 1
    within = x.clip(places[0], places[-1])
    line = line_of[((within - places[0]) / width).astype(np.intp)]
    following = np.append(places[1:], x.dtype.type(np.inf))
    line += within >= following[line]
    within -= places[line]
    within *= slopes[line]
    within += values[line]
    return within


def curve_at(curve: Curve, x: Floats) -> Floats:
    """Return a curve's values at conductances over the largest one, of any shape."""
    if isinstance(curve, Piece):
        return curve.at(x)
    if not isinstance(curve, tuple):
        return np.full(x.shape, curve, x.dtype)
    values = curve[-1].at(x)
    for piece in reversed(curve[:-1]):
        # As numpy.where, whose branches take four times as long; numbers of curves are finite.
        is_below = (x < (piece.below or 0.0)).astype(x.dtype)
        before = piece.at(x)
        before *= is_below
        values *= 1 - is_below
        values += before
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
