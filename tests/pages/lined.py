"""Pages with frames, boxes, rulings and holes."""

import itertools

import numpy as np

from tests.pages.paper import (
    Chance,
    Levels,
    Mark,
    dark,
    disc_on,
    drawn_on,
    png,
    rectangle_on,
    ruled,
    sheet,
    written,
)


def frame_at_the_edge(chance: Chance, mark: Mark) -> bytes:
    paper = written(sheet(chance), chance, mark, dark(chance))
    width = int(chance.integers(1, 8))
    box = (0, 0, paper.shape[1] - 1, paper.shape[0] - 1)
    return png(rectangle_on(paper, box, int(dark(chance)), width))


def boxed(chance: Chance, mark: Mark, inset: tuple[float, float] = (0.05, 0.2)) -> Levels:
    """Return a sheet with a mark in a straight box."""
    paper = sheet(chance)
    height, width = paper.shape
    down, right = (round(chance.uniform(*inset) * side) for side in (height, width))
    inner = written(paper[down : height - down, right : width - right], chance, mark, dark(chance))
    paper[down : height - down, right : width - right] = inner
    stroke = int(chance.integers(1, 7))
    box = (right - stroke, down - stroke, width - right + stroke, height - down + stroke)
    return rectangle_on(paper, box, int(dark(chance)), stroke)


def drawn_box(chance: Chance, mark: Mark) -> bytes:
    return png(boxed(chance, mark, (0.08, 0.25)))


def double_frame(chance: Chance, mark: Mark) -> bytes:
    paper = boxed(chance, mark, (0.1, 0.2))
    height, width = paper.shape
    return png(rectangle_on(paper, (4, 4, width - 5, height - 5), int(dark(chance)), 3))


def box_drawn_by_hand(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance)
    height, width = paper.shape
    inner = paper[height // 5 : -height // 5, width // 5 : -width // 5]
    paper[height // 5 : -height // 5, width // 5 : -width // 5] = written(
        inner, chance, mark, dark(chance)
    )
    corners = [(0.12, 0.12), (0.88, 0.12), (0.88, 0.88), (0.12, 0.88), (0.12, 0.12)]
    path = []
    for (x0, y0), (x1, y1) in itertools.pairwise(corners):
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


def form_with_a_row_of_boxes(chance: Chance, mark: Mark) -> bytes:
    cell = int(chance.integers(60, 110))
    paper = np.full((3 * cell, 6 * cell), 255.0)
    for column in range(5):
        left = cell // 2 + column * cell
        paper = rectangle_on(paper, (left, cell, left + cell, 2 * cell), 60, 2)
    left = cell // 2 + cell * int(chance.integers(5))
    inside = paper[cell + 4 : 2 * cell - 4, left + 4 : left + cell - 4]
    paper[cell + 4 : 2 * cell - 4, left + 4 : left + cell - 4] = written(
        inside, chance, mark, dark(chance), (0.6, 0.8)
    )
    return png(paper)


def punched_holes(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance)
    height, width = paper.shape
    left = round(0.18 * width)
    paper[:, left:] = written(paper[:, left:], chance, mark, dark(chance))
    radius, level = chance.uniform(0.025, 0.05) * height, int(chance.uniform(0, 90))
    for y in (0.25 * height, 0.75 * height):
        paper = disc_on(paper, left / 2, y, radius, level)
    return png(paper)


def spiral_holes(chance: Chance, mark: Mark) -> bytes:
    paper = sheet(chance)
    height, width = paper.shape
    top = round(0.12 * height)
    paper[top:] = written(paper[top:], chance, mark, dark(chance))
    radius, step = chance.uniform(3, 6), int(chance.integers(18, 30))
    for x in range(step // 2, width, step):
        paper = disc_on(paper, x, top / 2, radius, 40)
    return png(paper)
