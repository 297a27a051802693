"""Networks of others over HTTP: several inputs, whole numbers, no range, and pictures by a card."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from noisevote.service.client import AsyncClient
from noisevote.service.wire.requests import PredictRequest
from tests.drawing import png_bytes
from tests.foreign import noiseless
from tests.service.imported import PLAIN, TAKES, TEXT, arrays, sample
from tests.service.support import (
    Json,
    ask,
    counts_of,
    encoded,
    error_in,
    picture,
    refused,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def client(imported: httpx.AsyncClient) -> httpx.AsyncClient:
    return imported


async def test_several_inputs_come_as_objects_and_meet_their_tensors(
    client: httpx.AsyncClient,
) -> None:
    samples = [sample(), sample(ids=[0, 1, 2, 3, 4], age=[-900]), sample(mask=[0] * 5)]
    reply = await ask(client, inputs=samples, votes=3, sigma=0.0)
    expected = noiseless(TEXT, arrays(samples)).argmax(axis=1).tolist()
    assert [prediction["mode"] for prediction in reply["predictions"]] == expected
    assert len(set(expected)) > 1


async def test_the_same_sample_and_seed_get_the_same_votes_alone_and_beside_others(
    client: httpx.AsyncClient,
) -> None:
    body: Json = {"votes": 40, "sigma": 1.0, "seed": 3}
    alone = await ask(client, inputs=[sample()], **body)
    beside = await ask(client, inputs=[sample(), sample(age=[-4])], **body)
    assert counts_of(alone)[0] == counts_of(beside)[0]
    assert len([votes for votes in counts_of(alone)[0] if votes]) > 1


async def test_leading_axes_of_one_may_be_left_out_but_for_the_last(
    client: httpx.AsyncClient,
) -> None:
    error = await refused(client, 422, "invalid_input", inputs=[sample(age=31.5)])
    assert error["message"] == f"inputs[0].age is 31.5; {TAKES}"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([sample(), sample(ids=[0, 1.5, 2, 3, 4])], "inputs[1].ids[1] is 1.5; allowed is a whole "),
        ([sample(ids=[0, 1000, 2, 3, 4])], "inputs[0].ids[1] is 1000; allowed is a whole number"),
        ([sample(ids=[0, -1, 2, 3, 4])], "ids[1] is -1; allowed is a whole number from 0 to 999"),
        ([sample(ids=[0, 2**63, 2, 3, 4])], "inputs[0].ids[1] is 9223372036854775808; allowed"),
        ([sample(ids=[0, 10**400, 2, 3, 4])], "allowed is a whole number from 0 to 999"),
        ([sample(ids=[0, float("nan"), 2, 3, 4])], "inputs[0].ids[1] is NaN; allowed is a whole"),
        ([sample(ids=[0, True, 2, 3, 4])], "inputs[0].ids[1] is true; only numbers are allowed"),
        ([sample(ids=[0, "1", 2, 3, 4])], 'inputs[0].ids[1] is "1"; only numbers are allowed'),
        ([sample(ids=[0, 1])], f"inputs[0].ids has 2 items instead of 5; {TAKES}"),
        ([sample(age=[1e39])], "inputs[0].age[0] is 1e+39; allowed is any finite number"),
        ([sample(age=[float("inf")])], "inputs[0].age[0] is Infinity; allowed is any finite"),
        ([[[1, 2, 3, 4, 5]]], f"inputs[0] is an array instead of an object; {TAKES}"),
        ([sample(extra=1)], f'inputs[0] has "extra"; {TAKES}'),
        ([{"ids": [1] * 5, "age": [1]}], f"inputs[0] lacks mask; {TAKES}"),
        ([], "inputs"),
    ],
)
async def test_what_is_not_what_a_tensor_takes_is_refused_with_its_place(
    client: httpx.AsyncClient, inputs: list[Any], said: str
) -> None:
    content = json.dumps({"inputs": inputs})
    error = await refused(client, 422, "invalid_input", content)
    assert said in error["message"]
    assert error["field"] == "inputs"


async def test_whole_numbers_may_be_written_with_a_point(client: httpx.AsyncClient) -> None:
    body: Json = {"votes": 9, "seed": 1, "sigma": 1}
    plain = await ask(client, inputs=[sample()], **body)
    pointed = await ask(client, inputs=[sample(ids=[7.0, 999.0, 0.0, 3.0, 3e0])], **body)
    assert counts_of(plain) == counts_of(pointed)


async def test_one_input_without_a_range_takes_any_finite_number(
    client: httpx.AsyncClient,
) -> None:
    values = np.array([[1e6, -3.5, 0, 2], [-1e30, 1e-30, 7, 7]], np.float32)
    reply = await ask(client, checkpoint="plain", inputs=values.tolist(), sigma=0.0)
    expected = noiseless(PLAIN, {"features": values}).argmax(axis=1).tolist()
    assert [prediction["mode"] for prediction in reply["predictions"]] == expected
    error = await refused(
        client, 422, "invalid_input", checkpoint="plain", inputs=[{"features": [1, 2, 3, 4]}]
    )
    assert error["message"] == "inputs[0] is an object; checkpoint plain takes [n, 4]"


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [
        ("plain", "send inputs: checkpoint plain takes [n, 4], features: any finite number of"),
        ("bytes", "takes [n, 2, 2, 3], pixels: a whole number from 0 to 255"),
        ("text", f"{TAKES}, ids: a whole number from 0 to 999; mask: a whole number from 0 to 1;"),
    ],
)
async def test_a_picture_or_drawing_for_which_there_is_no_pipeline_is_told_what_is_taken(
    client: httpx.AsyncClient, checkpoint: str, said: str
) -> None:
    for field, given in (("image", picture()), ("strokes", [[[0, 0], [1, 1]]])):
        error = await refused(client, 422, "invalid_input", checkpoint=checkpoint, **{field: given})
        assert error["field"] == field
        assert said in error["message"]


async def test_a_picture_becomes_the_input_that_the_card_describes(
    client: httpx.AsyncClient,
) -> None:
    levels = np.random.default_rng(2).integers(0, 256, (12, 16, 3), np.uint8)
    small = Image.fromarray(levels).resize((9, 7), Image.Resampling.BILINEAR)
    cut = np.asarray(small, np.float32)[0:6, 0:8] / 255
    expected = ((cut - 0.5) / 0.25).transpose(2, 0, 1)
    body: Json = {"checkpoint": "seen", "votes": 30, "sigma": 1.0, "seed": 5}
    seen = await ask(client, image=encoded(png_bytes(Image.fromarray(levels))), **body)
    given = await ask(client, inputs=[expected.tolist()], **body)
    assert counts_of(seen) == counts_of(given)
    strip = encoded(png_bytes(Image.new("RGB", (400, 20))))
    error = await refused(client, 422, "invalid_picture", checkpoint="seen", image=strip)
    assert "400 x 20 pixels; a side may be at most 16 times as long" in error["message"]
    drawn = await refused(client, 422, "invalid_input", checkpoint="seen", strokes=[[[0, 0]]])
    assert "reads pictures, not strokes" in drawn["message"]


async def test_the_list_and_the_card_tell_every_input(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/checkpoints")).json()["checkpoints"]
    shapes = {entry["name"]: entry["input_shape"] for entry in listed}
    assert shapes["text"] == {"ids": [5], "mask": [5], "age": [1]}
    assert shapes["plain"] == [4]
    card = (await client.get("/checkpoints/seen")).json()
    assert card["inputs"][0]["picture"]["shortest_side"] == 7


async def test_our_client_asks_networks_of_several_inputs(client: httpx.AsyncClient) -> None:
    transport = client._transport
    async with AsyncClient("http://service", transport=transport) as ours:
        reply = await ours.predict(PredictRequest(inputs=[sample()], votes=4, seed=1))
        card = await ours.card("text")
        listed = await ours.checkpoints()
    assert reply.predictions[0].votes_cast == 4
    assert [tensor.name for tensor in card.inputs] == ["ids", "mask", "age"]
    assert {entry.name for entry in listed.checkpoints} >= {"text", "plain"}


async def test_attacks_need_one_input_of_numbers_in_a_range(client: httpx.AsyncClient) -> None:
    asked: Json = {"epsilon": 0.1, "sigma": 1.0, "labels": [0]}
    for name, given, said in (
        ("text", sample(), "takes ids (int64) and mask (int32) and age (float32); attacks are on"),
        ("plain", [1, 2, 3, 4], "has to stay in a range; import it again with --range"),
    ):
        body = asked | {"target": name, "surrogate": name, "inputs": [given]}
        error = error_in(await client.post("/attack", json=body), 422, "invalid_input")
        assert error["field"] == "target"
        assert said in error["message"]


async def test_inputs_that_overflow_without_noise_are_what_is_blamed(
    client: httpx.AsyncClient,
) -> None:
    largest = float(np.finfo(np.float32).max)
    body: Json = {"checkpoint": "plain", "inputs": [[largest] * 4]}
    error = await refused(client, 422, "invalid_input", **body, sigma=0.0)
    assert "overflow single precision without noise; use smaller inputs" in error["message"]
    assert error["field"] == "inputs"
