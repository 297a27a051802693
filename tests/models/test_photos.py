"""Photographs become inputs of CIFAR-10's form."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from noisevote.models.inputs.photos import cifar_picture
from noisevote.models.inputs.pictures import ORIENTATION_TAG, preprocess
from tests.drawing import jpeg_bytes, png_bytes
from tests.photographs import photographs

LEVEL = 1 / 255


def photograph(seed: int = 0) -> Image.Image:
    """A picture of 32 x 32 pixels in which no two corners look alike."""
    return Image.fromarray(photographs(1, seed)[0][0].transpose(1, 2, 0))


def read(picture: Image.Image) -> NDArray[np.float32]:
    return preprocess("cifar_picture-1", png_bytes(picture))


def test_picture_of_the_data_set_keeps_its_levels() -> None:
    pictures, _ = photographs(1)
    given_back = read(Image.fromarray(pictures[0].transpose(1, 2, 0)))
    assert given_back.dtype == np.float32
    assert np.array_equal(given_back, pictures[0].astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_grey_pictures_of_any_mode_have_three_equal_colours(mode: str) -> None:
    grey = Image.fromarray(np.repeat(np.arange(0, 256, 8, dtype=np.uint8)[None], 32, axis=0))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257)
    else:
        picture = grey.convert(mode)
    field = read(picture)
    assert field.shape == (3, 32, 32)
    if mode != "1":
        np.testing.assert_allclose(field, np.asarray(grey)[None] / 255 + np.zeros((3, 1, 1)),
                                   atol=8 * LEVEL)  # fmt: skip
    assert np.array_equal(field[0], field[1])
    assert np.array_equal(field[0], field[2])


def test_what_is_transparent_shows_white() -> None:
    picture = photograph().convert("RGBA")
    opacity = np.zeros((32, 32), np.uint8)
    opacity[:, 16:] = 255
    picture.putalpha(Image.fromarray(opacity))
    field = read(picture)
    assert (field[:, :, :16] == 1).all()
    assert np.array_equal(field[:, :, 16:], read(photograph())[:, :, 16:])


@pytest.mark.parametrize("size", [(96, 32), (32, 96), (33, 32), (32, 47)])
def test_longer_side_is_cut_to_the_middle(size: tuple[int, int]) -> None:
    canvas = Image.new("RGB", size, (255, 0, 0))
    canvas.paste(photograph(), ((size[0] - 32) // 2, (size[1] - 32) // 2))
    assert np.array_equal(read(canvas), read(photograph()))


@pytest.mark.parametrize("factor", [2, 5, 30])
def test_enlarged_picture_is_read_like_the_original(factor: int) -> None:
    side = 32 * factor
    large = photograph().resize((side, side), Image.Resampling.NEAREST)
    # Lanczos weighs neighbours a little: 8 grey levels on average is far less than a class apart.
    assert np.abs(read(large) - read(photograph())).mean() < 8 * LEVEL


def test_fine_stripes_shrink_to_their_mean() -> None:
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    np.testing.assert_allclose(read(Image.fromarray(stripes)), 0.5, atol=2 * LEVEL)


def test_jpeg_is_set_upright_by_its_exif_orientation() -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    smooth = photograph().resize((256, 256), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    smooth.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", quality=95, exif=exif)
    upright = preprocess("cifar_picture-1", file.getvalue())
    plain = preprocess("cifar_picture-1", jpeg_bytes(smooth, quality=95))
    assert np.abs(upright - plain).mean() < 3 * LEVEL
    assert np.abs(upright - plain.transpose(0, 2, 1)).mean() > 10 * LEVEL


@given(st.integers(8, 80), st.integers(8, 80), st.sampled_from(["L", "RGB", "RGBA"]))
def test_every_size_gives_an_input_in_range(width: int, height: int, mode: str) -> None:
    generator = np.random.default_rng(width * 100 + height)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = generator.integers(0, 256, (height, width, *channels)).astype(np.uint8)
    field = cifar_picture(Image.fromarray(pixels, mode))
    assert field.shape == (3, 32, 32)
    assert field.min() >= 0
    assert field.max() <= 1
