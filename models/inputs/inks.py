"""The ink of a page: how much each pixel differs from the ground, which may be uneven."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from scipy import ndimage

from noisevote.models.inputs.blots import Blot, blots_of

Grey = NDArray[np.uint8]

MIN_CONTRAST = 16
"""Least difference between ink and ground, of 255 grey levels."""

MIN_SIGNAL = 6.0
"""Least contrast in standard deviations of the ground's grain."""

FAINT = 0.1
"""Share of full ink below which a pixel is ground: ringing of JPEG, paper."""

INKED = 0.4
"""Share of full ink from which on a pixel belongs to a blot: rulings are mostly fainter."""

EVEN = 0.1
"""Share of the page between ``FAINT`` and ``INKED`` above which the ground is uneven."""

EVEN_GRAIN = 5
"""Standard deviation of the grain above which the ground may be uneven."""

NEAR_GROUND = 40
"""Grey levels around that of the ground in which its grain is measured."""

MAJORITY = 0.65
"""Share of the page near its median below which the edge of the page shows the ground instead."""

WINDOW = 0.4
"""Side of the square that finds an uneven ground, as a share of the page's shorter side: it fits
between strokes, not into them."""

BLUR = 2
"""Pixels around a blot that its blurred edge takes."""

LEVELS = np.arange(256)


@dataclass(frozen=True)
class Ink:
    """How much each pixel differs from the ground, on one side of it.

    Attributes:
        levels: the difference ``[height, width]``, 0 to 255.
        grain: standard deviation of the ground.
        full: level of full ink, 0 if there is none.
        is_even: whether the ground has one level.
        is_likely: whether it is the digit's if any is; else a digit must be broad.
    """

    levels: Grey
    grain: float
    full: float
    is_even: bool
    is_likely: bool = True

    @property
    def is_visible(self) -> bool:
        """Whether it stands out from the ground."""
        return self.full >= max(MIN_CONTRAST, MIN_SIGNAL * self.grain)

    @cached_property
    def inked(self) -> NDArray[np.bool_]:
        """Whether a pixel belongs to a blot ``[height, width]``."""
        inked: NDArray[np.bool_] = self.levels > max(INKED * self.full, 3 * self.grain)
        return inked

    @cached_property
    def blots(self) -> list[Blot]:
        """The blots of ink, the largest first; none if it is not visible."""
        return blots_of(self.inked) if self.is_visible else []

    def without_blots(self) -> "Ink":
        """Return what is left without the blots and their blurred edges."""
        left = np.where(ndimage.maximum_filter(self.inked, 2 * BLUR + 1), np.uint8(0), self.levels)
        full = full_ink(counts_of(left), self.grain)
        return Ink(left, self.grain, full, self.is_even, is_likely=False)


def above_even_ground(page: Image.Image) -> Ink:
    """Return what differs from the level of most of a page, or of most of its edge."""
    counts, levels = np.array(page.histogram()), np.asarray(page)
    return ink_above(levels, counts, *ground_of(levels, counts))


def on_other_side_of_ground(page: Image.Image) -> Ink:
    """Return what differs on the other side: a frame may be lighter, and the ink darker."""
    counts, levels = np.array(page.histogram()), np.asarray(page)
    ground, side = ground_of(levels, counts)
    return replace(ink_above(levels, counts, ground, -side), is_likely=False)


def above_what_differs(page: Image.Image) -> Ink:
    """Return the ink on what differs from the ground: a desk can be larger than the sheet on it."""
    counts, levels = np.array(page.histogram()), np.asarray(page)
    ground, side = ground_of(levels, counts)
    beyond = counts * (side * (LEVELS - ground) > MIN_CONTRAST)
    ink = ink_above(levels, counts, round(quantile(beyond, 0.5)), -side)
    return replace(ink, is_likely=False)


def ground_of(levels: Grey, counts: NDArray[Any]) -> tuple[int, int]:
    """Return the level of an even ground, and on which side of it ink is: 1 if it is lighter."""
    ground = round(quantile(counts, 0.5))
    if counts[abs(LEVELS - ground) < NEAR_GROUND].sum() < MAJORITY * levels.size:
        ground = round(float(np.median(edges_of(levels))))
    # Ink is rare and far from the ground: the third moment shows on which side it is.
    return ground, -1 if (counts * (LEVELS - ground) ** 3).sum() < 0 else 1


def edges_of(levels: Grey) -> Grey:
    """Return the outermost pixels of a page."""
    return np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])


def ink_above(levels: Grey, counts: NDArray[Any], ground: int, side: int) -> Ink:
    """Return what differs from a level of the ground on one side of it."""
    away = LEVELS - ground
    grain = 1.4826 * quantile(np.bincount(np.abs(away), counts)[:NEAR_GROUND], 0.5)
    table = np.clip(side * away, 0, 255)
    full = full_ink(np.bincount(table, counts, 256), grain)
    is_between = (np.abs(away) > FAINT * full) & (np.abs(away) < INKED * full)
    is_even = full > 0 and grain < EVEN_GRAIN and counts[is_between].sum() < EVEN * counts.sum()
    return Ink(table.astype(np.uint8)[levels], grain, full, is_even)


def above_uneven_ground(page: Image.Image) -> Ink:
    """Return what stands out from its surroundings and is narrower than the window."""
    window = max(3, round(WINDOW * min(page.size)))
    blurred = page.filter(ImageFilter.BoxBlur(window // 3))
    away = np.asarray(page, dtype=np.float32) - np.asarray(blurred)
    levels = np.asarray(page if (away**3).sum() > 0 else ImageOps.invert(page))
    # Beyond the edge the ground goes on, or the darkest corner of a shadow would be ink.
    beyond = window // 2 + 1
    padded = np.pad(levels, beyond, mode="edge")
    ground = ndimage.maximum_filter(ndimage.minimum_filter(padded, window), window)
    above = levels.astype(np.int16) - ground[beyond:-beyond, beyond:-beyond]
    above -= np.int16(np.median(above))
    grain = 1.4826 * float(np.median(np.abs(above)))
    ink = np.clip(above, 0, 255).astype(np.uint8)
    return Ink(ink, grain, full_ink(counts_of(ink), grain), is_even=False)


def counts_of(levels: Grey) -> NDArray[Any]:
    """Return the pixels of each level ``[256]``."""
    return np.array(Image.fromarray(levels).histogram())


def quantile(counts: NDArray[Any], share: float) -> float:
    """Return the level up to which a share of the counted pixels lies."""
    total = counts.cumsum()
    return float(total.searchsorted(share * total[-1]))


def full_ink(counts: NDArray[Any], grain: float) -> float:
    """Return the level of full ink, from the pixels of each difference from the ground ``[256]``.

    That is the level above which a tenth of the pixels lies that are no grain.
    """
    return quantile(counts * (max(MIN_CONTRAST / 2, 4 * grain) < LEVELS), 0.9)
