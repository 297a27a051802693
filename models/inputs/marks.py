"""The mark on a page: a digit told from frames, rulings, desks, shadows, holes and dirt.

Ink is found by ``models/inputs/inks.py`` and told apart by ``models/inputs/blots.py``; here blots
are chosen.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noisevote.models.errors import PictureError
from noisevote.models.inputs.blots import Blot, Likeness
from noisevote.models.inputs.inks import (
    BLUR,
    FAINT,
    MIN_CONTRAST,
    MIN_SIGNAL,
    Grey,
    Ink,
    above_even_ground,
    quantile,
)
from noisevote.models.inputs.rasters import dilated
from noisevote.models.inputs.views import inks_of

Levels = NDArray[np.float32]

ROUNDS = 3
"""Times that ink is looked for; what is no digit is taken away after each."""

SPECK = 0.05
"""Share of the largest stroke's area below which a blot is dirt, not part of the digit."""

ENCLOSED = 0.15
"""Height of an enclosed blot, as a share of the enclosing one's, that makes this one a frame."""

NEAR = 0.3
"""Longest gap between parts of a digit, as a share of the largest part's longer side."""

LEAST_SIDE = 3
"""Least pixels of the longer side of a stroke."""

INNER = 0.1
"""Share of the largest stroke's area from which on one within the page is preferred."""

SAME_PEN = 0.4
"""Thickness, as a share of the digit's largest part's, up to which a blot is of another pen."""

BAR = 0.07
"""Thickness of the bar of a digit, as a share of its length, at least."""

MOST_PARTS = 6

RIVAL = 0.4
"""Area, as a share of the digit's largest part, from which on a mark further off is another."""

WORD = 1.5
"""Times that several blots together are wider than high from which on they are no digit."""

AS_TALL = 0.85
"""Height of a blot, as a share of that of all, from which on it stands for itself."""

WIDEST_LINE = 6
"""Most pixels of the width of a line that is ruled."""

MOST_LINED = 3
"""Frames and rulings of which strokes are cut out, the largest first."""

MOST_SHEETS = 2
"""Sheets that lie on each other, on a desk."""

HAIR = 0.015
"""Thickness, as a share of a blot's longer side, below which it is no stroke among other things."""

SLIVER = 0.05
"""Width as a share of the height below which a blot is no 1 among other things."""

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
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


def mark_on(page: Image.Image, sheets: int = MOST_SHEETS) -> Mark:
    """Return the digit on a page.

    Args:
        page: of mode ``L``, dark on light or light on dark.
        sheets: that may lie on each other, a page of its own each.

    Raises:
        PictureError: there is none, or it cannot be told from what else is there.
    """
    even = above_even_ground(page)
    sheet = next((blot for blot in even.blots if blot.is_sheet), None)
    if sheet is not None and sheets:
        box = sheet.left + BLUR, sheet.top + BLUR, sheet.right - BLUR, sheet.bottom - BLUR
        return mark_on(page.crop(box), sheets - 1).moved(box[0], box[1])
    refused = []
    for ink in inks_of(page, even):
        try:
            return mark_in(ink)
        except PictureError as error:
            refused.append(error)
    raise refused[0]


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
            if any(parts[0].edges) and not parts[0].is_cut_tightly:
                raise PictureError(
                    "the mark in the image runs over its edge; leave room around the digit", "image"
                )
            return cut_out(ink.levels, parts, is_alone)
        if not ink.is_visible:
            break
        seen |= {blot.likeness for blot in ink.blots}
        ink = ink.without_blots()
    if seen:
        raise PictureError(
            f"there is nothing but {' and '.join(sorted(seen))} in the image", "image"
        )
    if MIN_SIGNAL * ink.grain > MIN_CONTRAST:
        raise PictureError(
            f"no mark stands out in the image: its ground varies by {ink.grain:.0f} of 255 grey "
            f"levels, and a mark must differ from it by {MIN_SIGNAL:g} times as much",
            "image",
        )
    raise PictureError(
        "nothing is drawn in the image: the strongest marks differ from the ground by "
        f"{ink.full:.0f} of 255 grey levels; needed are {MIN_CONTRAST} or more",
        "image",
    )


def parts_of_digit(blots: list[Blot]) -> list[Blot]:
    """Return the blots that make up the digit, the largest first; none if there is no digit.

    Raises:
        PictureError: there are several marks, and none is more likely to be the digit.
    """
    strokes = [stroke for stroke in strokes_among(blots) if stroke.side >= LEAST_SIDE]
    if not strokes:
        return []
    inner = [stroke for stroke in strokes if not any(stroke.edges)]
    if inner and inner[0].area > INNER * strokes[0].area:
        strokes = inner
    near = parts_near(strokes, blots)
    if len(near) > MOST_PARTS:
        raise PictureError(f"the image shows {len(near)} marks or more; send one digit", "image")
    if any(stroke.area > RIVAL * strokes[0].area for stroke in strokes if stroke not in near):
        raise PictureError(
            "the image shows several marks apart from each other; send one digit", "image"
        )
    if are_in_a_row(near):
        raise PictureError("the image shows several marks in a row; send one digit", "image")
    return near


def are_in_a_row(parts: list[Blot]) -> bool:
    """Return whether blots stand beside each other as the letters of a word or two digits do."""
    height = max(part.bottom for part in parts) - min(part.top for part in parts)
    width = max(part.right for part in parts) - min(part.left for part in parts)
    is_word = len(parts) > 1 and width > WORD * height
    tall = [part for part in parts if part.height > AS_TALL * height]
    tall.sort(key=lambda part: part.left)
    return is_word or any(one.right < other.left for one, other in pairwise(tall))


def parts_near(strokes: list[Blot], blots: list[Blot]) -> list[Blot]:
    """Return the largest stroke and what else is by the same pen, near it or near one another."""
    main = strokes[0]
    left = [stroke for stroke in strokes[1:] if stroke.thickness > SAME_PEN * main.thickness]
    left += [blot for blot in blots if is_bar(blot, main)]
    parts = [main]
    while near := [
        blot for blot in left if any(gap(part, blot) <= NEAR * main.side for part in parts)
    ]:
        parts += near
        left = [blot for blot in left if blot not in near]
    return parts


def is_bar(line: Blot, main: Blot) -> bool:
    """Return whether a line is the bar of a 5: broad, short, and all but one with the rest."""
    if line.likeness is not Likeness.LINE or line.area < SPECK * main.area:
        return False
    is_broad = line.thickness > BAR * line.side and not any(line.edges)
    is_by_same_pen = SAME_PEN < line.thickness / main.thickness < 1 / SAME_PEN
    return is_broad and is_by_same_pen and gap(main, line) <= NEAR / 2 * main.side


def strokes_among(blots: list[Blot]) -> list[Blot]:
    """Return the blots that look like strokes, the largest first, without what encloses them."""
    strokes: list[Blot] = []
    for blot in blots:
        if strokes and blot.area < SPECK * strokes[0].area:
            break
        if blot.likeness is Likeness.STROKE and not is_across(blot):
            strokes.append(blot)
    for stroke in strokes:
        tall = [blot for blot in blots if blot.height > ENCLOSED * stroke.height]
        if inside := [blot for blot in tall if stroke.encloses(blot)]:
            return strokes_among(inside)
    if strokes and strokes[0].side > LEAST_CORE * max(strokes[0].page):
        return strokes
    lined = [blot for blot in blots if blot.is_of_lines][:MOST_LINED]
    cores = [core for blot in lined for core in strokes_across(blot)]
    return sorted(cores, key=lambda core: -core.area) or strokes


def is_across(blot: Blot) -> bool:
    """Return whether it is thin lines across the page, and thicker strokes that touch them."""
    return blot.is_across_page and bool(strokes_across(blot))


def strokes_across(blot: Blot) -> list[Blot]:
    """Return the strokes, thicker than the lines of a blot, that are one with them."""
    for width in range(1, WIDEST_LINE + 1):
        if blot.likeness is Likeness.STROKE and blot.contacts[1] > 1.5 * width + 1:
            continue
        thick = blot.thicker_than(width)
        if not thick:
            break  # nor is anything thicker
        cores = [
            core
            for core in thick
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
    if part.thickness < HAIR * part.side or part.width < SLIVER * part.height:
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
