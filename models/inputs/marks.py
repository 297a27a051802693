"""The mark on a page: a digit told from frames, rulings, desks, shadows, holes and dirt.

Ink is found by ``models/inputs/inks.py`` and told apart by ``models/inputs/blots.py``;
``models/inputs/parts.py`` says which blots are the digit.
"""

from dataclasses import dataclass

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
from noisevote.models.inputs.parts import SPECK, parts_of_digit
from noisevote.models.inputs.rasters import dilated
from noisevote.models.inputs.views import inks_of

Levels = NDArray[np.float32]

ROUNDS = 3
"""Times that ink is looked for; what is no digit is taken away after each."""

MOST_SHEETS = 2
"""Sheets that lie on each other, on a desk."""

HAIR = 0.015
"""Thickness, as a share of a blot's longer side, below which it is no stroke among other things."""

SLIVER = 0.05
"""Width as a share of the height below which a blot is no 1 among other things."""

BROAD = 0.012
"""Thickness of a digit that is not at first sight the ink of the page, as a share of its side."""


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
        page: page of mode ``L``, dark on light or light on dark.
        sheets: most sheets that may lie on each other, a page of its own each.

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


def stands_out(part: Blot, is_likely: bool) -> bool:
    """Return whether a stroke among other things is more than a line.

    Where it is not at first sight the ink of the page, it must also lie within the page and be
    broader than letters and lines are there.
    """
    if part.thickness < HAIR * part.side or part.width < SLIVER * part.height:
        return False
    return is_likely or (part.thickness > BROAD * max(part.page) and not any(part.edges))


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
