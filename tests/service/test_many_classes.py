"""Replies of networks of more than 20 classes."""

import json

import httpx
import pytest

from noisevote.service.client import AsyncClient
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest
from tests.service.imported import MANY
from tests.service.support import (
    Json,
    ask,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def client(imported: httpx.AsyncClient) -> httpx.AsyncClient:
    return imported


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
    body = {"inputs": [tensor], "parameters": parameters}
    reply = await client.post("/v2/models/birds/infer", json=body)
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
