"""Drawings as pen strokes, voted on by the network that reads them."""

import httpx
import numpy as np
import pytest

from noisevote.models.inputs.strokes import FEATURES, STEPS
from tests.drawing import DIGITS
from tests.service.support import array, ask, picture, refused

pytestmark = pytest.mark.anyio

NETWORK = "stroke_lstm-clean"


def strokes(digit: int, scale: float = 1.0) -> list[list[list[float]]]:
    """Return the pen strokes of a digit, x to the right and y down."""
    return [[[x * scale, y * scale] for x, y in stroke] for stroke in DIGITS[digit]]


async def test_drawn_digits_are_read_from_their_strokes(client: httpx.AsyncClient) -> None:
    # Of ten hand-made digits the noiseless network may misread two.
    modes = []
    for digit in range(10):
        reply = await ask(client, checkpoint=NETWORK, strokes=strokes(digit), votes=1)
        modes.append(reply["predictions"][0]["mode"])
    assert sum(mode == digit for digit, mode in enumerate(modes)) >= 8


async def test_size_of_a_drawing_does_not_matter(client: httpx.AsyncClient) -> None:
    body = {"checkpoint": "stroke_lstm-mult-1.0", "seed": 3}
    small = await ask(client, **body, strokes=strokes(3))
    large = await ask(client, **body, strokes=strokes(3, scale=512))
    assert small["predictions"] == large["predictions"]
    assert small["noise"]["sigma"] == 1.0


async def test_sequences_are_taken_as_arrays(client: httpx.AsyncClient) -> None:
    sequence = np.zeros((STEPS, FEATURES)).tolist()
    reply = await ask(client, checkpoint=NETWORK, inputs=[sequence, sequence], sigma=0)
    assert len(reply["predictions"]) == 2


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"strokes": []}, "strokes", "list of strokes"),
        ({"strokes": [[[0, 0, 0]]]}, "strokes", "pair"),
        ({"strokes": [[[0, "a"]]]}, "strokes", "numbers"),
        ({"image": picture()}, "image", "reads strokes"),
        ({"inputs": [array()]}, "inputs", "takes [n, 48, 2]"),
    ],
)
async def test_what_the_network_cannot_read_is_refused(
    client: httpx.AsyncClient, body: dict[str, object], field: str, message: str
) -> None:
    error = await refused(client, 422, "invalid_input", checkpoint=NETWORK, **body)
    assert error["field"] == field
    assert message in error["message"]
