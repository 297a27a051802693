"""Pictures become inputs step by step, as a card says in data; and where such data come from.

A pipeline is a :class:`noisevote.models.specs.PictureSpec`. Resampling is Pillow's, and all steps
are those of the image processors of Hugging Face's transformers that work with NumPy, so that a
network is served with the inputs that it was trained on.
"""

from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from noisevote.models.errors import InputError, PictureError
from noisevote.models.files import regular_content
from noisevote.models.inputs.hugging_face import labels_in, looks_like_preprocessor, picture_in
from noisevote.models.inputs.pictures import MAX_PIXELS, PREPROCESSINGS, decode_picture, preprocess
from noisevote.models.specs import InputSpec, PictureSpec

MAX_ASPECT = 16
"""How many times as long as the other a side may be where the shorter one is set: what a few pixels
would be resized to stays bounded."""

MAX_FILE_BYTES = 16 * 2**20
"""Of a description; those of a thousand classes take 100 KiB."""

PRESETS = {
    "imagenet": PictureSpec(
        shortest_side=256,
        crop=(224, 224),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
}
"""Pipelines by name. Source: torchvision, references/classification/presets.py."""


def pipeline_from(given: str | Path) -> str | PictureSpec:
    """Return what a preset, a name or a file says of how pictures become inputs.

    Args:
        given: a name in :data:`PRESETS` or ``models.inputs.pictures.PREPROCESSINGS``, or the path
            of a JSON file: a ``preprocessor_config.json`` of Hugging Face, or the fields of a
            :class:`~noisevote.models.specs.PictureSpec`.

    Returns:
        The name of a preprocessing, for ``InputSpec.preprocessing``, or a pipeline, for
        ``InputSpec.picture``.

    Raises:
        InputError: it is neither a name nor such a file, or the file asks for steps that there are
            not.
    """
    name = str(given)
    if name in PRESETS:
        return PRESETS[name]
    if name in PREPROCESSINGS:
        return name
    path = Path(given)
    if not path.is_file():
        known = ", ".join(sorted((*PRESETS, *PREPROCESSINGS)))
        raise InputError(f"{name} is no file; a preprocessing is a JSON file, or one of {known}")
    found = object_in(path)
    if looks_like_preprocessor(found):
        found = picture_in(found, name)
    try:
        return PictureSpec.model_validate_json(to_json(found), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        fields = ", ".join(PictureSpec.model_fields)
        raise InputError(
            f"{name} is no pipeline for pictures: {where + ': ' if where else ''}{first['msg']}; "
            f"its fields are {fields}"
        ) from error


def labels_from(path: Path) -> tuple[str, ...]:
    """Return the labels of a network by its ``config.json`` of Hugging Face, in class order.

    Of a name that stands for several classes, all but the first get their numbers.

    Raises:
        InputError: it is no such file.
    """
    return labels_in(object_in(path), str(path))


def object_in(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        InputError: it holds none.
    """
    try:
        found = from_json(regular_content(path, MAX_FILE_BYTES), allow_inf_nan=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object")
    return found


def prepared(data: bytes, spec: InputSpec) -> NDArray[Any]:
    """Turn a PNG or JPEG file into an input, as a card says ``[*spec.shape]``.

    Args:
        data: the file.
        spec: of an input that pictures are prepared for.

    Raises:
        PictureError: the file is no picture, or nothing can be seen in it.
        CheckpointError: there is no way to prepare pictures.
    """
    if spec.picture is not None:
        return input_from(data, spec, spec.picture)
    return preprocess(spec.preprocessing or "", data)


def input_from(data: bytes, spec: InputSpec, pipeline: PictureSpec) -> NDArray[Any]:
    """Turn a PNG or JPEG file into an input ``[*pipeline.shape]``.

    Args:
        data: the file.
        spec: of the input, for the type of its numbers.
        pipeline: that it names.

    Raises:
        PictureError: the file is no picture, or longer than :data:`MAX_ASPECT` allows.
    """
    levels = levels_of(decode_picture(data, draft_side=None), pipeline)
    return values_of(levels, pipeline, spec.dtype)


def levels_of(picture: Image.Image, pipeline: PictureSpec) -> NDArray[np.uint8]:
    """Return a picture as the network takes it, but for the scale ``[height, width, channels]``."""
    picture = cropped(resized(coloured(picture, pipeline), pipeline), pipeline)
    levels = np.asarray(picture, np.uint8).reshape(picture.height, picture.width, -1)
    return levels[:, :, ::-1] if pipeline.colour == "bgr" else levels


def coloured(picture: Image.Image, pipeline: PictureSpec) -> Image.Image:
    """Return a picture of mode ``L``, ``RGB`` or ``RGBA`` with the channels of the pipeline."""
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, (*pipeline.background, 255))
        picture = Image.alpha_composite(ground, picture)
    return picture.convert("L" if pipeline.colour == "grey" else "RGB")


def resized(picture: Image.Image, pipeline: PictureSpec) -> Image.Image:
    """Return a picture at the size of the pipeline, before it is cut.

    Raises:
        PictureError: it is too long for its height, or too high for its width.
    """
    width, height = picture.size
    if pipeline.size is not None:
        height, width = pipeline.size
    elif (side := pipeline.shortest_side) is not None:
        short, long = sorted(picture.size)
        longer = int(side * long / short)
        if long > MAX_ASPECT * short or side * longer > MAX_PIXELS:
            raise PictureError(
                f"the image is {width} x {height} pixels; a side may be at most {MAX_ASPECT} times "
                f"as long as the other, and the whole have at most {MAX_PIXELS:,} pixels once its "
                f"shorter side is {side}",
                "image",
            )
        width, height = (side, longer) if width <= height else (longer, side)
    return picture.resize((width, height), Image.Resampling[pipeline.filter.upper()])


def cropped(picture: Image.Image, pipeline: PictureSpec) -> Image.Image:
    """Return the middle of a picture; what is beyond it is black."""
    if pipeline.crop is None:
        return picture
    height, width = pipeline.crop
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def values_of(levels: NDArray[np.uint8], pipeline: PictureSpec, dtype: str) -> NDArray[Any]:
    """Return levels ``[height, width, channels]`` as an input ``[*pipeline.shape]``."""
    table = table_of(pipeline).astype(dtype)
    values = np.stack([table[c][levels[:, :, c]] for c in range(pipeline.channels)])
    if pipeline.layout == "NHWC":
        values = values.transpose(1, 2, 0)
    return np.ascontiguousarray(values.reshape(pipeline.shape))


def table_of(pipeline: PictureSpec) -> NDArray[np.float32]:
    """Return what each level of each channel becomes ``[channels, 256]``."""
    scaled = (np.arange(256, dtype=np.float64) * pipeline.scale).astype(np.float32)
    table = np.tile(scaled, (pipeline.channels, 1))
    if pipeline.mean is not None:
        table -= np.array(pipeline.mean, np.float32)[:, np.newaxis]
    if pipeline.std is not None:
        with np.errstate(over="ignore", divide="ignore"):
            table /= np.array(pipeline.std, np.float32)[:, np.newaxis]
    return table


def complaints_about(spec: InputSpec, pipeline: PictureSpec) -> list[str]:
    """Return why a pipeline cannot give what an input takes; none if it can."""
    low, high = spec.limits
    with np.errstate(over="ignore", invalid="ignore"):
        table = table_of(pipeline).astype(np.float64)
    if pipeline.shape != spec.shape:
        layouts = get_args(PictureSpec.model_fields["layout"].annotation)
        others = (pipeline.model_copy(update={"layout": layout}) for layout in layouts)
        fitting = next((other.layout for other in others if other.shape == spec.shape), None)
        return [
            f"{spec.name} has the shape {list(spec.shape)}; its picture gives "
            f"{list(pipeline.shape)}"
            + (f", and would with the layout {fitting}" if fitting else "")
        ]
    if not (np.isfinite(table) & (table >= low) & (table <= high)).all():
        return [
            f"{spec.name} takes {spec.allowed}; its picture gives {table.min():g} to "
            f"{table.max():g}"
        ]
    if spec.is_integer and not np.array_equal(table, np.floor(table)):
        return [f"{spec.name} takes {spec.allowed}; its picture gives fractions"]
    return []
