"""What may be sent as a picture, and what is refused."""

import base64
import contextlib
import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from noisevote.models.errors import CheckpointError, PictureError
from noisevote.models.inputs.channels import channel, is_full
from noisevote.models.inputs.digits import mnist_digit
from noisevote.models.inputs.pictures import (
    DATA_PREFIXES,
    MAX_READS,
    MAX_SCANS,
    PREPROCESSINGS,
    decode_base64,
    decode_picture,
    preprocess,
)
from tests.drawing import SAME_DIGIT, difference, draw_digit, jpeg_bytes, png_bytes

PNG = png_bytes(draw_digit(5, 120, 9))
JPEG = jpeg_bytes(draw_digit(5, 120, 9))
HEADER_END = 33
"""Length of a PNG's signature and IHDR chunk."""


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_of_size(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return PNG[:8] + png_chunk(b"IHDR", header) + PNG[HEADER_END:]


def png_with(chunks: bytes) -> bytes:
    return PNG[:HEADER_END] + chunks + PNG[HEADER_END:]


def saved(picture: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def read_or_refuse(data: bytes) -> None:
    """Fail unless ``data`` becomes an input or is refused as a picture."""
    try:
        field = preprocess("mnist_digit-1", data)
    except PictureError:
        return
    assert field.shape == (1, 28, 28)
    assert field.min() >= 0
    assert field.max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_of_any_mode_shows_the_same_digit(mode: str) -> None:
    drawn = draw_digit(3)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(drawn, dtype=np.uint16) * 257)
    else:
        picture = drawn.convert(mode)
    assert Image.open(io.BytesIO(png_bytes(picture))).mode == mode
    assert (
        difference(preprocess("mnist_digit-1", png_bytes(picture)), mnist_digit(drawn)) < SAME_DIGIT
    )


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("quality", [10, 75])
def test_a_jpeg_of_any_mode_shows_the_same_digit(mode: str, quality: int) -> None:
    drawn = draw_digit(3)
    data = jpeg_bytes(drawn.convert(mode), quality)
    assert difference(preprocess("mnist_digit-1", data), mnist_digit(drawn)) < SAME_DIGIT


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (160, 0, 0), (255, 240, 0)])
@pytest.mark.parametrize("unseen", [(0, 0, 0), (255, 255, 255)])
def test_ink_on_a_transparent_ground_is_kept(
    colour: tuple[int, int, int], unseen: tuple[int, int, int]
) -> None:
    coverage = draw_digit(7, ink=255, paper=0)
    canvas = Image.composite(
        Image.new("RGB", coverage.size, colour),
        Image.new("RGB", coverage.size, unseen),
        coverage.point(lambda level: 255 if level else 0),
    )
    canvas.putalpha(coverage)
    field = preprocess("mnist_digit-1", png_bytes(canvas))
    assert difference(field, mnist_digit(coverage)) < SAME_DIGIT


def test_transparent_corners_of_opaque_paper_are_paper() -> None:
    paper = draw_digit(7).convert("RGBA")
    opacity = Image.new("L", paper.size)
    ImageDraw.Draw(opacity).rounded_rectangle((0, 0, 279, 279), radius=40, fill=255)
    paper.putalpha(opacity)
    assert difference(mnist_digit(paper), mnist_digit(draw_digit(7))) < SAME_DIGIT


def test_a_palette_with_a_transparent_colour_is_read() -> None:
    palette = draw_digit(2).convert("P")
    data = saved(palette, "PNG", transparency=bytes([255] * 128 + [0] * 128))
    assert difference(preprocess("mnist_digit-1", data), mnist_digit(draw_digit(2))) < SAME_DIGIT


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_exif_orientation_is_honoured(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(draw_digit(4), file_format, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decode_picture(data), expected)


def test_a_picture_with_broken_metadata_is_read() -> None:
    data = saved(draw_digit(4), "JPEG", exif=b"Exif\x00\x00neither II nor MM")
    assert decode_picture(data).size == (280, 280)


def test_of_an_animation_the_first_frame_is_taken() -> None:
    first, second = draw_digit(1), draw_digit(8)
    data = saved(first, "PNG", save_all=True, append_images=[second])
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 2
    np.testing.assert_array_equal(decode_picture(data), first)


def test_a_huge_jpeg_is_shrunk_while_it_is_decoded() -> None:
    data = jpeg_bytes(draw_digit(9, 4096, 8))
    assert decode_picture(data).size == (512, 512)
    assert (
        difference(preprocess("mnist_digit-1", data), mnist_digit(draw_digit(9, 512, 1)))
        < SAME_DIGIT
    )


@pytest.mark.parametrize(
    ("width", "height"), [(4097, 4096), (10_000, 10_000), (60_000, 60_000), (2**31 - 1, 1)]
)
def test_too_many_pixels_are_refused_from_the_header(width: int, height: int) -> None:
    with pytest.raises(PictureError, match=r"pixels; allowed are 16,777,216"):
        decode_picture(png_of_size(width, height))


def test_a_picture_of_few_pixels_is_refused() -> None:
    with pytest.raises(PictureError, match="28 x 7 pixels; each side must have 8"):
        decode_picture(png_bytes(Image.new("L", (28, 7))))


@pytest.mark.parametrize("file_format", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(file_format: str) -> None:
    with pytest.raises(PictureError, match="send a whole PNG or JPEG"):
        decode_picture(saved(draw_digit(1, 64), file_format))


@pytest.mark.parametrize("data", [b"", PNG[:8], PNG[: len(PNG) // 2], JPEG[: len(JPEG) // 2]])
def test_a_file_cut_short_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match="send a whole PNG or JPEG"):
        decode_picture(data)


@pytest.mark.parametrize(
    ("kind", "start"), [(b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")]
)
def test_compressed_text_that_explodes_is_left_out(kind: bytes, start: bytes) -> None:
    bomb = png_with(png_chunk(kind, start + zlib.compress(bytes(2**24))))
    assert decode_picture(bomb) == decode_picture(PNG)
    with pytest.raises(PictureError, match="send a whole PNG or JPEG"):
        decode_picture(bomb[: len(bomb) // 2])


def test_a_header_in_countless_pieces_is_refused() -> None:
    with pytest.raises(PictureError, match="too many pieces"):
        decode_picture(png_with(png_chunk(b"prVt", b"") * MAX_READS))


def test_a_jpeg_of_countless_scans_is_refused() -> None:
    progressive = saved(draw_digit(6), "JPEG", progressive=True)
    last_scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    assert decode_picture(progressive[:-2] + last_scan * 10 + progressive[-2:])
    with pytest.raises(PictureError, match="more scans than the 100 allowed"):
        decode_picture(progressive[:-2] + last_scan * MAX_SCANS + progressive[-2:])


@given(st.binary(max_size=300), st.sampled_from([b"", PNG[:8], PNG[:HEADER_END], JPEG[:2]]))
def test_arbitrary_bytes_are_read_or_refused(data: bytes, start: bytes) -> None:
    read_or_refuse(start + data)


@given(st.sampled_from([PNG, JPEG]), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_file_cut_anywhere_is_read_or_refused(data: bytes, share: float) -> None:
    read_or_refuse(data[: int(share * len(data))])


@given(
    st.sampled_from([PNG, JPEG]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1),
)
@settings(max_examples=40, deadline=None)
def test_a_file_with_damaged_bytes_is_read_or_refused(
    data: bytes, damage: list[tuple[float, int]]
) -> None:
    damaged = bytearray(data)
    for share, flip in damage:
        damaged[int(share**2 * len(data))] ^= flip
    read_or_refuse(bytes(damaged))


@given(
    st.sampled_from([b"tRNS", b"PLTE", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"zTXt", b"iTXt"]),
    st.binary(max_size=40),
)
@settings(max_examples=40, deadline=None)
def test_a_png_with_a_nonsense_chunk_is_read_or_refused(kind: bytes, content: bytes) -> None:
    read_or_refuse(png_with(png_chunk(kind, content)))


def test_decoding_in_many_threads_leaves_the_warning_filters_alone() -> None:
    bad_animation = png_with(png_chunk(b"acTL", bytes(8)))
    with pytest.warns(UserWarning, match="Invalid APNG"):
        Image.open(io.BytesIO(bad_animation))
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        assert len({picture.size for picture in threads.map(decode_picture, [PNG, JPEG] * 50)}) == 1
    assert warnings.filters == before


@given(st.binary(max_size=100), st.sampled_from(["", *(f"{p}," for p in DATA_PREFIXES)]))
def test_base64_gives_back_the_bytes(data: bytes, prefix: str) -> None:
    assert decode_base64(prefix + base64.b64encode(data).decode()) == data


@pytest.mark.parametrize(
    "text",
    [
        "QUJD\n",
        "QU JD",
        "QUJ",
        "QU=JD",
        "-_-_",
        "é",
        "data:image/gif;base64,QUJD",
        "a,b,c",
        ",QUJD",
    ],
)
def test_what_is_not_strict_base64_is_refused(text: str) -> None:
    with pytest.raises(PictureError) as refused:
        decode_base64(text)
    assert refused.value.field == "image"


@given(st.text("dat:imge/pn;bs64,QJ=+ \né", max_size=50))
def test_arbitrary_text_is_decoded_or_refused(text: str) -> None:
    with contextlib.suppress(PictureError):
        decode_base64(text)


def test_an_unknown_preprocessing_is_named() -> None:
    assert "mnist_digit-1" in PREPROCESSINGS
    with pytest.raises(
        CheckpointError, match="unknown preprocessing 'sepia'; known are cifar_picture-1, mnist"
    ):
        preprocess("sepia", PNG)


@pytest.mark.parametrize("size", [(8, 9), (2**20, 8), (1000, 1571)])
def test_a_channel_taken_in_strips_is_the_channel(size: tuple[int, int]) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    picture = Image.fromarray(levels)
    for name in picture.getbands():
        one = channel(picture, name)
        assert one == picture.getchannel(name)
        assert not is_full(one)
    assert is_full(Image.new("L", size, 255))
