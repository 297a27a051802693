"""Pictures of a page with one digit on it, brought into the form of MNIST.

The page is looked at from afar, then more closely if there is more on it than the digit; a small
digit is cut out before it is shrunk. What the form of MNIST is, ``models/inputs/digits.py`` says.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noisevote.models.errors import PictureError
from noisevote.models.inputs.channels import channel, is_full
from noisevote.models.inputs.digits import (
    BOX_SIDE,
    CENTRE,
    FIELD_SIDE,
    MIN_STROKE,
    as_in_mnist,
    centre_of_mass,
    crop,
    stroke_width,
)
from noisevote.models.inputs.marks import Levels, Mark, mark_on
from noisevote.models.inputs.rasters import dilated, padded_with_ground

FAR_SIDE = 112
"""Most pixels of a side of a page that is looked at from afar."""

CLOSE_SIDE = 384
"""Most pixels of a side of a page that is looked at closely."""

SHARP_SIDE = 40
"""Pixels of a digit's longer side below which it is cut out of the picture and looked at again."""

LEGIBLE_SIDE = 10
"""Pixels of a digit's longer side, with its blurred edges, below which it is not read."""

MARGIN = 0.2
"""Paper around a digit that is cut out, as a share of its longer side."""

OPAQUE_SHARE = 0.6
"""Share of its rectangle that is opaque in a sheet on a transparent ground; strokes leave more
free."""

ONE_LEVEL = 16
"""Difference of grey levels up to which all that is opaque is ink of one colour."""


LEAST_SCALE = 4
"""Pixels per pixel of the field below which ink is enlarged before its strokes are widened."""

IS_SOLID = [255 * (level > 250) for level in range(256)]
"""Whether a pixel of each opacity is opaque."""


def digit_on_page(picture: Image.Image) -> NDArray[np.float32]:
    """Turn the picture of a page with one digit into a picture as in MNIST.

    A picture that is as in MNIST already keeps its levels, inverted if its ground is white.

    Args:
        picture: picture of mode ``L``, ``RGB`` or ``RGBA``, dark on light or light on dark.

    Returns:
        Light ink on a ground of 0, ``[1, 28, 28]`` in 0..1.

    Raises:
        PictureError: if nothing is drawn, or the digit cannot be told from what else is there; the
            message says what was seen.
    """
    if "A" in picture.getbands():
        picture = opaque(picture)
    grey = picture.convert("L")
    if grey.size == (FIELD_SIDE, FIELD_SIDE):
        field = as_in_mnist(np.asarray(grey, dtype=np.float32))
        if field is not None:
            return field[np.newaxis]
    try:
        mark = closest_mark(grey)
    except PictureError:
        if picture.mode == "L":
            raise
        mark = closest_mark(most_varied_band(picture))
    return placed(with_broad_strokes(mark.ink))[np.newaxis]


def closest_mark(grey: Image.Image) -> Mark:
    """Return the digit on a page, as large as it is worth while."""
    mark, factor = seen_mark(grey)
    if mark.side >= SHARP_SIDE:
        return mark
    if factor == 1:
        return legible(mark)
    margin = math.ceil(MARGIN * mark.side)
    left, top, right, bottom = mark.box
    closer = grey.crop((
        factor * max(left - margin, 0),
        factor * max(top - margin, 0),
        min(factor * (right + margin), grey.width),
        min(factor * (bottom + margin), grey.height),
    ))  # fmt: skip
    try:
        return closest_mark(closer)
    except PictureError:
        if not mark.is_plain:
            raise
        return legible(mark)


def legible(mark: Mark) -> Mark:
    """Return a mark that is large enough to be read.

    Raises:
        PictureError: it is not.
    """
    if mark.side < LEGIBLE_SIDE:
        message = (
            f"the only mark in the image is {mark.side} pixels large; needed are {LEGIBLE_SIDE}"
        )
        raise PictureError(message, "image")
    return mark


def seen_mark(grey: Image.Image) -> tuple[Mark, int]:
    """Return the digit on a page, and by how much the page was shrunk to see it."""
    afar, close = (math.ceil(max(grey.size) / side) for side in (FAR_SIDE, CLOSE_SIDE))
    try:
        mark = mark_on(grey.reduce(afar) if afar > 1 else grey)
        if mark.is_plain or close == afar:
            return mark, afar
    except PictureError:
        if close == afar:
            raise
    return mark_on(grey.reduce(close) if close > 1 else grey), close


def opaque(picture: Image.Image) -> Image.Image:
    """Return what is opaque: a sheet on a transparent ground, or the opacity of ink on it."""
    opacity = channel(picture, "A")
    if is_full(opacity):
        return picture.convert("L")
    box = opacity.point(IS_SOLID).getbbox()
    if box is None:
        return opacity
    solid = opacity.point(IS_SOLID).crop(box)
    grey = picture.convert("L")
    counts = np.array(grey.crop(box).histogram(solid))
    is_of_one_level = np.ptp(np.flatnonzero(counts)) < ONE_LEVEL
    if is_of_one_level or counts.sum() < OPAQUE_SHARE * solid.width * solid.height:
        return opacity
    paper = Image.new("L", grey.size, int(np.searchsorted(counts.cumsum(), counts.sum() / 2)))
    paper.paste(grey, mask=opacity)
    return paper.crop(box)


def most_varied_band(picture: Image.Image) -> Image.Image:
    """Return the band of a coloured picture whose levels differ most."""
    levels = np.asarray(picture.reduce(4), dtype=np.float64)
    return channel(picture, picture.getbands()[int(np.argmax(levels.std(axis=(0, 1))))])


def with_broad_strokes(ink: Levels) -> Levels:
    """Return ``ink``, its strokes widened to ``MIN_STROKE`` pixels of the field.

    A pen of 1 pixel on a canvas of 280 would otherwise leave strokes of a tenth of a pixel.
    """
    ink = crop(ink)
    scale = max(ink.shape) / BOX_SIDE
    if scale < LEAST_SCALE:
        factor = LEAST_SCALE / scale
        height, width = (max(1, round(factor * length)) for length in ink.shape)
        large = Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC)
        ink, scale = np.clip(np.asarray(large), 0, 1), LEAST_SCALE
    lacking = (MIN_STROKE * scale - stroke_width(ink)) / 2
    if lacking < 0.25:
        return ink
    steps = math.ceil(lacking)
    canvas = np.rint(255 * padded_with_ground(ink, (steps, steps), (steps, steps))).astype(np.uint8)
    wide = dilated(canvas, steps).astype(np.float32)
    narrow = dilated(canvas, steps - 1) if steps > 1 else canvas
    wide += np.float32(steps - lacking) * (narrow - wide)
    return crop(wide / np.float32(255))


def placed(ink: Levels) -> Levels:
    """Shrink ``ink`` to the box and put its centre of mass at the field's, none of it outside.

    As :func:`noisevote.models.inputs.digits.place`, but each pixel is the mean of exactly what lies
    in it.
    """
    scale = max(ink.shape) / BOX_SIDE
    rows, columns = (
        overlaps(length, position - CENTRE * scale, scale)
        for length, position in zip(ink.shape, centre_of_mass(ink), strict=True)
    )
    field: Levels = (rows @ ink @ columns.T).astype(np.float32, copy=False)
    field /= field.max()
    return field


def overlaps(length: int, start: float, scale: float) -> Levels:
    """Return how much of each pixel lies in each pixel of the field ``[FIELD_SIDE, length]``.

    Args:
        length: length of the ink in pixels.
        start: start of the field, unless ink would be outside.
        scale: pixels per pixel of the field.
    """
    start = min(max(start, length - FIELD_SIDE * scale), 0)
    edges = (start + scale * np.arange(FIELD_SIDE + 1))[:, np.newaxis]
    pixels = np.arange(length)
    inside = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    shares: Levels = np.maximum(inside, 0).astype(np.float32)
    return shares
