"""A digit is told from the page around it, or the picture is refused with what was seen."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rich.console import Console

from models.checkpoint import SHIPPED, CheckpointStore
from models.digits import mnist_digit
from models.errors import PictureError
from models.noise import NoiseKind
from models.pages import digit_on_page
from models.pictures import preprocess
from models.robustness.target import CheckpointTarget, Conditions
from models.statistics import clopper_pearson, top_two_p_value
from models.stopping import StopRule
from tests.drawing import SAME_DIGIT, difference, draw_digit, png_bytes
from tests.pages import FRESH, SEEN, fresh, name_of, pens
from tests.pages.paper import Kind, Mark, marks, no_mark, pen_mark

ALL = SEEN + FRESH
BLANK = tuple(kind for kind in ALL if kind is not fresh.circled)
"""Kinds that hold no digit when they are blank; a circle is a 0."""

DIGITS = 40
BLANKS = 10
SEED = 5
console = Console(width=200)


def seven() -> Image.Image:
    """Return a 7 in the middle of a sheet."""
    paper = Image.new("L", (300, 400), 255)
    ImageDraw.Draw(paper).line([(105, 120), (195, 120), (145, 285)], fill=0, width=14)
    return paper


def squared(level: int) -> Image.Image:
    """Return a blank sheet with squares of 15 pixels."""
    paper = Image.new("L", (300, 400), 255)
    pen = ImageDraw.Draw(paper)
    for at in range(0, 400, 15):
        pen.line((0, at, 299, at), fill=level)
        pen.line((at, 0, at, 399), fill=level)
    return paper


def read(kind: Kind, mark: Mark, *seed: int) -> NDArray[np.float32] | None:
    """Return what a page of a kind becomes, None if it is refused."""
    try:
        return preprocess("mnist_digit-2", kind(np.random.default_rng(seed), mark))
    except PictureError:
        return None


def framed(inset: int, width: int) -> Image.Image:
    paper = seven()
    box = (inset, inset, 299 - inset, 399 - inset)
    ImageDraw.Draw(paper).rectangle(box, outline=0, width=width)
    return paper


def on_a_desk() -> Image.Image:
    desk = Image.new("L", (400, 500), 60)
    desk.paste(seven(), (50, 50))
    return desk


def on_squares() -> Image.Image:
    sheet = squared(200)
    sheet.paste(0, mask=seven().point(lambda level: 255 - level))
    return sheet


def on_transparency() -> Image.Image:
    ground = Image.new("RGBA", (400, 500), (0, 0, 0, 0))
    ground.paste(seven().convert("RGBA"), (50, 50))
    return ground


@pytest.mark.parametrize(
    "page",
    [framed(0, 2), framed(60, 3), on_a_desk(), on_squares(), on_transparency()],
    ids=["frame at the edge", "drawn box", "desk", "squares", "card on transparency"],
)
def test_what_is_around_a_digit_changes_it_little(page: Image.Image) -> None:
    assert difference(digit_on_page(page), digit_on_page(seven())) < SAME_DIGIT


@pytest.mark.parametrize("level", [200, 120, 0])
def test_a_blank_squared_page_is_refused_with_what_was_seen(level: int) -> None:
    with pytest.raises(PictureError, match=r"lines|squared paper|frame") as refused:
        digit_on_page(squared(level))
    assert refused.value.field == "image"


def test_blank_pages_are_refused() -> None:
    pages = [(kind, read(kind, no_mark, SEED, index)) for kind in BLANK for index in range(3)]
    answered = [name_of(kind) for kind, page in pages if page is not None]
    # A box that is drawn by hand may be a 0.
    assert answered in ([], ["box drawn by hand"])


def test_a_digit_is_the_same_on_pages_of_nearly_all_kinds() -> None:
    chance = np.random.default_rng(SEED)
    digits = [(digit, pen_mark(digit, chance)) for digit in (2, 7)]
    kept = []
    for kind in ALL:
        for digit, mark in digits:
            plain, page = read(pens.plain, mark, SEED), read(kind, mark, SEED, digit)
            assert plain is not None
            kept.append(page is not None and difference(page, plain) < 0.4)
    assert np.mean(kept) > 0.85


def test_what_is_read_on_a_plain_page_is_what_the_version_before_read() -> None:
    for side, stroke in ((28, 3), (60, 6), (280, 3), (280, 24), (1000, 60)):
        for digit in range(10):
            drawn = draw_digit(digit, side, stroke)
            assert difference(digit_on_page(drawn), mnist_digit(drawn)) < SAME_DIGIT


def test_a_tight_crop_is_read_though_it_touches_all_edges() -> None:
    for digit in (0, 3, 5, 8):
        drawn = draw_digit(digit, 200, 30)
        tight = drawn.crop(drawn.point(lambda level: 255 - level).getbbox())
        assert difference(digit_on_page(tight), digit_on_page(drawn)) < SAME_DIGIT


def test_a_tiny_digit_is_cut_out_before_it_is_shrunk() -> None:
    page = Image.new("L", (2000, 2400), 255)
    drawn = draw_digit(5, 80, 7)
    page.paste(drawn, (1400, 300))
    assert difference(digit_on_page(page), digit_on_page(drawn)) < SAME_DIGIT


def test_two_digits_are_refused() -> None:
    page = Image.new("L", (600, 280), 255)
    page.paste(draw_digit(4), (0, 0))
    page.paste(draw_digit(2), (320, 0))
    with pytest.raises(PictureError, match="several marks apart"):
        digit_on_page(page)


@pytest.mark.parametrize("seed", range(5))
def test_a_refusal_never_names_an_impossible_level(seed: int) -> None:
    chance = np.random.default_rng(seed)
    noise = chance.integers(0, 256, (300, 300)).astype(np.uint8)
    with pytest.raises(PictureError) as refused:
        digit_on_page(Image.fromarray(noise))
    numbers = [int(word) for word in str(refused.value).split() if word.isdigit()]
    assert all(number <= 255 for number in numbers)


def test_a_card_that_names_the_version_before_gets_it() -> None:
    data = png_bytes(framed(60, 3))
    one, two = (preprocess(name, data) for name in ("mnist_digit-1", "mnist_digit-2"))
    np.testing.assert_array_equal(one, mnist_digit(framed(60, 3)))
    assert difference(one, two) > SAME_DIGIT


@pytest.mark.slow
def test_digits_on_pages_of_all_kinds_are_read() -> None:
    """Prints one row a kind; digits are of MNIST where its directory is given, else pen strokes."""
    store = CheckpointStore(SHIPPED)
    voted, clean = (
        CheckpointTarget(store.find(name), NoiseKind.MULTIPLICATIVE, SEED)
        for name in ("mnist_cnn-mult-1.0", "mnist_cnn-clean")
    )
    total = np.zeros(7, dtype=int)
    for group, kinds in (("developed on", SEEN), ("fresh", FRESH)):
        subtotal = sum((measured(kind, voted, clean) for kind in kinds), np.zeros(7, dtype=int))
        console.print(row(group, subtotal))
        total += subtotal
    console.print(row("all", total))
    count, right, _, _, sure, wrong, blanks = total
    assert right > 0.85 * count
    assert wrong < 0.03 * sure
    assert blanks < 0.01 * BLANKS * len(ALL)


def measured(kind: Kind, voted: CheckpointTarget, clean: CheckpointTarget) -> NDArray[np.int64]:
    """Return what :func:`row` prints, and print it for this kind."""
    counts = np.zeros(7, dtype=int)
    for index, (digit, mark) in enumerate(marks(DIGITS, SEED)):
        field = read(kind, mark, SEED, index)
        counts[0] += 1
        if field is None:
            counts[3] += 1
            continue
        votes = voted.vote_counts(field[np.newaxis], Conditions(1.0, 20), StopRule.FULL)[0]
        one = clean.vote_counts(field[np.newaxis], Conditions(0.0, 1), StopRule.FULL)[0]
        is_right, is_sure = votes.argmax() == digit, top_two_p_value(votes) <= 0.05
        counts[1:3] += is_right, one.argmax() == digit
        counts[4:6] += is_sure, is_sure and not is_right
    if kind in BLANK:
        pages = [read(kind, no_mark, SEED, DIGITS + index) for index in range(BLANKS)]
        counts[6] = sum(page is not None for page in pages)
    console.print(row(name_of(kind), counts))
    return counts


def row(name: str, counts: NDArray[np.int64]) -> str:
    """Return shares in per cent with exact 95 % intervals."""
    count, right, clean, refused, sure, wrong, blanks = (int(number) for number in counts)
    low, high = (100 * end for end in clopper_pearson(right, count, 0.05))
    _, most = clopper_pearson(wrong, max(sure, 1), 0.05)
    return (
        f"{name:42} n {count:4}  read {100 * right / count:5.1f} [{low:.1f}, {high:.1f}]  "
        f"noiseless {100 * clean / count:5.1f}  refused {refused:3}  "
        f"wrong of sure {wrong}/{sure} (at most {100 * most:.1f})  blank pages read {blanks}"
    )
