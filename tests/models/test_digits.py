"""What a drawing becomes: a picture as in MNIST."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from noisevote.models.errors import PictureError
from noisevote.models.inputs.digits import centre_of_mass, mnist_digit, stroke_width
from noisevote.models.inputs.pages import digit_on_page
from noisevote.models.inputs.pictures import decode_picture, preprocess
from noisevote.models.inputs.rasters import dilated, percentile
from tests.drawing import SAME_DIGIT, difference, draw_digit, jpeg_bytes, png_bytes

digits = st.integers(0, 9)
sides = st.integers(60, 300)
pens = st.floats(0.01, 0.15)
"""Stroke widths as a share of the picture's side."""

READINGS = {"mnist_digit-1": mnist_digit, "mnist_digit-2": digit_on_page}
Reading = Callable[[Image.Image], NDArray[np.float32]]
each_reading = pytest.mark.parametrize("read", READINGS.values(), ids=list(READINGS))


def as_mnist_was_made(digit: int) -> Image.Image:
    """Return a light digit that fills a 20 x 20 box, centred by mass to half a pixel."""
    drawn = draw_digit(digit, 300, 30, ink=255, paper=0)
    box = ImageOps.contain(drawn.crop(drawn.getbbox()), (20, 20), Image.Resampling.BOX)
    levels = np.asarray(box, dtype=np.float32)
    top, left = (round(14.5 - centre) for centre in centre_of_mass(levels))
    field = Image.new("L", (28, 28))
    field.paste(box, (left, top))
    return field


@each_reading
@given(digits, sides, pens, st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_drawing_fills_the_box_and_is_centred_by_mass(
    read: Reading, digit: int, side: int, pen: float, is_light: bool
) -> None:
    ink, paper = (255, 0) if is_light else (0, 255)
    field = read(draw_digit(digit, side, pen * side, ink, paper))
    assert field.shape == (1, 28, 28)
    assert field.dtype == np.float32
    assert field.min() == 0
    assert field.max() == 1
    assert centre_of_mass(field[0]) == pytest.approx((14.5, 14.5), abs=0.2)
    inked = [np.flatnonzero(field[0].max(axis=axis) > 0.5) for axis in (0, 1)]
    assert 18 <= max(span[-1] - span[0] + 1 for span in inked) <= 21


@each_reading
@given(digits, sides, pens, st.integers(0, 100), st.integers(150, 255))
@settings(max_examples=12, deadline=None)
def test_inverting_a_drawing_changes_a_few_grey_levels_at_most(
    read: Reading, digit: int, side: int, pen: float, ink: int, paper: int
) -> None:
    drawn = draw_digit(digit, side, pen * side, ink, paper)
    np.testing.assert_allclose(read(ImageOps.invert(drawn)), read(drawn), atol=1 / 64)


@each_reading
@given(digits, st.integers(120, 300), pens, st.integers(2, 4))
@settings(max_examples=12, deadline=None)
def test_enlarging_a_drawing_changes_little(
    read: Reading, digit: int, side: int, pen: float, by: int
) -> None:
    drawn = draw_digit(digit, side, pen * side)
    enlarged = drawn.resize((by * side, by * side), Image.Resampling.NEAREST)
    assert difference(read(enlarged), read(drawn)) < SAME_DIGIT


@each_reading
@given(digits, pens, st.tuples(*[st.integers(0, 150)] * 4))
@settings(max_examples=12, deadline=None)
def test_more_paper_around_a_drawing_changes_nothing(
    read: Reading, digit: int, pen: float, around: tuple[int, int, int, int]
) -> None:
    drawn = draw_digit(digit, 200, pen * 200)
    padded = ImageOps.expand(drawn, around, fill=255)
    assert difference(read(padded), read(drawn)) < SAME_DIGIT


@each_reading
@given(digits, st.integers(0, 120), st.integers(150, 255))
@settings(max_examples=12, deadline=None)
def test_weak_contrast_is_stretched(read: Reading, digit: int, ink: int, paper: int) -> None:
    field = read(draw_digit(digit, ink=ink, paper=paper))
    assert difference(field, read(draw_digit(digit))) < SAME_DIGIT


@each_reading
@pytest.mark.parametrize("side", [60, 280, 1000, 2500])
@pytest.mark.parametrize("stroke", [1, 3])
def test_a_thin_pen_leaves_strokes_of_two_to_three_pixels(
    read: Reading, side: int, stroke: int
) -> None:
    for digit in (1, 4, 8):
        assert 1.9 <= stroke_width(read(draw_digit(digit, side, stroke))[0]) <= 3


@each_reading
def test_digits_of_any_pen_resemble_their_own_kind_most(read: Reading) -> None:
    kinds = [read(draw_digit(digit)) for digit in range(10)]
    for side, stroke in ((40, 3), (280, 2), (280, 30), (900, 12)):
        for digit in range(10):
            field = read(draw_digit(digit, side, stroke))
            assert np.argmin([difference(field, kind) for kind in kinds]) == digit


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("digit", range(10))
def test_a_picture_as_in_mnist_passes_unchanged(digit: int, name: str) -> None:
    made = as_mnist_was_made(digit)
    expected = np.asarray(made, dtype=np.float32)[np.newaxis] / np.float32(255)
    for picture in (made, ImageOps.invert(made), made.convert("RGB"), made.convert("RGBA")):
        np.testing.assert_array_equal(preprocess(name, png_bytes(picture)), expected)


@each_reading
def test_a_small_drawing_off_the_centre_is_moved_and_enlarged(read: Reading) -> None:
    corner = Image.new("L", (28, 28))
    corner.paste(draw_digit(0, 14, 2, ink=255, paper=0), (1, 2))
    field = read(corner)
    assert centre_of_mass(field[0]) == pytest.approx((14.5, 14.5), abs=0.2)
    assert np.ptp(np.flatnonzero(field[0].max(axis=1) > 0.5)) >= 17


@each_reading
@pytest.mark.parametrize("digit", [2, 6])
def test_a_grainy_photo_of_unevenly_lit_paper_shows_the_digit(read: Reading, digit: int) -> None:
    drawn = draw_digit(digit, 400, 20, ink=70, paper=190)
    light = np.linspace(-50, 50, 400)[:, np.newaxis] + np.linspace(-20, 20, 400)
    grain = np.random.default_rng(3).normal(0, 5, (400, 400))
    photo = np.clip(np.asarray(drawn) + light + grain, 0, 255).astype(np.uint8)
    field = read(decode_picture(jpeg_bytes(Image.fromarray(photo))))
    assert difference(field, read(drawn)) < SAME_DIGIT


@each_reading
def test_a_speck_of_dirt_is_dropped(read: Reading) -> None:
    drawn = draw_digit(3)
    dirty = drawn.copy()
    ImageDraw.Draw(dirty).ellipse((10, 250, 16, 256), fill=0)
    np.testing.assert_array_equal(read(dirty), read(drawn))


@each_reading
def test_ink_far_from_its_centre_of_mass_stays_in_the_field(read: Reading) -> None:
    hammer = Image.new("L", (200, 200))
    pen = ImageDraw.Draw(hammer)
    pen.rectangle((20, 20, 180, 60), fill=255)
    pen.line((100, 60, 100, 190), fill=255, width=10)
    field = read(hammer)[0]
    assert np.ptp(np.flatnonzero(field.max(axis=1) > 0.3)) == pytest.approx(19, abs=1)


@each_reading
@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_a_picture_of_one_level_is_refused(read: Reading, level: int) -> None:
    with pytest.raises(PictureError, match="nothing is drawn"):
        read(Image.new("L", (100, 80), level))


@each_reading
def test_a_transparent_picture_and_blank_paper_are_refused(read: Reading) -> None:
    grain = np.random.default_rng(4).normal(200, 8, (300, 300))
    for blank in (Image.new("RGBA", (50, 50)), Image.fromarray(grain.astype(np.uint8))):
        with pytest.raises(PictureError, match=r"nothing is drawn|no mark stands out") as refused:
            read(blank)
        assert refused.value.field == "image"


@given(
    st.lists(st.floats(0, 255, width=32), min_size=1, max_size=200),
    st.sampled_from([5, 50, 90, 95]),
)
def test_percentiles_are_those_of_numpy_to_the_bit(values: list[float], per_cent: float) -> None:
    levels = np.array(values, dtype=np.float32)
    assert percentile(levels, per_cent) == float(np.percentile(levels, per_cent))


@given(
    st.integers(1, 7),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(0, 2**32 - 1),
)
def test_dilation_is_that_many_rounds_of_a_maximum_filter(
    steps: int, shape: tuple[int, int], seed: int
) -> None:
    values = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    picture = Image.fromarray(values)
    for _ in range(steps):
        picture = picture.filter(ImageFilter.MaxFilter(3))
    assert np.array_equal(dilated(values, steps), np.asarray(picture))
