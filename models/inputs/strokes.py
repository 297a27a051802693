"""Digits as pen strokes: the sequences that the recurrent network reads, and how to make them.

A sequence holds the first T pen points of a drawing on a grid of 28 x 28 pixels, each as its step
``(dx, dy)`` from the point before it, in pixels, x to the right and y down; the first is counted
from the origin ``(0, 0)``, and pixels count from 1. Zeros fill up a short drawing. The rows that
only mark the end of a stroke in E. D. de Jong's files are no pen points and are left out; a
lifted pen shows as a step of more than one pixel.

Steps are learned faster than positions, and both together no faster than steps alone, in short
trials on held-back training drawings.

:func:`sequence_from_strokes` brings a drawing of any size into this form as the training data
were: a skeleton one pixel wide, its points in the order of a nearest-neighbour tour.

Sources: Qin & Vucinic, arXiv 1811.10649, section 3 (T is lost from the public copies; 48 covers
five of six drawings). E. D. de Jong, "MNIST digits stroke sequence data" (2016) and its
published code: start and order of the tour. T. Y. Zhang and C. Y. Suen, "A fast parallel algorithm
for thinning digital patterns", CACM 27(3), 1984.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from noisevote.models.errors import InputError

PREPROCESSING = "mnist_strokes-1"
"""Names :func:`sequence_from_strokes` on the cards of networks that read such sequences."""

STEPS = 48
"""T, the number of pen points that the network reads."""

FEATURES = 2
"""Values of a pen point: dx, dy."""

GRID = 28
"""Height and width of the grid in pixels."""

SHAPE, RANGE = (STEPS, FEATURES), (-float(GRID), float(GRID))
"""Shape of a sequence, and its smallest and largest value."""

SPAN = 17.0
"""Longer side of a drawing in steps of a pixel, the median of the training drawings: MNIST fits a
digit into 20 x 20 pixels, and thinning takes half the pen's width off each end."""

CENTRE = 14.0
"""Where the centre of mass lies, in pixels from 0, on both axes; as in MNIST."""

TOURS = 10
MAX_POINTS = 10_000
MAX_COORDINATE = 1e9
FIELD = "strokes"

Stroke = Sequence[Sequence[float]]


def sequence_from_points(points: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the sequence ``[T, 2]`` of a drawing.

    Args:
        points: column and row of each pen point ``[n, 2]``, in drawing order, from 1.
    """
    sequence = np.zeros((STEPS, FEATURES), np.float32)
    first = points[:STEPS]
    sequence[: len(first)] = np.diff(first, axis=0, prepend=np.zeros((1, 2), first.dtype))
    return sequence


def sequence_from_strokes(strokes: Sequence[Stroke]) -> NDArray[np.float32]:
    """Return the sequence ``[T, 2]`` of a drawing given as pen strokes.

    The drawing is scaled, keeping its proportions, and centred as the training drawings are; where
    it lies, how large it is and how densely it was sampled does not matter. The order in which it
    was drawn does not matter either: the training drawings had none, theirs is that of
    :func:`tour`.

    Args:
        strokes: points ``[x, y]`` of each stroke, x to the right and y down, in any unit.

    Raises:
        InputError: the strokes are not such lists, are empty, too many or not finite.
    """
    lines = [checked_stroke(stroke, index) for index, stroke in enumerate(checked_list(strokes))]
    if not any(map(len, lines)):
        raise wrong_number(0)
    picture = thinned(rasterised(fitted(lines)))
    rows, columns = np.nonzero(picture)
    return sequence_from_points(tour(np.stack([columns, rows], axis=1)) + 1)


def checked_list(strokes: object) -> Sequence[object]:
    """Return ``strokes`` if it is a list of no more strokes and points than are allowed."""
    if not isinstance(strokes, list | tuple) or not 1 <= len(strokes) <= MAX_POINTS:
        raise InputError(
            "strokes must be a list of strokes, each a list of points [x, y]; "
            f"1 to {MAX_POINTS} strokes are allowed",
            FIELD,
        )
    total = count_of_points(strokes)
    if total > MAX_POINTS:
        raise wrong_number(total)
    return strokes


def count_of_points(strokes: Sequence[object]) -> int:
    """Return how many points there are, before any of them is looked at."""
    return sum(len(stroke) for stroke in strokes if isinstance(stroke, list | tuple))


def wrong_number(points: int) -> InputError:
    """Return the refusal of too few or too many points."""
    return InputError(
        f"the strokes have {points} points in all; 1 to {MAX_POINTS} are allowed", FIELD
    )


def checked_stroke(stroke: object, index: int) -> NDArray[np.float64]:
    """Return one stroke as points ``[n, 2]``."""
    if not isinstance(stroke, list | tuple) or len(stroke) > MAX_POINTS:
        raise InputError(
            f"stroke {index} must be a list of points [x, y], at most {MAX_POINTS}", FIELD
        )
    for point in stroke:
        if not isinstance(point, list | tuple) or len(point) != FEATURES:
            raise InputError(f"stroke {index} has a point that is not a pair [x, y]", FIELD)
        if not all(is_coordinate(value) for value in point):
            raise InputError(
                f"stroke {index} has the point {str(list(point))[:80]}; coordinates must be "
                f"numbers between -{MAX_COORDINATE:g} and {MAX_COORDINATE:g}",
                FIELD,
            )
    return np.array(stroke, np.float64).reshape(-1, FEATURES)


def is_coordinate(value: object) -> bool:
    """Return whether ``value`` is a number, finite and not absurdly large."""
    # A comparison with NaN is false, and one with an integer too large for a float is exact.
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and -MAX_COORDINATE <= value <= MAX_COORDINATE  # type: ignore[operator]


def fitted(lines: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Scale and centre a drawing so that it lies in the grid as the training drawings do.

    Args:
        lines: points of each stroke ``[n, 2]``.

    Returns:
        The same strokes in pixels, from 0.
    """
    points = np.concatenate(lines)
    low = points.min(axis=0)
    extent = float(np.ptp(points, axis=0).max()) or 1.0
    lines = [(line - low) / extent * SPAN for line in lines if len(line)]
    ink = traced(lines)
    # The same pixel counts once however often the pen passes it.
    mass = np.unique(np.rint(ink), axis=0).mean(axis=0)
    shift = np.rint(CENTRE - mass)
    # A drawing with its mass at one end would leave the grid when centred.
    size = ink.max(axis=0)
    shift = np.clip(shift, 0, np.floor(GRID - 1 - size))
    return [line + shift for line in lines]


def traced(lines: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return points along strokes, at most one pixel apart on either axis ``[m, 2]``.

    All strokes together: thousands of short ones one after another would hold up other threads.
    """
    points = np.concatenate(lines)
    stroke = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    is_first = np.diff(stroke, prepend=-1) > 0
    starts, steps = points[:-1][~is_first[1:]], np.diff(points, axis=0)[~is_first[1:]]
    counts = np.ceil(np.abs(steps).max(axis=1, initial=0)).astype(np.intp)
    segment = np.repeat(np.arange(len(steps)), counts)
    number = np.arange(len(segment)) - np.repeat(np.cumsum(counts) - counts, counts)
    along = ((number + 1) / counts[segment])[:, np.newaxis]
    return np.concatenate([points[is_first], starts[segment] + along * steps[segment]])


def rasterised(lines: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Draw strokes, given in pixels from 0, with a pen of one pixel ``[28, 28]``."""
    picture = np.zeros((GRID, GRID), np.bool_)
    columns, rows = np.rint(traced(lines)).astype(np.intp).T
    picture[rows, columns] = True
    return picture


def thinned(picture: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin lines to a width of one pixel by the algorithm of Zhang and Suen ``[28, 28]``."""
    result = picture
    is_second, unchanged = False, 0
    while unchanged < 2:
        removed = removable(result, is_second)
        unchanged = 0 if removed.any() else unchanged + 1
        result = result & ~removed
        is_second = not is_second
    # The algorithm is known to erase a square of 2 x 2 pixels.
    return result if result.any() else picture


def removable(picture: NDArray[np.bool_], is_second: bool) -> NDArray[np.bool_]:
    """Return which pixels one half of a thinning iteration removes ``[28, 28]``."""
    around = np.pad(picture, 1)
    clockwise = ((0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))
    ring = np.stack([around[row : row + GRID, column : column + GRID] for row, column in clockwise])
    neighbours = ring.sum(axis=0)
    rises = (~ring & np.roll(ring, -1, axis=0)).sum(axis=0)
    north, east, south, west = ring[::2]
    first_half, second_half = east & south & (north | west), north & west & (east | south)
    is_kept = second_half if is_second else first_half
    removed: NDArray[np.bool_] = (
        picture & (neighbours >= 2) & (neighbours <= 6) & (rises == 1) & ~is_kept
    )
    return removed


def tour(pixels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Order the pixels of a skeleton as the training drawings are ordered.

    A tour starts at the end of a line (a pixel with at most one neighbour) nearest to the upper
    left, or, without one, at the pixel nearest to it. From each pixel it goes on to the one of
    least ``|dx|^3 + |dy|^3`` among those left. Of equals, de Jong's program draws one at random;
    it makes ten tours and keeps the one that is shortest with the way back to the start. Here the
    draws are the same for every drawing, so that the same drawing gives the same sequence.

    Args:
        pixels: column and row ``[n, 2]``, in any order, none twice.
    """
    apart = np.abs(pixels[:, np.newaxis] - pixels)
    cost = (apart**3).sum(axis=2).astype(np.float64)
    start = first_pixel(pixels, is_end=(apart.max(axis=2) <= 1).sum(axis=1) <= 2)
    # Costs are whole numbers, so anything below 1 decides between equals only.
    ties = tie_breaks()[:, pixels[:, 1], pixels[:, 0]]
    every = np.arange(TOURS)
    current = np.full(TOURS, start)
    order = []
    length = np.zeros(TOURS)
    for _ in range(len(pixels)):
        order.append(current)
        ties[every, current] = math.inf
        following = (cost[current] + ties).argmin(axis=1)
        length += cost[current, following]
        current = following
    # After the last pixel every way is closed, and argmin falls to pixel 0 instead of the start.
    length += cost[order[-1], start] - cost[order[-1], 0]
    shortest: NDArray[np.intp] = pixels[np.stack(order)[:, length.argmin()]]
    return shortest


def first_pixel(pixels: NDArray[np.intp], is_end: NDArray[np.bool_]) -> int:
    """Return the index of the pixel at which the tours start.

    Of pixels equally near to the upper left, de Jong's program takes the uppermost if they are
    ends of lines, the leftmost otherwise.
    """
    candidates = np.flatnonzero(is_end) if is_end.any() else np.arange(len(pixels))
    among = pixels[candidates]
    axis = 1 if is_end.any() else 0
    return int(candidates[np.lexsort((among[:, axis], among.sum(axis=1)))[0]])


@lru_cache(maxsize=1)
def tie_breaks() -> NDArray[np.float64]:
    """Return what decides between equals in each tour, by row and column ``[tours, 28, 28]``."""
    return np.random.default_rng(0).random((TOURS, GRID, GRID))
