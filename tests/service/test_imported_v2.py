"""Networks of others over the Open Inference Protocol: their own tensor names and types."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from tests.foreign import noiseless
from tests.service.imported import BYTES, arrays, sample
from tests.service.support import (
    Json,
    ask,
    counts_of,
)

pytestmark = pytest.mark.anyio

HEADER_LENGTH = "Inference-Header-Content-Length"


@pytest.fixture
def client(imported: httpx.AsyncClient) -> httpx.AsyncClient:
    return imported


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
