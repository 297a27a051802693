"""The mark on a page: a digit told from frames, rulings, desks, shadows, holes and dirt.

What a digit may look like is in :mod:`models.blots`; here the ink is found, on grounds that may be
uneven, and those blots of it are chosen that make up the digit.
"""

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from scipy import ndimage

from models.blots import Blot, Likeness, blots_of
from models.errors import PictureError
from models.rasters import dilated

Grey = NDArray[np.uint8]
Levels = NDArray[np.float32]

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

SHADOW = 0.1
"""Share of the page from which on what lies along its edge may be a shadow."""

MAJORITY = 0.65
"""Share of the page near its median below which the edge of the page shows the ground instead."""

WINDOW = 0.4
"""Side of the square that finds an uneven ground, as a share of the page's shorter side: it fits
between strokes, not into them."""

ROUNDS = 3
"""Times that ink is looked for; what is no digit is taken away after each."""

SPECK = 0.05
"""Share of the largest stroke's area below which a blot is dirt, not part of the digit."""

ENCLOSED = 0.15
"""Height of an enclosed blot, as a share of the enclosing one's, that makes this one a frame."""

NEAR = 0.3
"""Longest gap between parts of a digit, as a share of the largest part's longer side."""

LEAST_SIDE = 3
"""Least pixels of the longer side of a digit's largest part."""

SAME_PEN = 0.4
"""Thickness, as a share of the digit's largest part's, up to which a blot is of another pen."""

MOST_PARTS = 6

BLUR = 2
"""Pixels around a blot that its blurred edge takes."""

LEVELS = np.arange(256)

RIVAL = 0.4
"""Area, as a share of the digit's largest part, from which on a mark further off is another."""

WIDEST_LINE = 6
"""Most pixels of the width of a line that is ruled."""

MOST_SHEETS = 2
"""Sheets that lie on each other, on a desk."""

HAIR = 0.015
"""Thickness, as a share of a blot's longer side, below which it is no stroke among other things."""

BROAD = 0.012
"""Thickness of a digit that is not at first sight the ink of the page, as a share of its side."""

LEAST_CORE = 0.08
"""Least longer side of a stroke that is cut out of a ruling, as a share of the page's."""


@dataclass(frozen=True)
class Mark:
    """The digit on a page.

    Attributes:
        ink: its ink ``[height, width]`` in 0..1, cut out.
        box: left, upper, right and lower edge of what was cut out, in pixels of the page.
        is_plain: whether there was nothing else on the page, and its ground was even.
    """

    ink: Levels
    box: tuple[int, int, int, int]
    is_plain: bool

    def moved(self, left: int, top: int) -> "Mark":
        """Return the mark on a page of which its own page is a part that begins there."""
        box = self.box[0] + left, self.box[1] + top, self.box[2] + left, self.box[3] + top
        return Mark(self.ink, box, is_plain=False)

    @property
    def side(self) -> int:
        """The longer side of what was cut out."""
        return int(max(self.ink.shape))


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


def mark_on(page: Image.Image, sheets: int = MOST_SHEETS) -> Mark:
    """Return the digit on a page.

    Args:
        page: of mode ``L``, dark on light or light on dark.
        sheets: that may lie on each other, a page of its own each.

    Raises:
        PictureError: there is none, or it cannot be told from what else is there.
    """
    counts, levels = np.array(page.histogram()), np.asarray(page)
    ground, side = ground_of(levels, counts)
    even = ink_above(levels, counts, ground, side)
    sheet = next((blot for blot in even.blots if blot.is_sheet), None)
    if sheet is not None and sheets:
        box = sheet.left + BLUR, sheet.top + BLUR, sheet.right - BLUR, sheet.bottom - BLUR
        return mark_on(page.crop(box), sheets - 1).moved(box[0], box[1])
    refused = []
    for view in views_of(even):
        if view is View.EVEN:
            ink = even
        elif view is View.UNEVEN:
            ink = above_uneven_ground(page)
        else:
            ink = above_what_differs(levels, counts, ground, side)
        try:
            return mark_in(ink)
        except PictureError as error:
            refused.append(error)
    raise refused[0]


class View(Enum):
    """What is taken for the ground: one level, what is around a stroke, or what is not that."""

    EVEN = 1
    UNEVEN = 2
    REVERSED = 3


def views_of(even: Ink) -> tuple[View, ...]:
    """Return what to take for the ground, the likeliest first, by what an even ground shows."""
    if not even.is_even:
        return View.UNEVEN, View.REVERSED
    largest, *others = even.blots or (None,)
    if largest is not None and largest.is_skew_sheet:
        return (View.REVERSED,)
    if largest is None or not any(largest.edges) or largest.is_all_around:
        return View.EVEN, View.REVERSED
    if any(other.is_around and min(other.pixels.shape) > WIDEST_LINE for other in others):
        return View.REVERSED, View.EVEN
    # What runs off the page may be a shadow.
    if largest.is_cut_tightly or largest.area < SHADOW * even.levels.size:
        return View.EVEN, View.UNEVEN, View.REVERSED
    return View.UNEVEN, View.EVEN, View.REVERSED


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


def above_what_differs(levels: Grey, counts: NDArray[Any], ground: int, side: int) -> Ink:
    """Return the ink on what differs from the ground: a desk can be larger than the sheet on it."""
    beyond = counts * (side * (LEVELS - ground) > MIN_CONTRAST)
    ink = ink_above(levels, counts, round(quantile(beyond, 0.5)), -side)
    return replace(ink, is_likely=False)


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


def mark_in(ink: Ink) -> Mark:
    """Return the digit in the ink of a page.

    Raises:
        PictureError: as :func:`mark_on`.
    """
    seen = set[Likeness]()
    for _ in range(ROUNDS):
        parts = parts_of_digit(ink.blots)
        others = sum(blot.area for blot in ink.blots) - sum(part.area for part in parts)
        is_alone = ink.is_even and ink.is_likely and bool(parts) and others < SPECK * parts[0].area
        if is_alone or (parts and stands_out(parts[0], ink.is_likely)):
            # What runs off the page may be a shadow, which an uneven ground does not show.
            if ink.is_even and any(parts[0].edges) and not parts[0].is_cut_tightly:
                raise refusal("the mark in the image runs over its edge")
            return cut_out(ink.levels, parts, is_alone)
        if not ink.is_visible:
            break
        seen |= {blot.likeness for blot in ink.blots}
        ink = ink.without_blots()
    if seen:
        raise refusal(f"there is nothing but {' and '.join(sorted(seen))} in the image")
    raise refusal(
        f"nothing is drawn in the image: the strongest marks differ from the ground by "
        f"{ink.full:.0f} of 255 grey levels; needed are {MIN_CONTRAST} or more, and "
        f"{MIN_SIGNAL:g} times the ground's grain ({ink.grain:.0f})"
    )


def parts_of_digit(blots: list[Blot]) -> list[Blot]:
    """Return the blots that make up the digit, the largest first; none if there is no digit.

    Raises:
        PictureError: there are several marks, and none is more likely to be the digit.
    """
    strokes = strokes_among(blots)
    if not strokes:
        return []
    inner = [stroke for stroke in strokes if not any(stroke.edges)]
    if inner and inner[0].area > RIVAL / 4 * strokes[0].area:
        strokes = inner
    main = strokes[0]
    if main.side < LEAST_SIDE:
        return []
    near = [
        stroke
        for stroke in strokes
        if gap(main, stroke) <= NEAR * main.side and stroke.thickness > SAME_PEN * main.thickness
    ]
    apart = [stroke for stroke in strokes if stroke not in near]
    if len(near) > MOST_PARTS:
        raise refusal(f"the image shows a pattern of {len(near)} marks or more, not one digit")
    if any(stroke.area > RIVAL * main.area for stroke in apart):
        raise refusal("the image shows several marks apart from each other, not one digit")
    return near


def strokes_among(blots: list[Blot]) -> list[Blot]:
    """Return the blots that look like strokes, the largest first, without what encloses them."""
    strokes: list[Blot] = []
    for blot in blots:
        if strokes and blot.area < SPECK * strokes[0].area:
            break
        if blot.likeness is Likeness.STROKE and not is_across(blot):
            strokes.append(blot)
    for stroke in strokes:
        inside = [
            blot
            for blot in blots
            if blot.height > ENCLOSED * stroke.height and stroke.encloses(blot)
        ]
        if inside:
            return strokes_among(inside)
    if strokes and strokes[0].side > LEAST_CORE * max(strokes[0].page):
        return strokes
    cores = [core for blot in blots if blot.is_of_lines for core in strokes_across(blot)]
    return sorted(cores, key=lambda core: -core.area) or strokes


def is_across(blot: Blot) -> bool:
    """Return whether it is thin lines across the page, and thicker strokes that touch them."""
    return blot.is_across_page and bool(strokes_across(blot))


def strokes_across(blot: Blot) -> list[Blot]:
    """Return the strokes, thicker than the lines of a blot, that are one with them."""
    for width in range(1, WIDEST_LINE + 1):
        if blot.likeness is Likeness.STROKE and blot.contacts[1] > 1.5 * width + 1:
            continue
        cores = [
            core
            for core in blot.thicker_than(width)
            if core.side > LEAST_CORE * max(core.page)
            and core.thickness > 2 * width + 0.5
            and core.likeness is Likeness.STROKE
            and not any(core.edges)
        ]
        if cores:
            return cores
    return []


def stands_out(part: Blot, is_likely: bool) -> bool:
    """Return whether a stroke among other things is more than a line.

    Where it is not at first sight the ink of the page, it must also lie within the page and be
    broader than letters and lines are there.
    """
    if part.thickness < HAIR * part.side:
        return False
    return is_likely or (part.thickness > BROAD * max(part.page) and not any(part.edges))


def gap(one: Blot, other: Blot) -> int:
    """Return the distance of two rectangles in pixels, along the axis on which it is larger."""
    down = max(one.top, other.top) - min(one.bottom, other.bottom)
    right = max(one.left, other.left) - min(one.right, other.right)
    return max(down, right, 0)


def cut_out(levels: Grey, parts: list[Blot], is_plain: bool) -> Mark:
    """Return the mark that some blots make up, with their blurred edges."""
    height, width = levels.shape
    top = max(min(part.top for part in parts) - BLUR, 0)
    left = max(min(part.left for part in parts) - BLUR, 0)
    bottom = min(max(part.bottom for part in parts) + BLUR, height)
    right = min(max(part.right for part in parts) + BLUR, width)
    chosen = np.zeros((bottom - top, right - left), dtype=np.uint8)
    for part in parts:
        within = chosen[part.top - top :, part.left - left :][: part.height, : part.width]
        within |= part.pixels
    cut = levels[top:bottom, left:right]
    full = quantile(np.bincount(cut[chosen.view(bool)]), 0.9)
    ink = np.minimum(cut * np.float32(1 / full), 1)
    ink[cut <= FAINT * full] = 0
    if not is_plain:
        ink *= dilated(chosen, BLUR)
    return Mark(ink, (left, top, right, bottom), is_plain)


def refusal(message: str) -> PictureError:
    """Return the error that blames the field ``image``."""
    return PictureError(message, field="image")
