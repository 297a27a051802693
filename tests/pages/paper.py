"""What pages are drawn with: digits to write, paper, and what lies around it."""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.files import DATA_DIR_VARIABLE, data_dir
from tests.drawing import draw_digit, png_bytes

Levels = NDArray[np.float64]
Chance = np.random.Generator
Mark = Callable[[int], Levels]
"""Returns the coverage ``[height, width]`` in 0..1 of a digit whose longer side has that many
pixels; of nothing at all, that of a blank page, it is 0 everywhere."""

Kind = Callable[[Chance, Mark], bytes]
"""Returns the picture of a page as a file."""

BLACK, WHITE = 0, 255


def pen_mark(digit: int, chance: Chance) -> Mark:
    """Return a digit as a round pen draws it, a little slanted."""
    pen, slant = chance.uniform(0.06, 0.13), chance.uniform(-0.15, 0.15)

    def coverage(side: int) -> Levels:
        drawn = draw_digit(digit, 400, pen * 400, ink=WHITE, paper=BLACK)
        turned = drawn.transform(
            drawn.size, Image.Transform.AFFINE, (1, slant, -200 * slant, 0, 1, 0),
            Image.Resampling.BICUBIC,
        )  # fmt: skip
        return scaled(turned.crop(turned.getbbox()), side)

    return coverage


def mnist_mark(picture: NDArray[np.uint8]) -> Mark:
    """Return an enlarged digit of MNIST ``[28, 28]``, with edges as sharp as a pen's."""
    field = Image.fromarray(picture)

    def coverage(side: int) -> Levels:
        large = scaled(field.crop(field.getbbox()), max(side, 160))
        sharp = np.clip(4 * (large - 0.5) + 0.5, 0, 1)
        return scaled(Image.fromarray(np.rint(255 * sharp).astype(np.uint8)), side)

    return coverage


def no_mark(side: int) -> Levels:
    """Return the coverage of nothing."""
    return np.zeros((side, side))


def scaled(picture: Image.Image, side: int) -> Levels:
    """Return the levels of ``picture`` in 0..1, its longer side resized to ``side`` pixels."""
    factor = side / max(picture.size)
    width, height = (max(1, round(factor * length)) for length in picture.size)
    large = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(large, dtype=np.float64) / 255


def marks(count: int, seed: int) -> list[tuple[int, Mark]]:
    """Return digits to write, evenly of all classes: test images of MNIST where the data
    directory is given, else pen strokes."""
    chance = np.random.default_rng([seed, 1])
    if DATA_DIR_VARIABLE not in os.environ:
        return [(index % 10, pen_mark(index % 10, chance)) for index in range(count)]
    test = load_dataset("mnist", data_dir()).test
    chosen = []
    for index in range(count):
        which = chance.choice(np.flatnonzero(test.labels == index % 10))
        chosen.append((index % 10, mnist_mark(np.asarray(test.inputs[which, 0], dtype=np.uint8))))
    return chosen


def written(
    paper: Levels, chance: Chance, mark: Mark, ink: float, share: tuple[float, float] = (0.35, 0.7)
) -> Levels:
    """Return ``paper`` with the mark somewhere on it, of a ``share`` of its shorter side."""
    height, width = paper.shape
    coverage = mark(max(6, round(chance.uniform(*share) * min(paper.shape))))
    top = chance.integers(round(0.08 * height), max(1, height - coverage.shape[0]
                          - round(0.08 * height)) + round(0.08 * height) // 2 + 1)  # fmt: skip
    left = chance.integers(round(0.08 * width), max(1, width - coverage.shape[1]
                           - round(0.08 * width)) + round(0.08 * width) // 2 + 1)  # fmt: skip
    top = min(top, height - coverage.shape[0])
    left = min(left, width - coverage.shape[1])
    inked = paper.copy()
    part = inked[top : top + coverage.shape[0], left : left + coverage.shape[1]]
    part += coverage * (ink - part)
    return inked


def sheet(chance: Chance, level: float = WHITE) -> Levels:
    """Return empty paper of 200 to 500 pixels a side."""
    return np.full(tuple(chance.integers(200, 500, 2)), float(level))


def picture_of(levels: Levels) -> Image.Image:
    """Return grey levels as a picture."""
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def drawn_on(levels: Levels, draw: Callable[[ImageDraw.ImageDraw], object]) -> Levels:
    """Return ``levels`` with what ``draw`` draws."""
    picture = picture_of(levels)
    draw(ImageDraw.Draw(picture))
    return np.asarray(picture, dtype=np.float64)


def ruled(
    paper: Levels, chance: Chance, level: float, both_ways: bool, tilt: float = 0.0
) -> Levels:
    """Return ``paper`` with lines (or squares) of a level, a few degrees off if tilted."""
    period, width = chance.uniform(0.04, 0.09) * min(paper.shape), chance.uniform(1, 2)
    y, x = np.mgrid[: paper.shape[0], : paper.shape[1]]
    angle = np.deg2rad(tilt)
    lines = (y * np.cos(angle) + x * np.sin(angle)) % period < width
    if both_ways:
        lines |= (x * np.cos(angle) - y * np.sin(angle)) % period < width
    return np.where(lines, level, paper)


def grainy(levels: Levels, chance: Chance, deviation: float) -> Levels:
    """Return ``levels`` with normal noise."""
    return levels + chance.normal(0, deviation, levels.shape)


def on_desk(inner: Levels, desk: Levels, chance: Chance) -> Levels:
    """Return a desk, larger than the sheet, with the sheet somewhere on it."""
    whole = desk.copy()
    top, left = (int(chance.integers(5, a - b - 5))
                 for a, b in zip(desk.shape, inner.shape, strict=True))  # fmt: skip
    whole[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return whole


def around(inner: Levels, chance: Chance) -> tuple[int, int]:
    """Return the size of a desk that is 1.15 to 1.7 times as large as a sheet."""
    height, width = inner.shape
    return (
        round(height * chance.uniform(1.15, 1.7)) + 12,
        round(width * chance.uniform(1.15, 1.7)) + 12,
    )


def turned(levels: Levels, degrees: float, fill: float) -> Levels:
    """Return ``levels`` turned, the corners filled."""
    picture = picture_of(levels)
    return np.asarray(
        picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=int(fill)),
        dtype=np.float64,
    )


def png(levels: Levels) -> bytes:
    """Return grey levels as a PNG file."""
    return png_bytes(picture_of(levels))


def dark(chance: Chance) -> float:
    """Return the level of a dark pen."""
    return float(chance.uniform(0, 70))


def rectangle_on(levels: Levels, box: tuple[int, int, int, int], level: int, width: int) -> Levels:
    """Return ``levels`` with the outline of a rectangle: left, upper, right and lower edge."""
    return drawn_on(levels, lambda pen: pen.rectangle(box, outline=level, width=width))


def disc_on(levels: Levels, x: float, y: float, radius: float, level: int) -> Levels:
    """Return ``levels`` with a disc."""
    box = (x - radius, y - radius, x + radius, y + radius)
    return drawn_on(levels, lambda pen: pen.ellipse(box, fill=level))
