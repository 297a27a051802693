"""Requests that make no sense: each is refused with what was wrong and what is allowed."""

import json
import struct
import zlib
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.drawing import draw_digit, png_bytes
from tests.service.support import (
    CHECKPOINT,
    POINTS,
    Json,
    array,
    encoded,
    picture,
    refused,
)

pytestmark = pytest.mark.anyio

SHAPE = f"checkpoint {CHECKPOINT} takes [n, 1, 28, 28]"
SIGMA = "allowed is a number from 0 to 1000, or a map from noise point to such numbers"
REPEATS = "allowed is a map from noise point to a whole number from 1 to 1000000"


def with_item(item: Any) -> list[Any]:
    """Return an input with something else at row 2, column 3."""
    rows: list[list[Any]] = array()
    rows[2][3] = item
    return rows


def with_row(row: Any) -> list[Any]:
    rows: list[Any] = array()
    rows[2] = row
    return rows


def nested(depth: int) -> Any:
    value: Any = 0.5
    for _ in range(depth):
        value = [value]
    return value


INPUTS: dict[str, tuple[list[Any], str]] = {
    "no batch axis": (array(), f"inputs[0] has the shape [28]; {SHAPE}"),
    "too few rows": ([array()[:27]], f"inputs[0] has 27 items instead of 28; {SHAPE}"),
    "long rows": (
        [[[0.0] * 29] * 28],
        f"inputs[0][0] has 29 items instead of 28; {SHAPE}",
    ),
    "two channels": ([[array(), array()]], f"inputs[0] has 2 items instead of 1; {SHAPE}"),
    "channel last": (
        [[[[0.0]] * 28] * 28],
        f"inputs[0] has 28 items instead of 1; {SHAPE}",
    ),
    "two batch axes": ([[[array()]]], f"inputs[0] has the shape [1, 1, 28, 28]; {SHAPE}"),
    "flat": ([[0.0] * 784], f"inputs[0] has the shape [784]; {SHAPE}"),
    "numbers": ([0.0] * 28, f"inputs[0] is 0.0; {SHAPE}"),
    "an empty array": ([[]], f"inputs[0] has the shape [0]; {SHAPE}"),
    "empty rows": ([[[]] * 28], f"inputs[0][0] has 0 items instead of 28; {SHAPE}"),
    "deep": ([nested(150)], f"inputs[0] has the shape {[1] * 8}; {SHAPE}"),
    "null": ([None], f"inputs[0] is null; {SHAPE}"),
    "an object": ([{"a": [1]}], f"inputs[0] is an object; {SHAPE}"),
    "ragged batch": ([array(), [0.0]], f"inputs[1] has the shape [1]; {SHAPE}"),
    "ragged rows": (
        [array(), with_row([0.5] * 27)],
        f"inputs[1][2] has 27 items instead of 28; {SHAPE}",
    ),
    "a number among rows": ([with_row(5)], f"inputs[0][2] is 5 instead of an array; {SHAPE}"),
    "text among rows": ([with_row("x")], f'inputs[0][2] is "x" instead of an array; {SHAPE}'),
    "ragged items": (
        [[with_item([0.5])]],
        "inputs[0][0][2][3] is an array; only numbers are allowed",
    ),
    "text": ([with_item("0.5")], 'inputs[0][2][3] is "0.5"; only numbers are allowed'),
    "true": ([with_item(True)], "inputs[0][2][3] is true; only numbers are allowed"),
    "false": ([with_item(False)], "inputs[0][2][3] is false; only numbers are allowed"),
    "null item": ([with_item(None)], "inputs[0][2][3] is null; only numbers are allowed"),
    "an object item": ([with_item({})], "inputs[0][2][3] is an object; only numbers are allowed"),
    "NUL": ([with_item("\0")], 'inputs[0][2][3] is "\\u0000"; only numbers are allowed'),
    "texts for rows": ([["a" * 28] * 28], f"inputs[0] has the shape [28]; {SHAPE}"),
    "NaN": ([with_item(float("nan"))], "inputs[0][2][3] is NaN; allowed is 0 to 1"),
    "Infinity": ([with_item(float("inf"))], "inputs[0][2][3] is Infinity; allowed is 0 to 1"),
    "-Infinity": ([[with_item(-float("inf"))]], "inputs[0][0][2][3] is -Infinity; allowed is"),
    "too large": ([array(), with_item(1.0001)], "inputs[1][2][3] is 1.0001; allowed is 0 to 1"),
    "negative": ([with_item(-1e-9)], "inputs[0][2][3] is -1e-09; allowed is 0 to 1"),
    "a long integer": ([with_item(2**64)], "is 18446744073709551616; allowed is 0 to 1"),
    "an integer beyond floats": ([with_item(10**400)], "0...; allowed is 0 to 1"),
    "no inputs": ([], "inputs: List should have at least 1 item"),
}


@pytest.mark.parametrize("case", INPUTS)
async def test_arrays_that_do_not_fit_are_refused_with_the_place(
    client: httpx.AsyncClient, case: str
) -> None:
    inputs, message = INPUTS[case]
    error = await refused(client, 422, "invalid_input", json.dumps({"inputs": inputs}))
    assert message in error["message"]
    assert error["field"] == "inputs"


FIELDS: dict[str, tuple[Json, str | None, str]] = {
    "no input": ({}, None, "exactly one of inputs, image and strokes is needed; got none of them"),
    "two inputs": (
        {"inputs": [array()], "image": picture()},
        None,
        "exactly one of inputs, image and strokes is needed; got inputs and image",
    ),
    "inputs is no array": ({"inputs": 5}, "inputs", "inputs: Input should be a valid list; got 5"),
    "image is no text": ({"image": 5}, "image", "image: Input should be a valid string; got 5"),
    "strokes": (
        {"strokes": [[[0, 0], [1, 1]]]},
        "strokes",
        f"checkpoint {CHECKPOINT} reads pictures, not strokes; send image or inputs",
    ),
    "unknown field": (
        {"image": "", "vote": 20},
        "vote",
        'there is no field "vote"; there are: device, chip, chips, age_s, temperature_c',
    ),
    "no votes": ({"votes": 0}, "votes", "votes: Input should be greater than or equal to 1; got 0"),
    "votes as text": ({"votes": "20"}, "votes", 'Input should be a valid integer; got "20"'),
    "half a vote": ({"votes": 1.5}, "votes", "votes: Input should be a valid integer; got 1.5"),
    "votes true": ({"votes": True}, "votes", "votes: Input should be a valid integer; got true"),
    "votes as float": ({"votes": 20.0}, "votes", "Input should be a valid integer; got 20.0"),
    "negative sigma": ({"sigma": -0.1}, "sigma", f"sigma: got -0.1; {SIGMA}"),
    "infinite sigma": ({"sigma": float("inf")}, "sigma", f"sigma: got Infinity; {SIGMA}"),
    "NaN sigma": ({"sigma": float("nan")}, "sigma", f"sigma: got NaN; {SIGMA}"),
    "huge sigma": ({"sigma": 1000.1}, "sigma", f"sigma: got 1000.1; {SIGMA}"),
    "sigma as text": ({"sigma": "1"}, "sigma", f'sigma: got "1"; {SIGMA}'),
    "sigma true": ({"sigma": True}, "sigma", f"sigma: got true; {SIGMA}"),
    "sigma list": ({"sigma": [1]}, "sigma", f"sigma: got an array; {SIGMA}"),
    "sigma map of text": (
        {"sigma": {"fc1": 1, "fc2": "x"}},
        "sigma",
        f'sigma: got "x" for "fc2"; {SIGMA}',
    ),
    "sigma map of null": ({"sigma": {"fc2": None}}, "sigma", f'got null for "fc2"; {SIGMA}'),
    "unknown noise point": (
        {"sigma": {"fc9": 1}},
        "sigma",
        f'"fc9" is no noise point of checkpoint {CHECKPOINT}; it has {", ".join(POINTS)}',
    ),
    "repeats of an unknown point": (
        {"repeats": {"fc9": 2}},
        "repeats",
        f'"fc9" is no noise point of checkpoint {CHECKPOINT}; it has {", ".join(POINTS)}',
    ),
    "no repeats": ({"repeats": {"fc2": 0}}, "repeats", f'repeats: got 0 for "fc2"; {REPEATS}'),
    "too many repeats": ({"repeats": {"fc2": 10**6 + 1}}, "repeats", "got 1000001"),
    "repeats of 1.0": ({"repeats": {"fc2": 1.0}}, "repeats", f'got 1.0 for "fc2"; {REPEATS}'),
    "repeats as number": ({"repeats": 20}, "repeats", f"repeats: got 20; {REPEATS}"),
    "sigma and snr_db": (
        {"sigma": 1, "snr_db": 0},
        None,
        "sigma and snr_db say the same thing; give one of them",
    ),
    "snr_db of additive noise that is too loud": (
        {"noise": "additive", "snr_db": -60},
        "snr_db",
        "snr_db is -60, a sigma of",
    ),
    "snr_db too low": ({"snr_db": -61}, "snr_db", "greater than or equal to -60; got -61"),
    "snr_db NaN": ({"snr_db": float("nan")}, "snr_db", "should be a finite number; got NaN"),
    "snr_db beyond floats": (
        {"snr_db": 10**400},
        "snr_db",
        "a valid number; got 1000",
    ),
    "other noise without sigma": (
        {"noise": "additive"},
        "sigma",
        "was trained for multiplicative noise; for additive noise give a sigma",
    ),
    "unknown noise": (
        {"noise": "quantum"},
        "noise",
        "noise: Input should be 'multiplicative' or 'additive'; got \"quantum\"",
    ),
    "unknown stop": (
        {"stop": "early"},
        "stop",
        "stop: Input should be 'full', 'exact', 'bounded' or 'calibrated'; got \"early\"",
    ),
    "stop null": (
        {"stop": None},
        "stop",
        "stop: Input should be 'full', 'exact', 'bounded' or 'calibrated'; got null",
    ),
    "alpha 0": ({"alpha": 0}, "alpha", "alpha: Input should be greater than 0; got 0"),
    "alpha 1": ({"alpha": 1}, "alpha", "alpha: Input should be less than 1; got 1"),
    "alpha NaN": ({"alpha": float("nan")}, "alpha", "got NaN"),
    "alpha as text": ({"alpha": "0.05"}, "alpha", 'alpha: Input should be a valid number; got "'),
    "negative seed": ({"seed": -1}, "seed", "seed: Input should be greater than or equal to 0"),
    "seed of 54 bits": (
        {"seed": 2**53},
        "seed",
        "seed: Input should be less than or equal to 9007199254740991; got 9007199254740992",
    ),
    "seed as text": ({"seed": "7"}, "seed", 'seed: Input should be a valid integer; got "7"'),
    "checkpoint number": ({"checkpoint": 1}, "checkpoint", "should be a valid string; got 1"),
    "long checkpoint": ({"checkpoint": "x" * 201}, "checkpoint", "at most 200 characters"),
}

INPUT_NAMES = {"inputs", "image", "strokes"}


@pytest.mark.parametrize("case", FIELDS)
async def test_fields_that_make_no_sense_are_refused_by_name(
    client: httpx.AsyncClient, case: str
) -> None:
    body, field, message = FIELDS[case]
    has_input = INPUT_NAMES & body.keys() or case == "no input"
    content = json.dumps(body if has_input else {"inputs": [array()], **body})
    error = await refused(client, 422, "invalid_input", content)
    assert message in error["message"]
    assert error.get("field") == field


@pytest.mark.parametrize("name", ["", "nosuch", "../mnist_cnn-mult-1.0", "a\0b", "[bold]", "é"])
async def test_an_unknown_checkpoint_is_not_found(client: httpx.AsyncClient, name: str) -> None:
    error = await refused(client, 404, "unknown_checkpoint", inputs=[array()], checkpoint=name)
    assert f"there is no checkpoint {name!r}; there are: " in error["message"]
    assert CHECKPOINT in error["message"]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"inputs": [0] * 65}, "inputs", "inputs holds 65 inputs; allowed are 64 a request"),
        ({"votes": 1001}, "votes", "votes is 1001; allowed are 1 to 1000"),
        ({"votes": 10**30}, "votes", "allowed are 1 to 1000"),
        (
            {"inputs": [[]] * 21, "votes": 1000},
            "votes",
            "21 inputs with 1000 votes each are too many for one request; checkpoint "
            f"{CHECKPOINT} allows 20948 votes in all",
        ),
    ],
    ids=["inputs", "votes", "very many votes", "cost"],
)
async def test_what_exceeds_a_limit_is_refused_with_the_limit(
    client: httpx.AsyncClient, body: Json, field: str, message: str
) -> None:
    error = await refused(client, 422, "limit_exceeded", **{"inputs": [array()], **body})
    assert message in error["message"]
    assert error["field"] == field


def png_header(width: int, height: int) -> bytes:
    """Return a PNG file of a few bytes that claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")


PNG = png_bytes(draw_digit(7))
PICTURES: dict[str, tuple[str, str]] = {
    "no base64": ("not base64!", "not base64"),
    "NUL": ("\0\0\0\0", "not base64"),
    "not ASCII": ("ééé", "not base64"),
    "wrong padding": ("iVBORw0", "not base64"),
    "another data URL": ("data:image/gif;base64,AAAA", "image/png"),
    "no picture": (encoded(b"hello, world"), "PNG or JPEG"),
    "half a PNG": (encoded(PNG[: len(PNG) // 2]), "cut short"),
    "half a JPEG": (encoded(b"\xff\xd8\xff\xe0" + bytes(20)), "PNG or JPEG"),
    "a bomb": (encoded(png_header(60_000, 60_000)), "pixels"),
    "a wide bomb": (encoded(png_header(2**31 - 1, 1)), "pixels"),
    "too small": (encoded(png_bytes(Image.new("L", (4, 4)))), "8 or more"),
    "blank": (encoded(png_bytes(Image.new("L", (280, 280), 255))), "nothing is drawn"),
}


@pytest.mark.parametrize("case", PICTURES)
async def test_pictures_that_show_no_drawing_are_refused(
    client: httpx.AsyncClient, case: str
) -> None:
    image, message = PICTURES[case]
    error = await refused(client, 422, "invalid_picture", image=image)
    assert message in error["message"]
    assert error["field"] == "image"
