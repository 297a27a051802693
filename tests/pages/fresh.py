"""Pages that the reading of pictures was not developed on; they are only measured."""

import numpy as np
from PIL import ImageDraw

from tests.drawing import jpeg_bytes
from tests.pages.paper import (
    Chance,
    Mark,
    around,
    dark,
    disc_on,
    drawn_on,
    grainy,
    on_desk,
    picture_of,
    png,
    ruled,
    sheet,
    written,
)


def circled(chance: Chance, mark: Mark) -> bytes:
    """A digit in a circle drawn around it."""
    side = int(chance.integers(220, 420))
    paper = np.full((side, side), 255.0)
    inset = round(0.25 * side)
    inner = paper[inset:-inset, inset:-inset]
    paper[inset:-inset, inset:-inset] = written(inner, chance, mark, dark(chance), (0.6, 0.8))
    edge = round(0.06 * side)
    box = (edge, edge, side - edge, side - edge)
    width = int(chance.integers(2, 6))
    return png(drawn_on(paper, lambda pen: pen.ellipse(box, outline=40, width=width)))


def ruled_sheet_on_a_wooden_desk(chance: Chance, mark: Mark) -> bytes:
    paper = ruled(sheet(chance, 240), chance, chance.uniform(170, 215), both_ways=False)
    paper = written(paper, chance, mark, dark(chance))
    height, width = around(paper, chance)
    y, x = np.mgrid[:height, :width]
    wood = 100 + 25 * np.sin(x / chance.uniform(2, 6) + 2 * np.sin(y / 70))
    return jpeg_bytes(picture_of(grainy(on_desk(paper, wood, chance), chance, 3)), 85)


def instant_photo(chance: Chance, mark: Mark) -> bytes:
    """A grey picture with a white border, broader below, on a dark ground."""
    inner = written(sheet(chance, chance.uniform(150, 190)), chance, mark, dark(chance) / 2)
    card = np.pad(inner, ((18, 70), (18, 18)), constant_values=250)
    desk = np.full(around(card, chance), chance.uniform(20, 60))
    return png(grainy(on_desk(card, desk, chance), chance, 2))


def letter_with_a_heading(chance: Chance, mark: Mark) -> bytes:
    paper = np.full((round(chance.uniform(380, 480)), round(chance.uniform(300, 380))), 255.0)
    paper[90:] = written(paper[90:], chance, mark, dark(chance))

    def heading(pen: ImageDraw.ImageDraw) -> None:
        pen.text((20, 20), "Please write one digit below.", fill=60)
        pen.text((20, 40), "Use a dark pen.", fill=60)

    return png(drawn_on(paper, heading))


def thumb_over_a_corner(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance, 235)
    height, width = paper.shape
    paper[: round(0.75 * height)] = written(
        paper[: round(0.75 * height)], chance, mark, dark(chance)
    )
    thumb = disc_on(paper, width * chance.uniform(0, 0.2), height, 0.2 * min(paper.shape), 140)
    return jpeg_bytes(picture_of(grainy(thumb, chance, 2)), 85)


def creased_paper(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance, 240)
    at = round(chance.uniform(0.3, 0.7) * paper.shape[0])
    paper[at:] -= 14
    paper[at - 1 : at + 1] = 200
    return png(grainy(written(paper, chance, mark, dark(chance)), chance, 2))


def fax(chance: Chance, mark: Mark) -> bytes:
    """Black and white, with single pixels flipped."""
    paper = written(sheet(chance), chance, mark, 0)
    flipped = chance.random(paper.shape) < 0.01
    return png(np.where(flipped, 255.0 - paper, np.where(paper > 127, 255.0, 0.0)))


def reflection_on_a_whiteboard(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, 205), chance, mark, dark(chance))
    height, width = paper.shape
    y, x = np.mgrid[:height, :width]
    distance = (y - height * chance.random()) ** 2 + (x - width * chance.random()) ** 2
    glare = 60 * np.exp(-distance / (0.2 * min(paper.shape)) ** 2)
    return jpeg_bytes(picture_of(grainy(paper + glare, chance, 2)), 85)


def sheet_on_a_light_table(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance, 250), chance, mark, dark(chance))
    table = np.full(around(paper, chance), chance.uniform(170, 205))
    return png(grainy(on_desk(paper, table, chance), chance, 2))


def postage_stamp(chance: Chance, mark: Mark) -> bytes:
    """A card with a perforated edge on a dark ground."""
    card = written(np.full((260, 220), 240.0), chance, mark, dark(chance))
    ground = chance.uniform(20, 90)
    card = np.pad(card, 10, constant_values=240)
    for y in range(0, card.shape[0], 14):
        card = disc_on(disc_on(card, 0, y, 5, int(ground)), card.shape[1], y, 5, int(ground))
    return png(np.pad(card, 25, constant_values=int(ground)))
