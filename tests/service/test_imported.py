"""Networks of others over HTTP: several inputs, whole numbers, no range, and pictures by a card."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from noisevote.models.specs import InputSpec, PictureSpec
from noisevote.service.client import AsyncClient
from noisevote.service.configuration.settings import Settings
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest
from tests.drawing import png_bytes
from tests.foreign import drawn, noiseless
from tests.service.support import (
    Json,
    ask,
    copy_of_checkpoint,
    counts_of,
    encoded,
    error_in,
    picture,
    refused,
    serving,
)

pytestmark = pytest.mark.anyio

HEADER_LENGTH = "Inference-Header-Content-Length"
TEXT = [
    InputSpec(name="ids", dtype="int64", shape=(5,), range=(0, 999)),
    InputSpec(name="mask", dtype="int32", shape=(5,), range=(0, 1)),
    InputSpec(name="age", shape=(1,), range=None),
]
PLAIN = [InputSpec(name="features", shape=(4,), range=None)]
BYTES = [InputSpec(name="pixels", dtype="uint8", shape=(2, 2, 3), range=(0, 255))]
SEEN = [
    InputSpec(
        name="photo",
        shape=(3, 6, 8),
        range=None,
        picture=PictureSpec(shortest_side=7, crop=(6, 8), mean=(0.5,) * 3, std=(0.25,) * 3),
    )
]
MANY = [f"bird {number}" for number in range(30)]
TAKES = "checkpoint text takes objects of ids [5] and mask [5] and age [1]"


def sample(**changes: Any) -> Json:
    return {"ids": [7, 999, 0, 3, 3], "mask": [1, 1, 1, 0, 0], "age": [31.5]} | changes


def arrays(samples: list[Json]) -> dict[str, NDArray[Any]]:
    return {
        tensor.name: np.array([each[tensor.name] for each in samples], tensor.dtype)
        for tensor in TEXT
    }


@pytest.fixture(scope="module")
async def client(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, inputs in {"text": TEXT, "plain": PLAIN, "bytes": BYTES, "seen": SEEN}.items():
        drawn(folder / name, inputs)
    drawn(folder / "birds", PLAIN, MANY)
    drawn(folder / "twenty", PLAIN, MANY[:20])
    copy_of_checkpoint(folder)
    settings = Settings(slots=1, checkpoints=folder, default_checkpoint="text")
    async with serving(settings) as (_, client):
        assert (await client.get("/checkpoints")).json()["refused"] == {}
        yield client


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


def tensors_of(samples: list[Json]) -> list[Json]:
    given = arrays(samples)
    types = {"ids": "INT64", "mask": "INT32", "age": "FP32"}
    return [
        {
            "name": name,
            "datatype": types[name],
            "shape": list(given[name].shape),
            "data": given[name].tolist(),
        }
        for name in ("age", "ids", "mask")  # in any order
    ]


async def infer(client: httpx.AsyncClient, name: str, **sent: Any) -> httpx.Response:
    return await client.post(f"/v2/models/{name}/infer", **sent)


async def test_over_v2_they_bear_their_own_names_and_types(client: httpx.AsyncClient) -> None:
    model = (await client.get("/v2/models/text")).json()
    assert model["inputs"] == [
        {"name": "ids", "datatype": "INT64", "shape": [-1, 5]},
        {"name": "mask", "datatype": "INT32", "shape": [-1, 5]},
        {"name": "age", "datatype": "FP32", "shape": [-1, 1]},
    ]
    config = (await client.get("/v2/models/bytes/config")).json()
    assert config["input"] == [{"name": "pixels", "data_type": "TYPE_UINT8", "dims": [2, 2, 3]}]
    own = (await client.get("/v2/models/mnist_cnn-mult-1.0")).json()
    assert own["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 1, 28, 28]}]


async def test_over_v2_json_and_bytes_get_the_votes_of_predict(client: httpx.AsyncClient) -> None:
    samples = [sample(), sample(age=[-2])]
    parameters = {"votes": 25, "seed": 9, "sigma": 1.0}
    expected = counts_of(await ask(client, inputs=samples, **parameters))
    tensors = tensors_of(samples)
    plain = await infer(client, "text", json={"inputs": tensors, "parameters": parameters})
    flat = [each | {"data": np.ravel(each["data"]).tolist()} for each in tensors]
    flattened = await infer(client, "text", json={"inputs": flat, "parameters": parameters})
    given, behind, described = arrays(samples), b"", []
    for each in tensors:
        entry = {key: value for key, value in each.items() if key != "data"}
        if each["name"] == "mask":  # one of them stands in the JSON
            described.append(each)
            continue
        content = given[each["name"]].tobytes()
        described.append(entry | {"parameters": {"binary_data_size": len(content)}})
        behind += content
    head = json.dumps({"inputs": described, "parameters": parameters}).encode()
    headers = {HEADER_LENGTH: str(len(head))}
    binary = await infer(client, "text", content=head + behind, headers=headers)
    for reply in (plain, flattened, binary):
        assert reply.status_code == 200, reply.text
        outputs = {output["name"]: output["data"] for output in reply.json()["outputs"]}
        assert np.reshape(outputs["vote_counts"], (2, 3)).tolist() == expected
    cut = await infer(client, "text", content=(head + behind)[:-1], headers=headers)
    assert "its shape needs 80" in cut.json()["error"]
    longer = await infer(client, "text", content=head + behind + b"x", headers=headers)
    assert "1 bytes follow the JSON" in longer.json()["error"]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("ids", {"datatype": "INT32"}, 'ids is "INT32"; only INT64 is taken'),
        ("ids", {"name": "tokens"}, "model text takes those named 'ids' and 'mask' and 'age'"),
        ("ids", {"shape": [1, 4]}, "ids has the shape [1, 4]; model text takes [n, 5]"),
        ("age", {"shape": [2, 1], "data": [1, 2]}, "different numbers of inputs: age 2, ids 1"),
        ("ids", {"data": [1, 2, 3, 4, 1000]}, "inputs[0].ids[4] is 1000.0; allowed is a whole"),
        ("ids", {"data": [[1, 2, 3, 4, 0.5]]}, "inputs[0].ids[4] is 0.5; allowed is a whole"),
        ("mask", {"name": "ids", "datatype": "INT64"}, 'the inputs are "age", "ids", "ids"'),
    ],
)
async def test_tensors_that_are_not_the_models_are_refused(
    client: httpx.AsyncClient, name: str, change: Json, said: str
) -> None:
    tensors = [each | change if each["name"] == name else each for each in tensors_of([sample()])]
    reply = await infer(client, "text", json={"inputs": tensors})
    assert reply.status_code == 400
    assert said in reply.json()["error"]


async def test_bytes_are_taken_as_bytes(client: httpx.AsyncClient) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [2, 2, 2, 3]}
    described = tensor | {"parameters": {"binary_data_size": 24}}
    head = json.dumps({"inputs": [described], "parameters": {"sigma": 0.0}}).encode()
    headers = {HEADER_LENGTH: str(len(head))}
    reply = await infer(client, "bytes", content=head + pixels.tobytes(), headers=headers)
    outputs = {output["name"]: output["data"] for output in reply.json()["outputs"]}
    assert outputs["mode"] == noiseless(BYTES, {"pixels": pixels}).argmax(axis=1).tolist()


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


BIRD: Json = {"inputs": [[0.1, 0.2, 0.1, 0.3]], "sigma": 5.0, "votes": 60, "seed": 2}


async def test_above_twenty_classes_those_with_votes_are_listed_most_first(
    client: httpx.AsyncClient,
) -> None:
    reply = await ask(client, checkpoint="birds", **BIRD)
    (found,) = reply["predictions"]
    top = found["top"]
    assert found["vote_counts"] is None
    assert sum(each["votes"] for each in top) == found["votes_cast"] == 60
    assert [(-each["votes"], each["index"]) for each in top] == sorted(
        (-each["votes"], each["index"]) for each in top
    )
    assert all(each["label"] == MANY[each["index"]] and each["votes"] > 0 for each in top)
    assert (found["mode"], found["label"]) == (top[0]["index"], top[0]["label"])
    assert found["agreement"] == top[0]["votes"] / 60
    assert 2 < len(top) < 30


async def test_of_twenty_classes_all_are_counted_and_nothing_is_listed(
    client: httpx.AsyncClient,
) -> None:
    (found,) = (await ask(client, checkpoint="twenty", **BIRD))["predictions"]
    assert len(found["vote_counts"]) == 20
    assert "top" not in found


async def test_streams_list_the_classes_and_v2_counts_all(client: httpx.AsyncClient) -> None:
    (found,) = (await ask(client, checkpoint="birds", **BIRD))["predictions"]
    stream = await client.post("/predict/stream", json={"checkpoint": "birds", **BIRD})
    events = [
        json.loads(line.removeprefix("data: "))
        for line in stream.text.splitlines()
        if line.startswith("data: ")
    ]
    votes = [each for each in events if "fell_on" in each]
    assert all(each["vote_counts"] is None for each in votes)
    assert votes[-1]["top"] == events[-1]["predictions"][0]["top"] == found["top"]
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, 4], "data": BIRD["inputs"]}
    parameters = {name: BIRD[name] for name in ("sigma", "votes", "seed")}
    reply = await infer(client, "birds", json={"inputs": [tensor], "parameters": parameters})
    outputs = {output["name"]: output["data"] for output in reply.json()["outputs"]}
    dense = [0] * 30
    for each in found["top"]:
        dense[each["index"]] = each["votes"]
    assert outputs["vote_counts"] == dense


async def test_our_client_reads_listed_classes(client: httpx.AsyncClient) -> None:
    async with AsyncClient("http://service", transport=client._transport) as ours:
        reply = await ours.predict(PredictRequest.model_validate({"checkpoint": "birds", **BIRD}))
        heard = [event async for event in ours.stream(PredictRequest(checkpoint="birds", **BIRD))]
    (found,) = reply.predictions
    assert found.top is not None
    assert sum(found.counts_of(30)) == sum(found.counts) == 60
    assert found.counts_of(30)[found.mode] == found.top[0].votes
    assert isinstance(heard[-1], PredictResponse)
    assert heard[-1].predictions[0].top == found.top
    metrics = (await client.get("/metrics")).text
    assert 'noisevote_agreement_count{checkpoint="birds"}' in metrics


async def test_inputs_that_overflow_without_noise_are_what_is_blamed(
    client: httpx.AsyncClient,
) -> None:
    largest = float(np.finfo(np.float32).max)
    body: Json = {"checkpoint": "plain", "inputs": [[largest] * 4]}
    error = await refused(client, 422, "invalid_input", **body, sigma=0.0)
    assert "overflow single precision without noise; use smaller inputs" in error["message"]
    assert error["field"] == "inputs"
