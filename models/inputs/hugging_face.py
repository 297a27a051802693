"""What Hugging Face's ``preprocessor_config.json`` and ``config.json`` say of pictures and labels.

Source: transformers, ``models/*/image_processing_*.py`` (those that work with Pillow and NumPy) and
``image_transforms.py``. A kind of processor that does other things than resize, cut, scale and
normalise is refused by name rather than served with other inputs than it was trained on.
"""

from dataclasses import dataclass
from typing import Any

from noisevote.models.errors import InputError

KEYS = {
    "image_processor_type", "feature_extractor_type", "processor_class", "do_resize", "do_rescale",
    "do_normalize", "do_center_crop", "image_mean", "image_std", "rescale_factor",
}  # fmt: skip
"""By which such a file is known."""

FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By their numbers in Pillow."""

BILINEAR, BICUBIC = FILTERS.index("bilinear"), FILTERS.index("bicubic")

OTHER_STEPS = (
    "do_pad", "do_thumbnail", "do_align_long_axis", "do_grayscale", "do_crop_margin",
    "rescale_offset", "include_top", "do_split_image", "do_image_splitting",
)  # fmt: skip
"""Steps that change what a network sees and that a pipeline does not have."""

CONVNEXT_WARPS_FROM = 384
"""From this size on ConvNeXt's processor takes whole pictures, whatever their proportions."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What a kind of processor does where its file says nothing.

    Attributes:
        square: whether a size that is one number stands for height and width; else it is that of
            the shorter side.
        resample: number of a filter.
        crops: whether it cuts out the middle.
        normalises: whether it takes off a mean and divides.
        flips: whether it turns red, green, blue round.
    """

    square: bool
    resample: int
    crops: bool = False
    normalises: bool = True
    flips: bool = False


CONVNEXT, LEVIT = "ConvNext", "Levit"
HABITS = {
    "Beit": Habits(square=True, resample=BICUBIC, crops=True),
    "Bit": Habits(square=False, resample=BICUBIC, crops=True),
    "CLIP": Habits(square=False, resample=BICUBIC, crops=True),
    CONVNEXT: Habits(square=False, resample=BILINEAR),
    "Deit": Habits(square=True, resample=BICUBIC, crops=True),
    "DeiT": Habits(square=True, resample=BICUBIC, crops=True),
    LEVIT: Habits(square=False, resample=BICUBIC, crops=True),
    "MobileNetV1": Habits(square=False, resample=BILINEAR, crops=True),
    "MobileNetV2": Habits(square=False, resample=BILINEAR, crops=True),
    "MobileViT": Habits(square=False, resample=BILINEAR, crops=True, normalises=False, flips=True),
    "Pvt": Habits(square=True, resample=BILINEAR),
    "Siglip": Habits(square=True, resample=BICUBIC),
    "ViT": Habits(square=True, resample=BILINEAR),
}
"""By the beginning of the processor's name."""

PLAIN = Habits(square=True, resample=BILINEAR)
"""Of a file that does not name its kind."""


def looks_like_preprocessor(found: dict[str, Any]) -> bool:
    """Return whether a JSON object is a ``preprocessor_config.json``."""
    return not KEYS.isdisjoint(found)


def picture_in(found: dict[str, Any], file: str) -> dict[str, Any]:
    """Return the fields of a :class:`~noisevote.models.specs.PictureSpec` for such a file.

    Args:
        found: what it holds.
        file: its name, for messages.

    Raises:
        InputError: it asks for steps that a pipeline does not have.
    """
    kind = kind_of(found, file)
    habits = HABITS.get(kind, PLAIN)
    if step := next((step for step in OTHER_STEPS if found.get(step)), None):
        raise unknown(f"{file} asks for {step}, which is no step of a pipeline")
    scale = found.get("rescale_factor", 1 / 255) if found.get("do_rescale", True) else 1.0
    fields: dict[str, Any] = {"scale": scale}
    if found.get("do_flip_channel_order", habits.flips):
        fields["colour"] = "bgr"
    if found.get("do_resize", True):
        fields |= resizing(found, kind, habits, file)
    if found.get("do_center_crop", habits.crops) and kind != CONVNEXT:
        fields["crop"] = crop_in(found, file)
    if found.get("do_normalize", habits.normalises):
        fields |= normalising(found, file)
    return fields


def normalising(found: dict[str, Any], file: str) -> dict[str, Any]:
    """Return the fields that say what is taken off and divided by."""
    keys = {"mean": "image_mean", "std": "image_std"}
    if missing := next((key for key in keys.values() if key not in found), None):
        raise InputError(f"{file} lacks {missing}, by which pictures are normalised")
    return {field: found[key] for field, key in keys.items()}


def kind_of(found: dict[str, Any], file: str) -> str:
    """Return the kind of a processor, without the end of its name; empty if it has none.

    Raises:
        InputError: it does more than a pipeline can, or nobody has looked what it does.
    """
    name = found.get("image_processor_type", found.get("feature_extractor_type"))
    if name is None:
        return ""
    kind = str(name)
    for end in ("Fast", "Pil", "ImageProcessor", "FeatureExtractor"):
        kind = kind.removesuffix(end)
    if kind not in HABITS:
        known = ", ".join(sorted({*HABITS} - {"Deit"}))
        raise unknown(f"{file} is for a {name}; read are those for {known}")
    return kind


def resizing(found: dict[str, Any], kind: str, habits: Habits, file: str) -> dict[str, Any]:
    """Return the fields that say to which size a picture is brought, and how."""
    number = found.get("resample", habits.resample)
    if number not in range(len(FILTERS)):
        raise InputError(f"{file} has resample {number!r}; allowed are 0 to {len(FILTERS) - 1}")
    fields: dict[str, Any] = {"filter": FILTERS[number]}
    size = found.get("size")
    if isinstance(size, int):
        size = {"height": size, "width": size} if habits.square else {"shortest_edge": size}
    if not isinstance(size, dict) or sorted(size) not in (["height", "width"], ["shortest_edge"]):
        raise unknown(
            f"{file} has the size {size!r}; read are one number, height and width, or shortest_edge"
        )
    if "height" in size:
        return fields | {"size": [size["height"], size["width"]]}
    side = whole(size["shortest_edge"], "size", file)
    if kind == CONVNEXT:
        if side >= CONVNEXT_WARPS_FROM:
            return fields | {"size": [side, side]}
        share = found.get("crop_pct", 224 / 256)
        if not isinstance(share, float | int) or not 0 < share <= 1:
            raise InputError(f"{file} has crop_pct {share!r}; allowed are shares up to 1")
        return fields | {"shortest_side": int(side / share), "crop": [side, side]}
    return fields | {"shortest_side": int(256 / 224 * side) if kind == LEVIT else side}


def crop_in(found: dict[str, Any], file: str) -> list[int]:
    """Return height and width of what is cut out."""
    size = found.get("crop_size")
    if isinstance(size, dict) and sorted(size) == ["height", "width"]:
        return [whole(size[side], "crop_size", file) for side in ("height", "width")]
    if isinstance(size, int):
        return [whole(size, "crop_size", file)] * 2
    raise InputError(
        f"{file} has the crop_size {size!r}; needed are one number or height and width"
    )


def whole(value: object, key: str, file: str) -> int:
    """Return a number of pixels.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise InputError(f"{file} has {key} {value!r}; needed is a whole number of pixels")


def labels_in(found: dict[str, Any], file: str) -> tuple[str, ...]:
    """Return the labels of ``id2label``, in class order; of the same ones, later ones are numbered.

    Raises:
        InputError: there are none, or not one for each class from 0 on.
    """
    by_class = found.get("id2label")
    if not isinstance(by_class, dict) or not by_class:
        raise InputError(f"{file} has no id2label, which names the classes")
    numbers = [str(number) for number in range(len(by_class))]
    if missing := next((number for number in numbers if number not in by_class), None):
        raise InputError(f"id2label of {file} has {len(by_class)} labels, but none for {missing}")
    labels: list[str] = []
    for number in numbers:
        label = str(by_class[number])
        labels.append(f"{label} ({number})" if label in labels else label)
    return tuple(labels)


def unknown(message: str) -> InputError:
    """Return an error that says what to do instead."""
    return InputError(
        f"{message}. Write the pipeline yourself, as a JSON file with fields such as size, crop, "
        "scale, mean and std (docs/operations.md)"
    )
