"""Pictures as people send them, turned into the arrays that networks take.

Two steps, kept apart: a file becomes an upright picture (:func:`decode_picture`), and a picture
becomes an input (:data:`PREPROCESSINGS`, by the name on a checkpoint's card). Files come from
strangers: whatever the bytes, the outcome is an array or a :class:`PictureError`.
"""

import base64
import contextlib
import io
import math
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from noisevote.models.errors import CheckpointError, PictureError
from noisevote.models.inputs.digits import mnist_digit
from noisevote.models.inputs.pages import digit_on_page
from noisevote.models.inputs.photos import cifar_picture

ALLOWED_FORMATS = ("PNG", "JPEG")

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

PACKED_TEXTS = {b"zTXt", b"iTXt", b"iCCP"}
"""Parts of a PNG that are packed, but for its pixels: texts, and a profile of its colours."""

DATA_PREFIXES = ("data:image/png;base64", "data:image/jpeg;base64")

MAX_PIXELS = 4096 * 4096
"""Most pixels of a picture; a photo of 12 megapixels passes."""

MIN_SIDE = 8
"""Least width and height of a picture in pixels."""

MAX_SCANS = 100
"""Most scans of a JPEG: encoders write about 10, and each costs a pass over all pixels."""

MAX_READS = 200_000
"""Most pieces a file is read in: Pillow reads chunk by chunk and junk byte by byte. A PNG of
``MAX_PIXELS`` that cannot be compressed, in chunks of 8 KiB, takes 25,000."""

DRAFT_SIDE = 512
"""Side in pixels that a JPEG keeps at least when it is shrunk while it is decoded."""

SMALL_PIXELS = 64 * 64
"""A picture of so many pixels is decoded and prepared in two milliseconds at most."""

LARGE = threading.Lock()
"""Held while a picture is decoded that is not small: memory for one of full size is enough."""

# Pillow warns of what strangers' files hold. A filter set for a while would be set for all threads.
warnings.filterwarnings("ignore", module="PIL")

ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture of an EXIF orientation upright."""


class RationedFile(io.BytesIO):
    """A file in memory that can be read ``MAX_READS`` times."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to ``size`` bytes; raise a :class:`PictureError` when the ration is used up."""
        self.reads += 1
        if self.reads > MAX_READS:
            raise refusal("the image is split into too many pieces; save it anew")
        return super().read(size)


def decode_base64(text: str) -> bytes:
    """Return the file that ``text`` holds.

    Args:
        text: standard base64 without line breaks, plain or as the data URL that a browser's
            canvas makes (one of ``DATA_PREFIXES``, a comma, base64).

    Raises:
        PictureError: if it is anything else.
    """
    prefix, comma, digits = text.partition(",")
    if comma and prefix.lower() not in DATA_PREFIXES:
        raise refusal(
            f"the image starts with {prefix[:40]!r}; send base64, or a data URL that starts with "
            + " or ".join(DATA_PREFIXES)
        )
    try:
        return base64.b64decode(digits if comma else text, validate=True)
    except ValueError as error:
        raise refusal(
            "the image is not base64; send standard base64 (A-Z, a-z, 0-9, +, /, padded with =) "
            "without spaces or line breaks"
        ) from error


def decode_picture(data: bytes, draft_side: int | None = DRAFT_SIDE) -> Image.Image:
    """Decode a PNG or JPEG file; of an animated one, the first frame.

    Args:
        data: the file.
        draft_side: a JPEG much larger is decoded at a half, a quarter or an eighth of its size;
            with None all its pixels are.

    Returns:
        The picture, upright, of mode ``L``, ``RGB`` or ``RGBA``; 16-bit levels are cut to 8 bits.

    Raises:
        PictureError: if the file is of another format, corrupt, cut short, too large or too small.
    """
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > MAX_SCANS:
        raise refusal(f"the image has more scans than the {MAX_SCANS} allowed; save it anew")
    try:
        picture = Image.open(RationedFile(without_texts(data)), formats=ALLOWED_FORMATS)
        check_size(*picture.size)
        if draft_side is not None:
            picture.draft(None, (draft_side, draft_side))
        with contextlib.nullcontext() if math.prod(picture.size) <= SMALL_PIXELS else LARGE:
            picture.load()
            return upright(eight_bits(picture), picture)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise refusal(f"the image has too many pixels; allowed are {MAX_PIXELS:,}") from error
    except UnidentifiedImageError as error:
        raise refusal("the image is not a readable file; send a whole PNG or JPEG") from error
    # Pillow lets through whatever its parsers stumble over: OSError, SyntaxError, ValueError,
    # struct.error, zlib.error, KeyError and others.
    except Exception as error:
        raise refusal(
            f"the image is corrupt or cut short ({error}); send a whole PNG or JPEG"
        ) from error


def without_texts(data: bytes) -> bytes:
    """Return a PNG without the parts that unpack to a thousand times their size and no pixels.

    Any other file, and what does not look like parts, stays as it is.
    """
    if not data.startswith(PNG_SIGNATURE):
        return data
    kept, at = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while at < len(data) and len(kept) < MAX_READS:
        length, kind = struct.unpack(">I4s", data[at : at + 8].ljust(8, b"\0"))
        if kind not in PACKED_TEXTS:
            kept.append(data[at : at + 12 + length])
        at += 12 + length
    return b"".join([*kept, data[at:]])


def check_size(width: int, height: int) -> None:
    """Raise a :class:`PictureError` if a picture's size in pixels is not allowed."""
    if width * height > MAX_PIXELS:
        raise refusal(
            f"the image is {width} x {height} pixels; allowed are {MAX_PIXELS:,} in all, "
            f"{math.isqrt(MAX_PIXELS)} x {math.isqrt(MAX_PIXELS)} for instance"
        )
    if min(width, height) < MIN_SIDE:
        raise refusal(
            f"the image is {width} x {height} pixels; each side must have {MIN_SIDE} or more"
        )


def eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of any mode of PNG and JPEG as ``L``, ``RGB`` or ``RGBA``."""
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture.convert("L" if picture.mode in {"1", "L"} else "RGB")


def upright(picture: Image.Image, file: Image.Image) -> Image.Image:
    """Turn or mirror ``picture`` as the EXIF orientation of its ``file`` says."""
    orientation = 1
    # Broken metadata make Pillow raise anything, but the picture is whole.
    with contextlib.suppress(Exception):
        orientation = file.getexif().get(ORIENTATION_TAG, 1)
    turn = UPRIGHT.get(orientation)
    return picture if turn is None else picture.transpose(turn)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """A way from a decoded picture to an input.

    Attributes:
        prepare: takes an upright picture of mode ``L``, ``RGB`` or ``RGBA`` and returns the input.
        shape: shape of the input.
        range: smallest and largest value of the input.
    """

    prepare: Callable[[Image.Image], NDArray[np.float32]]
    shape: tuple[int, ...]
    range: tuple[float, float] = (0.0, 1.0)


PREPROCESSINGS = {
    "cifar_picture-1": Preprocessing(cifar_picture, (3, 32, 32)),
    "mnist_digit-1": Preprocessing(mnist_digit, (1, 28, 28)),
    "mnist_digit-2": Preprocessing(digit_on_page, (1, 28, 28)),
}
"""What turns a decoded picture into an input, by the name on a checkpoint's card.

The number in a name counts its versions: one that gives other inputs is a new one, since the name
is part of the fingerprint."""


def preprocess(name: str, data: bytes) -> NDArray[np.float32]:
    """Turn a PNG or JPEG file into an input.

    Args:
        name: name of a preprocessing in :data:`PREPROCESSINGS`.
        data: the file.

    Returns:
        The input in the shape and range of that preprocessing.

    Raises:
        PictureError: if the file cannot be read as a drawing.
        CheckpointError: if there is no preprocessing of that name; names come from cards.
    """
    if name not in PREPROCESSINGS:
        raise CheckpointError(
            f"unknown preprocessing {name!r}; known are {', '.join(sorted(PREPROCESSINGS))}"
        )
    return PREPROCESSINGS[name].prepare(decode_picture(data))


def refusal(message: str) -> PictureError:
    """Return the error that blames the field ``image``."""
    return PictureError(message, field="image")
