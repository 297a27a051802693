"""What may be the ink of a page: in which order its grounds are tried."""

from collections.abc import Iterator
from enum import Enum

from PIL import Image

from noisevote.models.inputs.inks import (
    Ink,
    above_uneven_ground,
    above_what_differs,
    on_other_side_of_ground,
)

SHADOW = 0.1
"""Share of the page from which on what lies along its edge may be a shadow."""

BROADEST_LINE = 6
"""Most pixels of the width of a line; what is broader along an edge is the corner of a desk."""


class View(Enum):
    """What ink may differ from: one level, to either side; what is around it; other ink."""

    EVEN = 1
    OTHER_SIDE = 2
    UNEVEN = 3
    REVERSED = 4


INK_ABOVE = {
    View.OTHER_SIDE: on_other_side_of_ground,
    View.UNEVEN: above_uneven_ground,
    View.REVERSED: above_what_differs,
}


def views_of(even: Ink) -> tuple[View, ...]:
    """Return what to take for the ground, the likeliest first, by what an even ground shows."""
    if not even.is_even:
        return View.UNEVEN, View.REVERSED
    if even.blots and even.blots[0].is_skew_sheet:
        return (View.REVERSED,)
    if even.blots and any(even.blots[0].edges) and not even.blots[0].is_all_around:
        return views_with_a_shadow(even)
    return View.EVEN, View.OTHER_SIDE, View.REVERSED


def views_with_a_shadow(even: Ink) -> tuple[View, ...]:
    """Return the same where the largest blot runs off the page: it may be a shadow."""
    largest, *others = even.blots
    if any(other.is_around and min(other.pixels.shape) > BROADEST_LINE for other in others):
        return View.REVERSED, View.EVEN
    if largest.is_cut_tightly or largest.area < SHADOW * even.levels.size:
        return View.EVEN, View.UNEVEN, View.REVERSED
    return View.UNEVEN, View.EVEN, View.REVERSED


def inks_of(page: Image.Image, even: Ink) -> Iterator[Ink]:
    """Yield what may be the ink of a page, the likeliest first.

    Args:
        page: page of mode ``L``.
        even: its ink above an even ground.
    """
    for view in views_of(even):
        yield even if view is View.EVEN else INK_ABOVE[view](page)
