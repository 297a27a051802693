"""Pages with one digit on them, of many kinds, drawn by code; each kind can be blank, too.

``SEEN`` are the kinds that the reading of pictures was developed on, ``HELD_OUT`` those that were
only measured. All sizes, places, levels and tilts are drawn from the generator.
"""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from models.data_files import DATA_DIR_VARIABLE
from models.datasets import data_dir, load_dataset
from tests.drawing import draw_digit, jpeg_bytes, png_bytes

Levels = NDArray[np.float64]
Chance = np.random.Generator
Mark = Callable[[int], Levels]
"""Returns the coverage ``[height, width]`` in 0..1 of a digit whose longer side has that many
pixels; of nothing at all, that of a blank page, it is 0 everywhere."""

Kind = Callable[[Chance, Mark], bytes]

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
    directory is given, else pen strokes."""  # noqa: D205, D209
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


def plain(chance: Chance, mark: Mark) -> bytes:
    return png(written(sheet(chance), chance, mark, dark(chance)))


def frame_at_the_edge(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance), chance, mark, dark(chance))
    width = int(chance.integers(1, 8))
    return png(drawn_on(paper, lambda pen: pen.rectangle(
        (0, 0, paper.shape[1] - 1, paper.shape[0] - 1), outline=int(dark(chance)), width=width)))  # fmt: skip


def boxed(chance: Chance, mark: Mark, inset: tuple[float, float] = (0.05, 0.2)) -> Levels:
    """Return a sheet with a mark in a straight box."""
    paper = sheet(chance)
    height, width = paper.shape
    down, right = (round(chance.uniform(*inset) * side) for side in (height, width))
    inner = written(paper[down : height - down, right : width - right], chance, mark, dark(chance))
    paper[down : height - down, right : width - right] = inner
    stroke = int(chance.integers(1, 7))
    return drawn_on(paper, lambda pen: pen.rectangle(
        (right - stroke, down - stroke, width - right + stroke, height - down + stroke),
        outline=int(dark(chance)), width=stroke))  # fmt: skip


def drawn_box(chance: Chance, mark: Mark) -> bytes:
    return png(boxed(chance, mark, (0.08, 0.25)))


def double_frame(chance: Chance, mark: Mark) -> bytes:
    paper = boxed(chance, mark, (0.1, 0.2))
    height, width = paper.shape
    return png(drawn_on(paper, lambda pen: pen.rectangle(
        (4, 4, width - 5, height - 5), outline=int(dark(chance)), width=3)))  # fmt: skip


def box_drawn_by_hand(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance)
    height, width = paper.shape
    inner = paper[height // 5 : -height // 5, width // 5 : -width // 5]
    paper[height // 5 : -height // 5, width // 5 : -width // 5] = written(
        inner, chance, mark, dark(chance)
    )
    corners = [(0.12, 0.12), (0.88, 0.12), (0.88, 0.88), (0.12, 0.88), (0.12, 0.12)]
    path = []
    for (x0, y0), (x1, y1) in zip(corners, corners[1:], strict=False):
        bend = chance.uniform(-0.025, 0.025, 2)
        for t in np.linspace(0, 1, 12):
            sway = 4 * t * (1 - t)
            path.append(((x0 + t * (x1 - x0) + sway * bend[0]) * width,
                         (y0 + t * (y1 - y0) + sway * bend[1]) * height))  # fmt: skip
    stroke = int(chance.integers(2, 6))
    return png(drawn_on(paper, lambda pen: pen.line(path, fill=30, width=stroke)))


def ruled_paper(chance: Chance, mark: Mark) -> bytes:
    paper = ruled(sheet(chance), chance, chance.uniform(140, 225), both_ways=False)
    return png(written(paper, chance, mark, dark(chance)))


def squared_paper(chance: Chance, mark: Mark) -> bytes:
    paper = ruled(sheet(chance), chance, chance.uniform(140, 225), both_ways=True)
    return png(written(paper, chance, mark, dark(chance)))


def squares_as_dark_as_the_pen(chance: Chance, mark: Mark) -> bytes:
    ink = dark(chance)
    return png(written(ruled(sheet(chance), chance, ink, both_ways=True), chance, mark, ink))


def ruled_paper_with_a_margin(chance: Chance, mark: Mark) -> bytes:
    paper = ruled(sheet(chance), chance, chance.uniform(60, 160), both_ways=False)
    at = round(paper.shape[1] * chance.uniform(0.08, 0.2))
    paper[:, at : at + 2] = 100
    right = paper[:, at + 4 :]
    paper[:, at + 4 :] = written(right, chance, mark, dark(chance))
    return png(paper)


def squared_paper_turned(chance: Chance, mark: Mark) -> bytes:
    tilt = chance.uniform(-6, 6)
    paper = ruled(sheet(chance), chance, chance.uniform(120, 210), both_ways=True, tilt=tilt)
    return png(written(paper, chance, mark, dark(chance)))


def dotted_paper(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance)
    step = int(chance.integers(14, 28))
    for dy in (0, 1):
        for dx in (0, 1):
            paper[step // 2 + dy :: step, step // 2 + dx :: step] = 110
    return png(written(paper, chance, mark, dark(chance)))


def dark_desk(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, chance.uniform(225, 255)), chance, mark, dark(chance))
    desk = np.full(around(paper, chance), chance.uniform(30, 130))
    return png(on_desk(paper, desk, chance))


def wooden_desk(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, chance.uniform(225, 250)), chance, mark, dark(chance))
    height, width = around(paper, chance)
    y, x = np.mgrid[:height, :width]
    wood = 110 + 25 * np.sin(y / chance.uniform(2, 6) + 3 * np.sin(x / 90))
    return jpeg_bytes(picture_of(grainy(on_desk(paper, wood, chance), chance, 3)), 85)


def turned_sheet_on_a_desk(chance: Chance, mark: Mark) -> bytes:
    level = chance.uniform(40, 140)
    paper = written(sheet(chance, chance.uniform(225, 255)), chance, mark, dark(chance))
    whole = turned(np.pad(paper, 8, constant_values=level), chance.uniform(-15, 15), level)
    return png(grainy(whole, chance, 2))


def sticky_note(chance: Chance, mark: Mark) -> bytes:
    note = np.full((chance.integers(150, 260),) * 2, 0.0)
    coverage = written(note, chance, mark, 1.0)[..., np.newaxis]
    yellow, pen, desk = (np.array(colour) for colour in ((250, 228, 110), (25, 30, 90), (240,) * 3))
    inner = yellow + coverage * (pen - yellow)
    whole = np.tile(desk.astype(float), (*around(note, chance), 1))
    top, left = (int(chance.integers(5, a - b - 5))
                 for a, b in zip(whole.shape[:2], note.shape, strict=True))  # fmt: skip
    whole[top : top + note.shape[0], left : left + note.shape[1]] = inner
    return png_bytes(Image.fromarray(whole.astype(np.uint8)))


def soft_shadow(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, chance.uniform(215, 250)), chance, mark, dark(chance))
    y, x = np.mgrid[: paper.shape[0], : paper.shape[1]]
    across = (x * chance.uniform(-1, 1) + y * chance.uniform(-1, 1)) / max(paper.shape)
    edge = 1 / (1 + np.exp(-(across - np.median(across)) / 0.06))
    return png(grainy(paper * (1 - chance.uniform(0.25, 0.5) * edge), chance, 1.5))


def hard_shadow(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, chance.uniform(215, 250)), chance, mark, dark(chance))
    y, x = np.mgrid[: paper.shape[0], : paper.shape[1]]
    across = x * chance.uniform(0.3, 1) + y * chance.uniform(-1, 1)
    share = np.quantile(across, chance.uniform(0.2, 0.8))
    edge = 1 / (1 + np.exp(-(across - share) / 1.5))
    return png(grainy(paper * (1 - chance.uniform(0.2, 0.45) * edge), chance, 1.5))


def vignette(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, chance.uniform(220, 250)), chance, mark, dark(chance))
    y, x = (np.linspace(-1, 1, side) for side in paper.shape)
    fall = y[:, np.newaxis] ** 2 + x**2
    photo = paper * (1 - chance.uniform(0.15, 0.3) * fall)
    return jpeg_bytes(picture_of(grainy(photo, chance, 3)), 80)


def photo_under_a_lamp(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, 200), chance, mark, dark(chance))
    down, right = (np.linspace(-1, 1, side) for side in paper.shape)
    light = chance.uniform(-50, 50) * down[:, np.newaxis] + chance.uniform(-40, 40) * right
    return jpeg_bytes(picture_of(grainy(paper + light, chance, chance.uniform(2, 6))), 75)


def punched_holes(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance)
    height, width = paper.shape
    left = round(0.18 * width)
    paper[:, left:] = written(paper[:, left:], chance, mark, dark(chance))
    radius, level = chance.uniform(0.025, 0.05) * height, int(chance.uniform(0, 90))
    for y in (0.25 * height, 0.75 * height):
        paper = drawn_on(paper, lambda pen, y=y: pen.ellipse(
            (left / 2 - radius, y - radius, left / 2 + radius, y + radius), fill=level))  # fmt: skip
    return png(paper)


def spiral_holes(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance)
    height, width = paper.shape
    top = round(0.12 * height)
    paper[top:] = written(paper[top:], chance, mark, dark(chance))
    radius, step = chance.uniform(3, 6), int(chance.integers(18, 30))
    for x in range(step // 2, width, step):
        paper = drawn_on(paper, lambda pen, x=x: pen.ellipse(
            (x - radius, top / 2 - radius, x + radius, top / 2 + radius), fill=40))  # fmt: skip
    return png(paper)


def screenshot(chance: Chance, mark: Mark) -> bytes:
    canvas = written(sheet(chance), chance, mark, dark(chance))
    height, width = canvas.shape
    window = np.full((height + 70, width + 60), 236.0)
    window[40 : 40 + height, 30 : 30 + width] = canvas

    def furniture(pen: ImageDraw.ImageDraw) -> None:
        pen.rectangle((0, 0, width + 60, 24), fill=int(chance.integers(40, 120)))
        pen.text((10, 6), "Draw a digit", fill=255)
        pen.rectangle((29, 39, 30 + width, 40 + height), outline=150)
        pen.rounded_rectangle((30, height + 46, 110, height + 64), 4, fill=90)
        pen.text((44, height + 49), "Clear", fill=255)

    return png(drawn_on(window, furniture))


def dark_screenshot_of_a_phone(chance: Chance, mark: Mark) -> bytes:
    side = int(chance.integers(240, 360))
    canvas = written(np.full((side, side), 30.0), chance, mark, 240)
    screen = np.full((round(1.9 * side), side + 40), 12.0)
    top = round(0.35 * side)
    screen[top : top + side, 20 : 20 + side] = canvas

    def furniture(pen: ImageDraw.ImageDraw) -> None:
        pen.text((12, 6), "9:41", fill=230)
        pen.rectangle((side, 8, side + 24, 16), outline=230)
        pen.text((20, top - 30), "What digit is it?", fill=210)
        pen.rounded_rectangle((20, top + side + 20, 150, top + side + 52), 8, fill=110)
        pen.text((50, top + side + 30), "Recognise", fill=255)

    return png(drawn_on(screen, furniture))


def ink_on_transparency(chance: Chance, mark: Mark) -> bytes:
    coverage = picture_of(written(sheet(chance, 0), chance, mark, 255))
    colour = tuple(int(level) for level in chance.integers(0, 256, 3))
    ink = Image.new("RGB", coverage.size, colour)
    ink.putalpha(coverage)
    return png_bytes(ink)


def on_transparency(paper: Image.Image, opacity: Image.Image, chance: Chance) -> bytes:
    """Return a card on a transparent ground whose hidden colour is black or white."""
    hidden = int(chance.choice([BLACK, WHITE]))
    size = (
        paper.width + 2 * int(chance.integers(5, 80)),
        paper.height + int(chance.integers(10, 99)),
    )
    whole = Image.new("RGBA", size, (hidden, hidden, hidden, 0))
    card = paper.convert("RGBA")
    card.putalpha(opacity)
    whole.paste(card, ((size[0] - paper.width) // 2, (size[1] - paper.height) // 2))
    return png_bytes(whole)


def white_card_on_transparency(chance: Chance, mark: Mark) -> bytes:
    paper = picture_of(written(sheet(chance), chance, mark, dark(chance)))
    return on_transparency(paper, Image.new("L", paper.size, 255), chance)


def round_card_with_a_shadow_on_transparency(chance: Chance, mark: Mark) -> bytes:
    paper = picture_of(written(sheet(chance, 250), chance, mark, dark(chance)))
    mask = Image.new("L", (paper.width + 24, paper.height + 24))
    box = (12, 12, paper.width + 11, paper.height + 11)
    ImageDraw.Draw(mask).rounded_rectangle(box, 30, fill=255)
    shade = mask.filter(ImageFilter.GaussianBlur(6)).point(lambda level: level // 3)
    opacity = Image.fromarray(np.maximum(np.asarray(mask), np.asarray(shade)))
    card = Image.new("L", mask.size)
    card.paste(paper, (12, 12))
    return on_transparency(Image.composite(card, Image.new("L", mask.size), mask), opacity, chance)


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
    return png(drawn_on(paper, lambda pen: pen.rectangle(
        (20, 20, width - 21, height - 21), outline=40, width=6)))  # fmt: skip


def turned_scan_with_black_corners(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, 245), chance, mark, dark(chance))
    return png(grainy(turned(paper, chance.uniform(-12, 12), chance.uniform(0, 30)), chance, 2))


def strong_jpeg(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance), chance, mark, dark(chance))
    return jpeg_bytes(picture_of(paper), int(chance.integers(5, 15)))


def inverted(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance, chance.uniform(0, 60))
    return png(written(paper, chance, mark, chance.uniform(190, 255)))


def chalk_on_a_framed_board(chance: Chance, mark: Mark) -> bytes:
    board = written(sheet(chance, chance.uniform(40, 70)), chance, mark, 225)
    board = np.pad(grainy(board, chance, 5), int(chance.integers(8, 24)), constant_values=150)
    return jpeg_bytes(picture_of(board), 80)


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


def form_with_a_row_of_boxes(chance: Chance, mark: Mark) -> bytes:
    cell = int(chance.integers(60, 110))
    paper = np.full((3 * cell, 6 * cell), 255.0)
    for column in range(5):
        left = cell // 2 + column * cell
        paper = drawn_on(paper, lambda pen, left=left: pen.rectangle(
            (left, cell, left + cell, 2 * cell), outline=60, width=2))  # fmt: skip
    left = cell // 2 + cell * int(chance.integers(5))
    inside = paper[cell + 4 : 2 * cell - 4, left + 4 : left + cell - 4]
    paper[cell + 4 : 2 * cell - 4, left + 4 : left + cell - 4] = written(
        inside, chance, mark, dark(chance), (0.6, 0.8)
    )
    return png(paper)


SEEN: tuple[Kind, ...] = (
    plain, frame_at_the_edge, drawn_box, ruled_paper, squared_paper, squares_as_dark_as_the_pen,
    dark_desk, soft_shadow, punched_holes, screenshot, ink_on_transparency,
    white_card_on_transparency, tight_crop, tiny_digit, photo_under_a_lamp, inverted, coloured_pen,
)  # fmt: skip
HELD_OUT: tuple[Kind, ...] = (
    double_frame, box_drawn_by_hand, ruled_paper_with_a_margin, squared_paper_turned, dotted_paper,
    wooden_desk, turned_sheet_on_a_desk, sticky_note, hard_shadow, vignette, spiral_holes,
    dark_screenshot_of_a_phone, round_card_with_a_shadow_on_transparency, light_tight_crop,
    tiny_digit_in_a_frame, turned_scan_with_black_corners, strong_jpeg, chalk_on_a_framed_board,
    pen_as_light_as_the_paper, felt_pen, hard_pencil, paper_with_grain, form_with_a_row_of_boxes,
)  # fmt: skip


def name_of(kind: Kind) -> str:
    """Return the name of a kind in words."""
    return getattr(kind, "__name__", "page").replace("_", " ")
