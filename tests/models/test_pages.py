"""A digit is told from the page around it, or the picture is refused with what was seen."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from noisevote.models.errors import PictureError
from noisevote.models.inputs.blots import MOST_BLOTS
from noisevote.models.inputs.digits import mnist_digit
from noisevote.models.inputs.inks import above_even_ground
from noisevote.models.inputs.pages import digit_on_page
from noisevote.models.inputs.pictures import preprocess
from tests.drawing import SAME_DIGIT, difference, draw_digit, png_bytes
from tests.pages import FRESH, SEEN, name_of, pens
from tests.pages.paper import Kind, no_mark, pen_mark
from tests.pages.table import BLANK, measured_and_printed, read

DIGITS = 40
BLANKS = 10
SEED = 5


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


@pytest.mark.parametrize("kind", BLANK, ids=name_of)
def test_a_blank_page_is_refused(kind: Kind) -> None:
    assert all(read(kind, no_mark, SEED, index) is None for index in range(3))


def test_a_digit_is_the_same_on_pages_of_nearly_all_kinds() -> None:
    chance = np.random.default_rng(SEED)
    digits = [(digit, pen_mark(digit, chance)) for digit in (2, 7)]
    kept = []
    for kind in SEEN + FRESH:
        for digit, mark in digits:
            plain, page = read(pens.plain, mark, SEED), read(kind, mark, SEED, digit)
            assert plain is not None
            kept.append(page is not None and difference(page, plain) < 0.4)
    assert np.mean(kept) > 0.85


def test_what_is_read_on_a_plain_page_is_what_the_version_before_read() -> None:
    for side, stroke in ((28, 3), (60, 6), (280, 8), (280, 24), (1000, 60)):
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


@pytest.mark.parametrize("width", [3, 10, 24, 40])
def test_an_upright_bar_is_a_one_and_a_lying_one_is_no_digit(width: int) -> None:
    page = Image.new("L", (280, 280), 255)
    box = (140 - width // 2, 50, 140 + width // 2, 230)
    ImageDraw.Draw(page).rectangle(box, fill=0)
    assert np.ptp(np.flatnonzero(digit_on_page(page)[0].max(axis=1) > 0.5)) >= 18
    with pytest.raises(PictureError, match="lines"):
        digit_on_page(page.transpose(Image.Transpose.ROTATE_90))


def test_two_digits_are_refused() -> None:
    page = Image.new("L", (600, 280), 255)
    page.paste(draw_digit(4), (0, 0))
    page.paste(draw_digit(2), (320, 0))
    with pytest.raises(PictureError, match="several marks apart"):
        digit_on_page(page)


def test_a_word_is_refused() -> None:
    page = Image.new("L", (800, 600), 255)
    ImageDraw.Draw(page).text((300, 280), "Send", fill=0, font=ImageFont.load_default(size=60))
    with pytest.raises(PictureError, match="several marks in a row"):
        digit_on_page(page)


@pytest.mark.parametrize("digit", [0, 3, 6, 9])
def test_a_digit_that_is_cut_by_the_edge_of_the_page_is_refused(digit: int) -> None:
    page = Image.new("L", (280, 280), 255)
    page.paste(draw_digit(digit), (140, 0))
    with pytest.raises(PictureError, match=r"runs over its edge|several marks apart"):
        digit_on_page(page)


def test_the_labels_of_an_empty_dark_screen_are_refused() -> None:
    screen = Image.new("L", (400, 500), 24)
    pen = ImageDraw.Draw(screen)
    pen.text((20, 20), "Notes   Edit   Share", fill=190)
    pen.line((0, 60, 400, 60), fill=70)
    pen.rounded_rectangle((20, 440, 380, 480), 8, fill=60)
    pen.text((40, 455), "Done", fill=240)
    with pytest.raises(PictureError):
        digit_on_page(screen)


@pytest.mark.parametrize("seed", range(5))
def test_a_refusal_never_names_an_impossible_level(seed: int) -> None:
    chance = np.random.default_rng(seed)
    noise = chance.integers(0, 256, (300, 300)).astype(np.uint8)
    with pytest.raises(PictureError) as refused:
        digit_on_page(Image.fromarray(noise))
    numbers = [int(word) for word in str(refused.value).split() if word.isdigit()]
    assert all(number <= 255 for number in numbers)


def test_of_a_picture_without_an_even_ground_is_said_that_no_mark_stands_out() -> None:
    chance = np.random.default_rng(SEED)
    patches = chance.integers(0, 256, (15, 20, 3)).astype(np.uint8)
    photograph = Image.fromarray(patches).resize((400, 300), Image.Resampling.BICUBIC)
    with pytest.raises(PictureError, match="stands out in the image: its ground varies by"):
        digit_on_page(photograph)


def nested() -> Image.Image:
    """Return frames within frames, the most that fit."""
    page = Image.new("L", (384, 384), 255)
    pen = ImageDraw.Draw(page)
    for inset in range(0, 190, 4):
        pen.rectangle((inset, inset, 383 - inset, 383 - inset), outline=0, width=2)
    return page


def test_of_a_page_full_of_shapes_a_bounded_number_is_looked_at() -> None:
    dots = np.kron(np.ones((96, 96)), np.array([[1, 0], [0, 0]])) * 255
    for page in (nested(), Image.fromarray(dots.astype(np.uint8))):
        assert len(above_even_ground(page).blots) <= MOST_BLOTS
        with pytest.raises(PictureError, match="nothing but"):
            digit_on_page(page)


def test_a_card_that_names_the_version_before_gets_it() -> None:
    data = png_bytes(framed(60, 3))
    one, two = (preprocess(name, data) for name in ("mnist_digit-1", "mnist_digit-2"))
    np.testing.assert_array_equal(one, mnist_digit(framed(60, 3)))
    assert difference(one, two) > SAME_DIGIT


@pytest.mark.slow
def test_digits_on_pages_of_all_kinds_are_read() -> None:
    count, right, _, _, sure, wrong, blanks = measured_and_printed(DIGITS, BLANKS, SEED)
    assert right > 0.85 * count
    assert wrong < 0.03 * sure
    assert blanks < 0.01 * BLANKS * len(SEEN + FRESH)
