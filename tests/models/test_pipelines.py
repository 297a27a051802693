"""Pictures become inputs as a card says in data; what files and presets say becomes such data."""

import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from noisevote.models.errors import CheckpointError, InputError, PictureError
from noisevote.models.inputs.pipelines import PRESETS, input_from, labels_from, pipeline_from
from noisevote.models.specs import InputSpec, PictureSpec
from tests.drawing import jpeg_bytes, png_bytes
from tests.foreign import drawn

HALVES = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
OPENAI = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
CUT = {"do_center_crop": True, "crop_size": {"height": 224, "width": 224}}
SQUARE, SHORT = {"size": {"height": 224, "width": 224}}, {"size": {"shortest_edge": 224}}

TRANSFORMERS: list[tuple[str, dict[str, Any], tuple[int, ...], str]] = [
    ("ViT", {**HALVES, **SQUARE, "resample": 2}, (3, 224, 224), "2c3def65c506956a"),
    ("ViT", {"do_normalize": False, **SQUARE, "resample": 0}, (3, 224, 224), "5bb6033c2ede9e5a"),
    ("ViT", {**HALVES, "size": 224}, (3, 224, 224), "2c3def65c506956a"),
    ("CLIP", {**OPENAI, **CUT, **SHORT, "resample": 3}, (3, 224, 224), "e436eddb0ad0b90c"),
    ("CLIP", {**OPENAI, "size": 224, "crop_size": 224}, (3, 224, 224), "e436eddb0ad0b90c"),
    (
        "CLIP",
        {**OPENAI, "size": {"shortest_edge": 40}, "crop_size": {"height": 64, "width": 51}},
        (3, 64, 51),
        "7ca902f55689b23c",
    ),
    ("ConvNext", {**HALVES, **SHORT, "crop_pct": 0.875}, (3, 224, 224), "9f6a8385dd16e38a"),
    ("ConvNext", {**HALVES, "size": {"shortest_edge": 384}}, (3, 384, 384), "18ab1d6f0c9df32a"),
    ("DeiT", {**HALVES, **CUT, "size": 256}, (3, 224, 224), "cb184a77df91ade6"),
    ("Beit", {**HALVES, **CUT, "size": 256}, (3, 224, 224), "cb184a77df91ade6"),
    ("Bit", {**OPENAI, **CUT, **SHORT}, (3, 224, 224), "e436eddb0ad0b90c"),
    ("Levit", {**IMAGENET, **CUT, **SHORT}, (3, 224, 224), "44bbf2dead67e10a"),
    ("MobileNetV2", {**HALVES, **CUT, "size": 256}, (3, 224, 224), "9f6a8385dd16e38a"),
    ("MobileViT", {**SHORT, "crop_size": 256}, (3, 256, 256), "31b63d89b0aeee99"),
    ("Siglip", {**HALVES, **SQUARE}, (3, 224, 224), "50ea258dc652c1cf"),
    ("Pvt", {**IMAGENET, **SQUARE}, (3, 224, 224), "4beb7ebf739235b5"),
]
"""Kind of processor, what its file says, shape and digest of what transformers 4.57.6 makes of
:func:`striped` (with Pillow 13 and without torch)."""


def striped() -> Image.Image:
    """Return a picture of 131 x 90 pixels of which every part and channel differs."""
    y, x, c = np.ogrid[:90, :131, :3]
    return Image.fromarray(((y * (3 + c) + x * (5 + 2 * c) + (y * x) // 7) % 256).astype(np.uint8))


def put(folder: Path, content: Any) -> Path:
    path = folder / "file.json"
    path.write_text(json.dumps(content))
    return path


def made_by(pipeline: PictureSpec, data: bytes, dtype: Any = "float32") -> Any:
    return input_from(data, InputSpec(shape=pipeline.shape, range=None, dtype=dtype), pipeline)


@pytest.mark.parametrize(("kind", "says", "shape", "digest"), TRANSFORMERS)
def test_hugging_faces_processors_are_followed_to_the_bit(
    tmp_path: Path, kind: str, says: dict[str, Any], shape: tuple[int, ...], digest: str
) -> None:
    path = put(tmp_path, {"image_processor_type": f"{kind}ImageProcessor", **says})
    pipeline = pipeline_from(path)
    assert isinstance(pipeline, PictureSpec)
    made = made_by(pipeline, png_bytes(striped()))
    assert (made.shape, made.dtype) == (shape, np.float32)
    assert hashlib.sha256(made.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ({"image_processor_type": "DetrImageProcessor"}, "is for a DetrImageProcessor; read are"),
        ({"feature_extractor_type": "DonutFeatureExtractor"}, "is for a DonutFeatureExtractor"),
        ({"do_pad": True, **HALVES, **SQUARE}, "asks for do_pad"),
        ({**SQUARE, "do_normalize": True}, "lacks image_mean"),
        ({**HALVES, "size": {"shortest_edge": 800, "longest_edge": 1333}}, "has the size"),
        ({**HALVES, "size": {"shortest_edge": "224"}}, "needed is a whole number of pixels"),
        ({**HALVES, "size": {"height": 10_000, "width": 2}}, "size.0: .* less than or equal to"),
        ({**HALVES, **SQUARE, "resample": 9}, "resample 9; allowed are 0 to 5"),
        ({**HALVES, **SQUARE, "do_center_crop": True}, "has the crop_size None"),
        ({**HALVES, **SHORT}, "needed is crop or size"),
        ({**HALVES, **SQUARE, "image_std": [0.5, 0.0, 0.5]}, "std.1: .* greater than 0"),
        ({**HALVES, **SQUARE, "image_mean": [0.5]}, "mean has 1 numbers; rgb has 3 channels"),
    ],
)
def test_a_processor_that_does_other_things_is_refused_with_the_reason(
    tmp_path: Path, says: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        pipeline_from(put(tmp_path, says))


def test_a_pipeline_of_ones_own_is_a_file_of_its_fields(tmp_path: Path) -> None:
    fields = {"colour": "grey", "size": [8, 8], "filter": "box", "scale": 16 / 255}
    pipeline = pipeline_from(put(tmp_path, fields | {"layout": "flat"}))
    assert isinstance(pipeline, PictureSpec)
    assert pipeline.shape == (64,)
    levels = np.repeat(np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4, 5, 0), 5, 1)
    made = made_by(pipeline, png_bytes(Image.fromarray(levels)))
    assert np.allclose(made, np.arange(64) * 4 * 16 / 255, atol=1e-6)
    assert pipeline_from(put(tmp_path, json.loads(pipeline.model_dump_json()))) == pipeline


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"size": [8, 8], "zoom": 2}, "zoom: Extra inputs .* its fields are background, colour"),
        ({"size": [8, 8], "shortest_side": 8}, "two ways to resize"),
        ({"crop": [0, 8]}, "crop.0: .* greater than or equal to 1"),
        ({"crop": [4097, 8]}, "crop.0: .* less than or equal to 4096"),
        ({}, "needed is crop or size"),
        ([1], "holds no JSON object"),
    ],
)
def test_a_file_that_is_no_pipeline_is_refused(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        pipeline_from(put(tmp_path, content))


def test_presets_and_names_are_known_and_nothing_else_is(tmp_path: Path) -> None:
    assert pipeline_from("imagenet") is PRESETS["imagenet"]
    assert pipeline_from("mnist_digit-2") == "mnist_digit-2"
    assert pipeline_from("cifar_picture-1") == "cifar_picture-1"
    with pytest.raises(InputError, match=r"imagnet is no file; .* imagenet, mnist_digit-1"):
        pipeline_from("imagnet")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match=r"broken\.json is not JSON"):
        pipeline_from(tmp_path / "broken.json")


def test_imagenets_preset_shrinks_cuts_and_normalises() -> None:
    small = striped().resize((372, 256), Image.Resampling.BILINEAR)
    cut = np.asarray(small, np.float64)[16:240, 74:298] / 255
    expected = (cut - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    made = made_by(PRESETS["imagenet"], png_bytes(striped()))
    assert np.allclose(made, expected.transpose(2, 0, 1), atol=1e-6)


def test_channels_can_be_turned_round_and_stand_last() -> None:
    plain = made_by(PictureSpec(size=(5, 4)), png_bytes(striped()))
    turned = made_by(PictureSpec(size=(5, 4), colour="bgr", layout="NHWC"), png_bytes(striped()))
    assert np.array_equal(turned, plain[::-1].transpose(1, 2, 0))


def test_what_is_transparent_shows_the_background() -> None:
    clear = png_bytes(Image.new("RGBA", (8, 8), (9, 9, 9, 0)))
    assert made_by(PictureSpec(size=(1, 1)), clear).ravel().tolist() == [1, 1, 1]
    green = made_by(PictureSpec(size=(1, 1), background=(0, 255, 51)), clear)
    assert np.allclose(green.ravel(), [0, 1, 0.2])


def test_levels_can_stay_bytes() -> None:
    made = made_by(
        PictureSpec(crop=(8, 8), scale=1.0, layout="NHWC"), png_bytes(striped()), "uint8"
    )
    assert made.dtype == np.uint8
    assert np.array_equal(made, np.asarray(striped())[41:49, 61:69])


def test_a_jpeg_is_resized_from_all_its_pixels() -> None:
    y, x = np.mgrid[:1600, :2400]
    large = jpeg_bytes(Image.fromarray(((x * y // 4000) % 256).astype(np.uint8)), quality=95)
    with Image.open(BytesIO(large)) as whole:
        expected = np.asarray(whole.convert("L").resize((600, 400), Image.Resampling.LANCZOS))
    pipeline = PictureSpec(colour="grey", size=(400, 600), filter="lanczos", scale=1.0)
    assert np.array_equal(made_by(pipeline, large)[0], expected)


def test_a_strip_that_would_become_huge_is_refused() -> None:
    strip = png_bytes(Image.new("L", (8, 4000)))
    with pytest.raises(PictureError, match="8 x 4000 pixels; a side may be at most 16 times"):
        made_by(PRESETS["imagenet"], strip)
    tall = png_bytes(Image.new("L", (100, 1000)))
    with pytest.raises(PictureError, match=r"at most 16,777,216 pixels once its"):
        made_by(PictureSpec(shortest_side=4096, crop=(8, 8)), tall)
    assert made_by(PictureSpec(size=(3, 3)), strip).shape == (3, 3, 3)


PICTURE = PictureSpec(size=(4, 4))


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        ({"shape": (3, 4, 5)}, r"has the shape \[3, 4, 5\]; its picture gives \[3, 4, 4\]"),
        ({"shape": (4, 4, 3)}, r"gives \[3, 4, 4\], and would with the layout NHWC"),
        ({"range": (0.0, 0.9)}, "takes 0 to 0.9; its picture gives 0 to 1"),
        (
            {"picture": PictureSpec(size=(4, 4), scale=1e37, std=(1e-30,) * 3)},
            "takes any finite number .*; its picture gives 0 to inf",
        ),
        ({"dtype": "uint8", "range": (0, 255)}, "its picture gives fractions"),
        ({"dtype": "uint8", "range": (0, 256)}, r"the range of seen \(uint8\) is \(0.0, 256.0\)"),
        ({"dtype": "int64", "range": (0, 2**53)}, r"the range of seen \(int64\)"),
        ({"dtype": "int32", "range": (0, 0.5)}, r"the range of seen \(int32\)"),
        ({"dtype": "int64", "range": None}, r"the range of seen \(int64\) is None"),
        ({"range": (0, 1e39)}, r"the range of seen \(float32\)"),
    ],
)
def test_a_card_whose_pictures_are_not_its_inputs_is_refused(
    tmp_path: Path, tensor: dict[str, Any], said: str
) -> None:
    fields: dict[str, Any] = {"name": "seen", "shape": (3, 4, 4), "range": None, "picture": PICTURE}
    with pytest.raises(CheckpointError, match=said):
        drawn(tmp_path / "theirs", [InputSpec(**fields | tensor)])


def test_pictures_are_for_networks_of_one_input(tmp_path: Path) -> None:
    seen = InputSpec(name="seen", shape=(3, 4, 4), range=None, picture=PICTURE)
    with pytest.raises(CheckpointError, match="seen is prepared of pictures, and the network"):
        drawn(tmp_path / "theirs", [seen, InputSpec(name="age", shape=(1,), range=None)])


def test_there_is_one_way_to_prepare_a_picture() -> None:
    with pytest.raises(ValidationError, match="two ways to prepare"):
        InputSpec(shape=(3, 4, 4), range=None, picture=PICTURE, preprocessing="cifar_picture-1")


def test_the_pipeline_is_part_of_the_fingerprint_as_far_as_it_is_no_default(
    tmp_path: Path,
) -> None:
    def fingerprint(picture: PictureSpec | None) -> str:
        tensor = InputSpec(name="seen", shape=(3, 4, 4), range=None, picture=picture)
        return drawn(tmp_path / str(len(list(tmp_path.iterdir()))), [tensor]).fingerprint

    plain = fingerprint(PICTURE)
    assert fingerprint(PictureSpec(size=(4, 4), colour="rgb", scale=1 / 255)) == plain
    assert fingerprint(PictureSpec(size=(4, 4), filter="bicubic")) != plain
    assert fingerprint(None) != plain


def test_labels_are_those_of_the_config_in_class_order(tmp_path: Path) -> None:
    labels = {"1": "crane", "0": "tench", "2": "crane"}
    path = put(tmp_path, {"id2label": labels, "label2id": {}})
    assert labels_from(path) == ("tench", "crane", "crane (2)")
    with pytest.raises(InputError, match="has no id2label"):
        labels_from(put(tmp_path, {"model_type": "vit"}))
    with pytest.raises(InputError, match="has 2 labels, but none for 1"):
        labels_from(put(tmp_path, {"id2label": {"0": "a", "2": "b"}}))
