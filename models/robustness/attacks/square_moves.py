"""The moves of the Square attack: where it starts, and what it tries next.

Source: M. Andriushchenko, F. Croce, N. Flammarion and M. Hein, arXiv 1912.00049: Algorithm 2 and
section 3.3 for the L-inf norm, Algorithm 3 and equations 3, 4 for the L2 norm.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from noisevote.models.robustness.ball import TINY, Ball, Norm, signs

SCHEDULE = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Queries, of 10,000, after which the changed share of the picture is halved."""

SCHEDULE_QUERIES = 10_000
TILES = 5
"""Tiles along a side in which the L2 attack starts."""

FEWEST_L2_PIXELS = 3

MOST_DRAWS = 10
"""Moves drawn until one changes anything: half of all signs are those that a pixel has."""


def changed_share(first_share: float, progress: float) -> float:
    """Return the share of pixels that a move changes after a share of the queries."""
    at = progress * SCHEDULE_QUERIES
    return first_share / float(2 ** sum(at > limit for limit in SCHEDULE))


def first_move(
    picture: NDArray[np.float32], ball: Ball, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Return the starting point: vertical stripes at full distance, or a grid of bumps.

    Args:
        picture: the sample ``[channels, height, width]``.
        ball: where examples may lie.
        generator: generator of the sample.
    """
    channels, height, width = picture.shape
    if ball.norm is Norm.LINF:
        stripes = signs((channels, 1, width), generator) * np.float32(ball.epsilon)
        shift = stripes.repeat(height, axis=1)
    else:
        shift = np.zeros_like(picture)
        side = max(1, min(height, width) // TILES)
        for top in range(0, height - side + 1, side):
            for left in range(0, width - side + 1, side):
                window = (slice(None), slice(top, top + side), slice(left, left + side))
                shift[window] = signed_bump(side, channels, generator)
        shift = of_length(shift, ball.epsilon)
    return ball.project_one(picture + shift, picture)


def next_move(
    picture: NDArray[np.float32],
    best: NDArray[np.float32],
    ball: Ball,
    share: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the next point to try: ``best`` with a square of it changed.

    Args:
        picture: the sample ``[channels, height, width]``.
        best: the point reached so far.
        ball: where examples may lie.
        share: share of the pixels that the square covers.
        generator: generator of the sample.
    """
    shift = linf_shift if ball.norm is Norm.LINF else l2_shift
    for _ in range(MOST_DRAWS):
        moved = picture + shift(best - picture, ball.epsilon, share, generator)
        point = ball.project_one(moved, picture)
        if not np.array_equal(point, best):
            break
    return point


def linf_shift(
    shift: NDArray[np.float32], epsilon: float, share: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Set a random square to plus or minus epsilon, one sign a channel."""
    channels, height, width = shift.shape
    side = min(max(1, round(np.sqrt(share * height * width))), height, width)
    window = random_window(shift, side, generator)
    moved = shift.copy()
    moved[window] = signs((channels, 1, 1), generator) * np.float32(epsilon)
    return moved


def l2_shift(
    shift: NDArray[np.float32], epsilon: float, share: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Move the length of one random window, and what is left of epsilon, into another."""
    channels, height, width = shift.shape
    side = max(FEWEST_L2_PIXELS, round(np.sqrt(share * height * width)))
    side = min(side + (side % 2 == 0), height, width)
    gaining = random_window(shift, side, generator)
    losing = random_window(shift, side, generator)
    both = np.zeros_like(shift)
    both[gaining] = both[losing] = 1.0
    unused = max(0.0, epsilon**2 - float((shift**2).sum()))
    squares = (shift**2 * both).sum(axis=(1, 2), keepdims=True)
    available = np.sqrt(squares + unused / channels)
    old = shift[gaining]
    old = old / np.maximum(np.sqrt((old**2).sum(axis=(1, 2), keepdims=True)), TINY)
    added = signed_bump(side, channels, generator)
    new = added + old
    new = np.where(np.abs(new).max(axis=(1, 2), keepdims=True) > TINY, new, added)  # if they cancel
    new /= np.maximum(np.sqrt((new**2).sum(axis=(1, 2), keepdims=True)), TINY)
    moved = shift.copy()
    moved[losing] = 0.0
    moved[gaining] = new * available
    return of_length(moved, epsilon)


def random_window(
    shift: NDArray[np.float32], side: int, generator: np.random.Generator
) -> tuple[slice, slice, slice]:
    """Return the index of a random square of all channels."""
    _, height, width = shift.shape
    top = int(generator.integers(height - side + 1))
    left = int(generator.integers(width - side + 1))
    return slice(None), slice(top, top + side), slice(left, left + side)


def signed_bump(side: int, channels: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return the two-sided bump, upright or lying, with a random sign for each channel."""
    shape = two_sided_bump(side)
    if generator.random() < 0.5:
        shape = shape.T
    return shape * signs((channels, 1, 1), generator)


@lru_cache(maxsize=64)
def two_sided_bump(side: int) -> NDArray[np.float32]:
    """Return a square of length 1: a positive bump above a negative one (equation 4)."""
    half = side // 2
    both = np.concatenate([bump(half, side), -bump(side - half, side)])
    return of_length(both.astype(np.float32), 1.0)


def bump(height: int, width: int) -> NDArray[np.float64]:
    """Return a bump that falls from its middle as a sum of inverse squares (equation 3)."""
    rings = max(height, width) // 2
    rows = np.abs(np.arange(height) - height // 2)
    columns = np.abs(np.arange(width) - width // 2)
    ring = np.maximum.outer(rows, columns)
    heights = np.cumsum(1.0 / np.arange(rings + 1, 0, -1) ** 2)[::-1]
    return heights[np.minimum(ring, rings)]


def of_length(shift: NDArray[np.float32], length: float) -> NDArray[np.float32]:
    """Scale an array to an L2 norm."""
    return np.asarray(shift * np.float32(length / max(float(np.linalg.norm(shift)), TINY)))
