"""The parts of a digit: which of the blots on a page make it up, if any do."""

from itertools import pairwise

from noisevote.models.errors import PictureError
from noisevote.models.inputs.blots import Blot, Likeness

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

LEAST_CORE = 0.08
"""Least longer side of a stroke that is cut out of a ruling, as a share of the page's."""


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


def gap(one: Blot, other: Blot) -> int:
    """Return the distance of two rectangles in pixels, along the axis on which it is larger."""
    down = max(one.top, other.top) - min(one.bottom, other.bottom)
    right = max(one.left, other.left) - min(one.right, other.right)
    return max(down, right, 0)
