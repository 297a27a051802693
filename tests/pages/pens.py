"""Pages with nothing but a digit, by all kinds of pens, sizes and files."""

import numpy as np
from PIL import Image, ImageFilter

from tests.drawing import jpeg_bytes, png_bytes
from tests.pages.paper import (
    Chance,
    Levels,
    Mark,
    dark,
    grainy,
    picture_of,
    png,
    rectangle_on,
    sheet,
    written,
)


def plain(chance: Chance, mark: Mark) -> bytes:
    return png(written(sheet(chance), chance, mark, dark(chance)))


def tight_crop(chance: Chance, mark: Mark) -> bytes:
    coverage = mark(int(chance.integers(60, 300)))
    return png(255 - coverage * (255 - dark(chance)))


def light_tight_crop(chance: Chance, mark: Mark) -> bytes:
    coverage = mark(int(chance.integers(40, 200)))
    margin = int(chance.integers(0, 3))
    return png(np.pad(20 + coverage * 220, margin, constant_values=20))


def tiny_digit(chance: Chance, mark: Mark) -> bytes:
    paper = np.full(tuple(chance.integers(1200, 2200, 2)), 255.0)
    return png(written(paper, chance, mark, dark(chance), (0.02, 0.06)))


def tiny_digit_in_a_frame(chance: Chance, mark: Mark) -> bytes:
    paper = np.full(tuple(chance.integers(900, 1600, 2)), 250.0)
    paper = written(paper, chance, mark, dark(chance), (0.03, 0.08))
    height, width = paper.shape
    return png(rectangle_on(paper, (20, 20, width - 21, height - 21), 40, 6))


def strong_jpeg(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance), chance, mark, dark(chance))
    return jpeg_bytes(picture_of(paper), int(chance.integers(5, 15)))


def inverted(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance, chance.uniform(0, 60))
    return png(written(paper, chance, mark, chance.uniform(190, 255)))


def coloured(chance: Chance, mark: Mark, paper: tuple[int, ...], pen: tuple[int, ...]) -> bytes:
    """Return a mark of one colour on paper of another."""
    coverage = written(sheet(chance, 0), chance, mark, 1.0)[..., np.newaxis]
    levels = np.array(paper) + coverage * (np.array(pen) - np.array(paper))
    return png_bytes(Image.fromarray(np.rint(levels).astype(np.uint8)))


PENS = ((200, 20, 30), (20, 40, 190), (10, 140, 60), (240, 120, 10), (120, 20, 150))


def coloured_pen(chance: Chance, mark: Mark) -> bytes:
    return coloured(chance, mark, (252, 250, 244), PENS[int(chance.integers(len(PENS)))])


def pen_as_light_as_the_paper(chance: Chance, mark: Mark) -> bytes:
    return coloured(chance, mark, (110, 190, 110), (250, 122, 60))


def felt_pen(chance: Chance, mark: Mark) -> bytes:
    def thick(side: int) -> Levels:
        grown = picture_of(255 * np.pad(mark(side), side // 16))
        wide = grown.filter(ImageFilter.MaxFilter(2 * (side // 32) + 1))
        return np.asarray(wide, dtype=np.float64) / 255

    return png(written(sheet(chance), chance, thick, dark(chance), (0.3, 0.6)))


def hard_pencil(chance: Chance, mark: Mark) -> bytes:
    def thin(side: int) -> Levels:
        cut = picture_of(255 * np.pad(mark(side), 2))
        narrow = cut.filter(ImageFilter.MinFilter(2 * (side // 50) + 1))
        return np.asarray(narrow, dtype=np.float64) / 255

    return png(written(sheet(chance, 245), chance, thin, chance.uniform(90, 150)))


def paper_with_grain(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance, 190)
    rough = picture_of(grainy(paper, chance, 30)).filter(ImageFilter.GaussianBlur(2))
    levels = np.asarray(rough, dtype=np.float64)
    return png(written(levels, chance, mark, dark(chance)))
