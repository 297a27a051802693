"""Blots of ink on a page, told apart: what may be part of a digit, and what is a line or a frame.

A blot is a set of pixels that touch at an edge or a corner.
"""

from enum import StrEnum
from functools import cached_property

import numpy as np
from scipy import ndimage

from noisevote.models.inputs.shapes import Mask, Shape

TOUCHING = np.ones((3, 3), dtype=int)

MOST_BLOTS = 40
"""Blots that are looked at, the largest first."""

LONG = 2.5
"""Times that a blot is wider than high from which on it is a line."""

SLIM = 0.05
"""Share of the page's width below which a blot from its top to its bottom is a line."""

ALONG_THE_EDGE = 0.5
"""Share of the page's edge that a blot covers from which on it is a frame, or what lies around."""

THIN = 0.08
"""Mean thickness of ruled and squared paper, and of a stroke that is one with it, at most, as a
share of the longer side."""

TIGHT = 0.83
"""Share of the page's sides that the digit has in a tight crop."""

TOUCHING_EDGE = 0.2
"""Share of its outline with which the digit touches the page's edges in a tight crop, at most."""

ALL_AROUND = 0.75
"""Share of the page's edge from which on a frame is no shadow."""

AT_THE_EDGE = 0.35
"""Share of a blot's outline at the edge of the page from which on it is what lies around."""

MOST_HOLES = 4
"""Most holes of a digit: two, and what a trembling pen leaves."""

MOST_CONTACTS = 7
"""Most places in which a digit touches the edges of a page."""

SQUAT = 0.42
"""Thickness as a share of the longer side from which on a blot is no stroke. A disc has 0.5."""

FULL = 0.72
"""Share of its rectangle that a blot fills from which on it is no stroke, if it is not slim."""

LEAST_SHAPE = 12
"""Pixels of the longer side below which a shape cannot be told from a stroke."""

STRAIGHT = 0.87
"""Share of its rectangle that a sheet fills; ellipses fill less."""

LEAST_SHEET = 0.05
"""Share of the page from which on a rectangle is a sheet with its own ground."""

LEAST_SIDE_OF_SHEET = 30
"""Pixels of the longer side below which a rectangle may be a digit by a broad pen."""

LARGE_SHEET = 0.33
"""Share of the page from which on a blot within it is a sheet, even if it lies askew."""

LARGEST_DIGIT = 0.5
"""Share of the page that a digit covers at most, in a tight crop."""

BROADEST_ONE = 0.62
"""Width of a 1 as a share of its height at most."""

SLENDER = 0.4
"""Share of the longer side that the shorter one of a slim blot, a 1, has at most."""

WALL = 0.1
"""Share of a rectangle's sides that the outline of a box drawn by hand strays from them."""


class Likeness(StrEnum):
    """What a blot looks like, in the words of a refusal."""

    STROKE = "marks unlike a digit"
    LINE = "lines"
    FRAME = "a frame or the ground around a sheet"
    NET = "ruled or squared paper"
    FILLED = "filled shapes"


class Blot(Shape):
    """A blot, and what it looks like."""

    @cached_property
    def likeness(self) -> Likeness:
        """What it looks like by itself."""
        if self.is_line:
            return Likeness.LINE
        if self.is_around or self.is_box:
            return Likeness.FRAME
        if self.is_filled:
            return Likeness.FILLED
        return Likeness.NET if self.is_net else Likeness.STROKE

    @property
    def is_around(self) -> bool:
        """Whether it covers much of the page's edge, or has much of its outline there."""
        contact = sum(self.edges)
        return contact > ALONG_THE_EDGE * sum(self.page) * 2 or contact > AT_THE_EDGE * self.outline

    @property
    def is_cut_tightly(self) -> bool:
        """Whether it fills the page from edge to edge, and touches the edges with little of it."""
        return self.fills_page and sum(self.edges) < TOUCHING_EDGE * self.outline

    @property
    def fills_page(self) -> bool:
        """Whether its rectangle is nearly the whole page."""
        sides = zip(self.pixels.shape, self.page, strict=True)
        return all(side > TIGHT * length for side, length in sides)

    @property
    def is_all_around(self) -> bool:
        """Whether it lies along all edges of the page."""
        return sum(self.edges) > ALL_AROUND * sum(self.page) * 2

    @property
    def is_sheet(self) -> bool:
        """Whether it is an upright rectangle within the page, a page of its own on a desk."""
        page = self.page[0] * self.page[1]
        is_slender = min(self.height, self.width) < SLENDER * self.side
        if self.side < LEAST_SIDE_OF_SHEET or is_slender or any(self.edges):
            return False
        if self.area < max(LEAST_SHEET * page, 0.5 * self.pixels.size):
            return False
        filled = np.count_nonzero(self.holes != 1)
        return bool(filled > STRAIGHT * self.pixels.size and self.area > 0.6 * filled)

    @property
    def is_skew_sheet(self) -> bool:
        """Whether it is so large a part of the page, but for its edges, that it can be no digit."""
        is_within = sum(self.edges) < 0.05 * sum(self.page)
        share = LARGEST_DIGIT if self.fills_page else LARGE_SHEET
        return is_within and self.area > share * self.page[0] * self.page[1]

    @property
    def is_line(self) -> bool:
        """Whether it is far wider than high, or runs from the top of a page to its bottom."""
        if self.width > LONG * self.height:
            return True
        upper, lower, _, _ = self.edges
        return upper > 0 and lower > 0 and self.width < SLIM * self.page[1]

    @property
    def is_filled(self) -> bool:
        """Whether it is no stroke but a shape that is filled: a hole of a puncher, a sheet."""
        if self.side < LEAST_SHAPE:
            return False
        if self.thickness > SQUAT * self.side:
            return True
        share = self.area / self.pixels.size
        if self.height > self.width and share < STRAIGHT:
            return share > FULL and self.width > BROADEST_ONE * self.height
        return share > FULL and min(self.height, self.width) > SLENDER * self.side

    @property
    def is_box(self) -> bool:
        """Whether it follows three sides of its rectangle or all and leaves the middle free."""
        wall = max(2, round(WALL * min(self.pixels.shape)), round(1.5 * self.thickness))
        if min(self.pixels.shape) < 5 * wall:
            return False
        if np.count_nonzero(self.pixels[wall:-wall, wall:-wall]) > 0.02 * self.area:
            return False
        walls = (
            self.pixels[:wall].any(axis=0),
            self.pixels[-wall:].any(axis=0),
            self.pixels[:, :wall].any(axis=1),
            self.pixels[:, -wall:].any(axis=1),
        )
        return sum(bool(side.mean() > 0.85) for side in walls) >= 3

    @property
    def is_net(self) -> bool:
        """Whether it has more holes than a digit, or touches the page's edges as lines do."""
        if self.thickness > THIN * self.side:
            return False
        if self.contacts[0] > MOST_CONTACTS:
            return True
        sizes = np.bincount(self.holes.ravel())[2:]
        return bool(np.count_nonzero(sizes > self.thickness**2) > MOST_HOLES)

    @property
    def is_of_lines(self) -> bool:
        """Whether it is a frame, ruled or squared paper, or reaches across the page as lines do."""
        return self.is_across_page or self.likeness in {Likeness.FRAME, Likeness.NET}

    def thicker_than(self, width: int) -> "list[Blot]":
        """Return what of the blot is thicker than a number of pixels, as blots.

        A pen's stroke on squares of its own colour is all one blot with them.
        """
        # Beyond the edge of the page lines go on.
        eroded = ndimage.minimum_filter(self.pixels.view(np.uint8), width + 1, mode="constant")
        opened = ndimage.maximum_filter(eroded, width + 1, origin=-(width % 2))
        grown = ndimage.maximum_filter(opened, 3).astype(bool) & self.pixels
        return [
            Blot(core.pixels, core.top + self.top, core.left + self.left, self.page)
            for core in blots_of(grown)
        ]


def blots_of(ink: Mask) -> list[Blot]:
    """Return the blots of a page, the largest first, :data:`MOST_BLOTS` at most."""
    labels, count = ndimage.label(ink, TOUCHING)
    if count == 0:
        return []
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    places = ndimage.find_objects(labels)
    height, width = ink.shape
    blots = []
    for number in np.argsort(-areas)[: min(count, MOST_BLOTS)]:
        rows, columns = places[number - 1]
        pixels = labels[rows, columns] == number
        blots.append(Blot(pixels, rows.start, columns.start, (height, width)))
    return blots
