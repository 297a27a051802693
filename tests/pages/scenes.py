"""Pages on desks and screens, in shadows, and on transparent ground."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.drawing import jpeg_bytes, png_bytes
from tests.pages.paper import (
    BLACK,
    WHITE,
    Chance,
    Mark,
    around,
    dark,
    drawn_on,
    grainy,
    on_desk,
    picture_of,
    png,
    sheet,
    turned,
    written,
)


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


def turned_scan_with_black_corners(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, 245), chance, mark, dark(chance))
    return png(grainy(turned(paper, chance.uniform(-12, 12), chance.uniform(0, 30)), chance, 2))


def chalk_on_a_framed_board(chance: Chance, mark: Mark) -> bytes:
    board = written(sheet(chance, chance.uniform(40, 70)), chance, mark, 225)
    board = np.pad(grainy(board, chance, 5), int(chance.integers(8, 24)), constant_values=150)
    return jpeg_bytes(picture_of(board), 80)
