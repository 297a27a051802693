"""Drawings of one digit, brought into the form of MNIST.

MNIST was made by fitting digits into a box of 20 x 20 pixels with their aspect ratio kept, which
left grey levels from antialiasing, and placing them in a field of 28 x 28 with their centre of
mass at its centre. In the files that is pixel (14, 14), counted from 0, to half a pixel: digits
were moved by whole pixels there. Here they are placed exactly, so that the result does not jump.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits,
yann.lecun.com/exdb/mnist.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from noisevote.models.errors import PictureError
from noisevote.models.inputs.rasters import dilated, padded_with_ground, percentile

FIELD_SIDE = 28
BOX_SIDE = 20
CENTRE = 14.5
"""Where the centre of mass goes, in pixels from the edge: the middle of pixel 14."""

WORK_SIDE = 512
"""Most pixels of a side in which anything is measured; larger pictures are shrunk."""

OVERSAMPLING = 12
"""Pixels per pixel of the field at which strokes are widened."""

MIN_STROKE = 2.2
"""Least stroke width in pixels of the field. In MNIST 5 % are below 1.7 and half below 2.4."""

MIN_CONTRAST = 16
"""Least difference between ink and ground, of 255 grey levels."""

MIN_SIGNAL = 6.0
"""Least contrast in standard deviations of the ground's grain."""

FAINT = 0.1
"""Share of full ink below which a pixel is ground: ringing of JPEG, paper."""

SPECK = 0.05
"""Share of the largest blot's ink below which a blot is dirt, not part of the digit."""

GRID = 48
"""Cells of a side at which blots are told apart and an uneven ground is sampled."""

Levels = NDArray[np.float32]

TOUCHING = np.ones((3, 3), dtype=int)
"""Cells that touch at an edge or a corner belong to the same blot."""


def mnist_digit(picture: Image.Image) -> NDArray[np.float32]:
    """Turn the picture of one digit into a picture as in MNIST.

    A picture that is as in MNIST already keeps its levels, inverted if its ground is white.

    Args:
        picture: picture of mode ``L``, ``RGB`` or ``RGBA``, dark on light or light on dark.

    Returns:
        Light ink on a ground of 0, ``[1, 28, 28]`` in 0..1.

    Raises:
        PictureError: if nothing is drawn.
    """
    factor = math.ceil(max(picture.size) / WORK_SIDE)
    levels = grey_levels(picture.reduce(factor) if factor > 1 else picture)
    field = as_in_mnist(levels)
    if field is None:
        field = place(widen(crop(without_specks(find_ink(levels)))))
    return field[np.newaxis]


def grey_levels(picture: Image.Image) -> Levels:
    """Return the grey levels ``[height, width]``, 0 to 255, with what is transparent filled in.

    The fill is the ground that the opaque border shows. If the border is transparent, it is white
    under dark ink and black under light ink.
    """
    grey = picture if picture.mode == "L" else picture.convert("RGB").convert("L")
    levels = np.asarray(grey, dtype=np.float32)
    if picture.mode != "RGBA":
        return levels
    opacity = np.asarray(picture.getchannel("A"), dtype=np.float32) / np.float32(255)
    edge, is_opaque = border(levels), np.rint(border(opacity)) == 1
    if 2 * np.count_nonzero(is_opaque) > is_opaque.size:
        fill = round(percentile(edge[is_opaque], 50))
    else:
        fill = 255 if np.sum(opacity * (levels - 127.5)) < 0 else 0
    filled: Levels = fill + opacity * (levels - fill)
    return filled


def border(levels: Levels) -> Levels:
    """Return the outermost twentieth of ``[height, width]``, at least one pixel, flattened."""
    width = max(1, min(levels.shape) // 20)
    inner = levels[width:-width]
    parts = levels[:width], levels[-width:], inner[:, :width], inner[:, -width:]
    return np.concatenate([part.ravel() for part in parts])


def as_in_mnist(levels: Levels) -> Levels | None:
    """Return ``levels`` in 0..1 if they are a picture of MNIST or its negative, else None."""
    if levels.shape != (FIELD_SIDE, FIELD_SIDE):
        return None
    ground = percentile(border(levels), 50)
    if ground not in {0, 255}:
        return None
    ink = np.abs(levels - np.float32(ground))
    # In all of MNIST the peak is 254 or 255 and the longer side 19 or 20 pixels.
    if ink.max() not in {254, 255} or max(crop(ink, above=0).shape) not in {19, 20}:
        return None
    is_centred = all(abs(position - CENTRE) <= 1 for position in centre_of_mass(ink))
    return ink / np.float32(255) if is_centred else None


def find_ink(levels: Levels) -> Levels:
    """Return the ink ``[height, width]`` in 0..1 in grey levels of either polarity.

    Raises:
        PictureError: if nothing stands out from the ground.
    """
    deviation = levels - ground(levels)
    # Ink is rare and far from the ground: the third moment shows on which side it is.
    if np.sum(deviation * deviation * deviation) < 0:
        deviation = -deviation
    grain = 1.4826 * percentile(np.abs(border(deviation)), 50)
    strong = deviation[deviation > max(MIN_CONTRAST / 2, 4 * grain)]
    full = percentile(strong, 90) if strong.size else float(deviation.max())
    if full < max(MIN_CONTRAST, MIN_SIGNAL * grain):
        raise PictureError(
            f"nothing is drawn in the image: the strongest marks differ from the ground by "
            f"{full:.0f} of 255 grey levels; needed are {MIN_CONTRAST} or more, and "
            f"{MIN_SIGNAL:g} times the ground's grain ({grain:.0f})",
            field="image",
        )
    ink: Levels = np.clip(deviation / np.float32(full), 0, 1)
    ink[ink < max(FAINT, 4 * grain / full)] = 0
    return ink


def ground(levels: Levels) -> Levels:
    """Return the ground's grey level, one for all pixels or ``[height, width]`` if it is uneven.

    An uneven ground, such as paper lit from one side, is a quadratic surface fitted to the pixels
    near it, which are chosen anew after each fit so that ink drops out.
    """
    edge = border(levels)
    level = np.float32(percentile(edge, 50))
    if percentile(edge, 95) - percentile(edge, 5) < MIN_CONTRAST:
        return np.asarray(level)
    height, width = levels.shape
    step = math.ceil(max(height, width) / GRID)
    sample = levels[::step, ::step].ravel()
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).astype(np.float32)
    sample_terms = terms[::step, ::step].reshape(-1, 6)
    surface = np.full(sample.shape, level)
    for _ in range(10):
        distance = np.abs(sample - surface)
        is_near = distance <= max(MIN_CONTRAST / 2, 2.5 * percentile(distance, 50))
        near = sample_terms[is_near]
        factors = np.linalg.lstsq(near.T @ near, near.T @ sample[is_near])[0]
        surface = sample_terms @ factors
    fitted: Levels = terms @ factors
    return fitted


def without_specks(ink: Levels) -> Levels:
    """Return ``ink`` without blots that hold less than ``SPECK`` of the largest blot's ink."""
    height, width = ink.shape
    cell = math.ceil(max(height, width) / GRID)
    padded = padded_with_ground(ink, (0, -height % cell), (0, -width % cell))
    cells = padded.reshape(padded.shape[0] // cell, cell, -1, cell)
    mass = cells.sum(axis=(1, 3))
    blots, count = ndimage.label(mass, TOUCHING)
    if count == 1:
        return ink
    mass_of_blot = np.bincount(blots.ravel(), weights=mass.ravel())
    is_digit = (mass_of_blot >= SPECK * mass_of_blot.max())[blots]
    kept: Levels = ink * is_digit.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width]
    return kept


def crop(ink: Levels, above: float = FAINT) -> Levels:
    """Return the smallest rectangle of ``ink`` that holds all pixels ``above`` a level."""
    is_ink = ink > above
    rows, columns = np.flatnonzero(is_ink.any(axis=1)), np.flatnonzero(is_ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def widen(ink: Levels) -> Levels:
    """Return ``ink`` at the size of the box, oversampled, with strokes not below ``MIN_STROKE``.

    A pen of 1 pixel on a canvas of 280 would otherwise leave strokes of a tenth of a pixel.
    """
    side = BOX_SIDE * OVERSAMPLING
    factor = side / max(ink.shape)
    height, width = (max(1, round(factor * length)) for length in ink.shape)
    resampling = Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.BOX
    ink = np.asarray(Image.fromarray(ink).resize((width, height), resampling))
    # Averaging has thinned what is narrower than a pixel.
    full = np.float32(percentile(ink[ink > FAINT * ink.max()], 90))
    ink = np.clip(ink / full, 0, 1)
    steps = round((MIN_STROKE * OVERSAMPLING - stroke_width(ink)) / 2)
    if steps <= 0:
        return crop(ink)
    around = steps, steps
    canvas = np.rint(255 * padded_with_ground(ink, around, around)).astype(np.uint8)
    return crop(dilated(canvas, steps).astype(np.float32) / np.float32(255))


def stroke_width(ink: Levels) -> float:
    """Return the mean width of the strokes in pixels: twice their area over their outline.

    The outline's length is the total of the gradient's magnitude, which holds for grey edges too.
    """
    padded = padded_with_ground(ink, (1, 1), (1, 1))
    down = padded[1:, 1:] - padded[:-1, 1:]
    right = padded[1:, 1:] - padded[1:, :-1]
    slope = np.sqrt(down * down + right * right)  # np.hypot takes five times as long
    return 2 * float(ink.sum()) / float(slope.sum())


def centre_of_mass(ink: Levels) -> tuple[float, float]:
    """Return the centre of mass in pixels from the upper and the left edge."""
    rows, columns = ink.sum(axis=1), ink.sum(axis=0)
    y = float(rows @ (np.arange(rows.size) + 0.5)) / float(rows.sum())
    x = float(columns @ (np.arange(columns.size) + 0.5)) / float(columns.sum())
    return y, x


def place(ink: Levels) -> Levels:
    """Shrink ``ink`` to the box and put its centre of mass at the field's, none of it outside."""
    scale = max(ink.shape) / BOX_SIDE
    window = FIELD_SIDE * scale
    starts = [
        min(max(position - CENTRE * scale, length - window), 0)
        for position, length in zip(centre_of_mass(ink), ink.shape, strict=True)
    ]
    # Around the ink, just enough ground for the window.
    before = [math.ceil(-start) for start in starts]
    behind = [
        max(0, math.ceil(start + window) - length)
        for start, length in zip(starts, ink.shape, strict=True)
    ]
    top, left = (start + margin for start, margin in zip(starts, before, strict=True))
    field = Image.fromarray(padded_with_ground(ink, *zip(before, behind, strict=True))).resize(
        (FIELD_SIDE, FIELD_SIDE),
        Image.Resampling.BOX,
        box=(left, top, left + window, top + window),
    )
    placed: Levels = np.clip(np.asarray(field), 0, None)
    placed /= placed.max()
    return placed
