"""How much work it is to prepare a picture or a drawing, judged before any of it is done.

A file may say one size first and another one later, or be cut into thousands of pieces. So the
largest size that stands anywhere in it counts, and quick is only what cannot be anything else. What
is on a page, and so how long it takes to look for the digit, is seen only then.
"""

import base64
import struct
from collections.abc import Iterator
from math import prod
from typing import Any

from pydantic_core import to_json

from noisevote.models.card import Card
from noisevote.models.inputs.pictures import MAX_PIXELS, PNG_SIGNATURE
from noisevote.models.inputs.strokes import MAX_POINTS, count_of_points
from noisevote.models.specs import PictureSpec
from noisevote.service.wire.requests import PredictRequest

PIXEL_S = 5e-8
"""Of a PNG: decoding, looking for the drawing, shrinking."""

SCANNED_PIXEL_S = 1e-8
"""Of a JPEG, which is shrunk while it is decoded, in each of its scans."""

WHOLE_PIXEL_S = 2e-8
"""Of a JPEG that is decoded at its full size, for a pipeline."""

RESIZED_PIXEL_S = 7e-8
"""Of what a pipeline resizes or cuts."""

USUAL_ASPECT = 2
"""Of a picture that is as long as most."""

BYTE_S = 3e-7
"""Of a file that is read in small pieces."""

PROFILE_BYTE_S, PATTERN_S = 4e-7, 2e-4
"""Of device profiles in the request, and of each pattern of noise points, or key of a profile."""

STROKE_S, POINT_S = 1.2e-4, 3e-6
BOUNDARY_VOTE_S = 2e-5
"""Of the boundary of ``bounded``, which is kept."""

QUICK_S = 0.002
"""What is prepared at once; anything else waits for a thread."""

PICTURE_S = 0.0025
"""Of any picture that may be more than a few lines on a small page."""

UNCHARGED_S = 0.005
"""Work that is part of any request: a drawing on a screen takes less."""

VOTE_S = 0.0005
"""Further work counts for a rate limit as so many votes of ``mnist_cnn`` as take that time."""

QUICK_SIDE = 28
QUICK_BYTES = 6 * 1024
QUICK_VOTES = 64
MOST_VOTES = 10_000

PLAIN_CHUNKS = {b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"gAMA", b"cHRM", b"sRGB", b"pHYs"}
"""Of a PNG: these unpack to pixels, or to nothing."""

MOST_SIZES = 16
"""A file that may say more than so many sizes is taken for one of the largest."""

SOI, SOS = b"\xff\xd8", b"\xff\xda"
FRAMES = tuple(bytes([0xFF, kind]) for kind in range(0xC0, 0xD0) if kind not in {0xC4, 0xC8, 0xCC})
"""Markers before which a JPEG says its size, whatever its coding."""


def work_s_of(request: PredictRequest, card: Card) -> float:
    """Return about how many seconds of one core it takes to prepare a request.

    Args:
        request: as it was validated.
        card: of the checkpoint that it is for.
    """
    seconds = 0.0
    if request.stop.rule.has_table and request.votes > QUICK_VOTES:
        seconds += BOUNDARY_VOTE_S * min(request.votes, MOST_VOTES)
    if request.image is not None:
        seconds += work_s_of_picture(request.image, card.input.picture)
    if request.strokes is not None:
        seconds += work_s_of_strokes(request.strokes)
    if isinstance(request.device, dict):
        seconds += PROFILE_BYTE_S * len(to_json(request.device)) + PATTERN_S * len(request.device)
    return seconds


def votes_of_work(work_s: float) -> int:
    """Return how many votes the work counts for in a rate limit."""
    return max(0, round((work_s - UNCHARGED_S) / VOTE_S))


def work_s_of_picture(text: str, pipeline: PictureSpec | None = None) -> float:
    """Return the seconds for a picture in base64, whatever it holds.

    Args:
        text: the picture.
        pipeline: by which it is prepared, if there is one.
    """
    try:
        data = base64.b64decode(text.rpartition(",")[2], validate=True)
    except ValueError:
        return 0.0  # refused before anything is decoded
    more_s = 0.0 if pipeline is None else RESIZED_PIXEL_S * resized_pixels(pipeline)
    if is_plain_and_small(data):
        return more_s
    if data.startswith(SOI):
        pixels = max(sizes_behind(data, FRAMES, ">3xHH"), default=0)
        seconds = SCANNED_PIXEL_S * pixels * max(1, data.count(SOS))
        if pipeline is not None:
            more_s += WHOLE_PIXEL_S * pixels
    else:
        seconds = PIXEL_S * max(sizes_behind(data, (b"IHDR",), ">II"), default=0)
    return max(PICTURE_S, BYTE_S * len(data) + seconds + more_s)


def resized_pixels(pipeline: PictureSpec) -> int:
    """Return about how many pixels a pipeline makes of a picture that is no long strip."""
    cut = prod(pipeline.crop or (0, 0))
    if pipeline.shortest_side is not None:
        return max(cut, USUAL_ASPECT * pipeline.shortest_side**2)
    return max(cut, prod(pipeline.size or (0, 0)))


def sizes_behind(data: bytes, marks: tuple[bytes, ...], layout: str) -> Iterator[int]:
    """Yield the pixels that a file may have by each of its marks, none above what is allowed.

    Args:
        data: the file.
        marks: what stands before a size.
        layout: layout of the two sides behind a mark, for ``struct``.
    """
    for mark in marks:
        at, seen = data.find(mark), 0
        while at >= 0:
            seen += 1
            if seen > MOST_SIZES:
                yield MAX_PIXELS
                break
            sides = data[at + len(mark) : at + len(mark) + struct.calcsize(layout)]
            if len(sides) == struct.calcsize(layout):
                width, height = struct.unpack(layout, sides)
                yield min(width * height, MAX_PIXELS)
            at = data.find(mark, at + 1)


def is_plain_and_small(data: bytes) -> bool:
    """Return whether a file is a PNG of few pixels that holds nothing else, by all its chunks."""
    if len(data) > QUICK_BYTES or not data.startswith(PNG_SIGNATURE + b"\0\0\0\rIHDR"):
        return False
    width, height = struct.unpack_from(">II", data.ljust(24, b"\0"), 16)
    at = len(PNG_SIGNATURE) + 12 + 13
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8].ljust(8, b"\0"))
        if kind not in PLAIN_CHUNKS:
            return False
        at += 12 + length
    return bool(max(width, height) <= QUICK_SIDE)


def work_s_of_strokes(strokes: list[Any]) -> float:
    """Return the seconds for a drawing."""
    points = count_of_points(strokes)
    if max(len(strokes), points) > MAX_POINTS:
        return 0.0  # refused before anything of it is looked at
    return STROKE_S * len(strokes) + POINT_S * points
