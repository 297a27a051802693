"""What requests on devices may ask for, what they are charged, and what is told of them."""

import asyncio
import json
import logging
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.service.configuration.settings import Settings
from noisevote.service.log.output import JsonFormatter
from noisevote.service.service import service_of
from tests.service.devices.test_votes import PRESET, UNSURE, on, told
from tests.service.on_devices import BOTH, FRESH, FROZEN
from tests.service.support import CHECKPOINT, array, ask, counts_of, error_in, refused, serving
from tests.service.test_metrics import scraped, value

pytestmark = pytest.mark.anyio

ONE = {"inputs": [array(7)], "device": FROZEN, "votes": 4, "seed": 3}


@pytest.mark.parametrize(
    ("changes", "code", "field", "said"),
    [
        ({"chips": 5}, "limit_exceeded", "chips", "chips is 5; allowed are 1 to 4, no more than"),
        ({"chips": 33, "votes": 40}, "limit_exceeded", "chips", "allowed are 1 to 32"),
        ({"chips": 0}, "invalid_input", "chips", "greater than or equal to 1"),
        ({"chips": 10**400}, "limit_exceeded", "chips", "allowed are 1 to 4"),
        ({"chip": 2**53}, "invalid_input", "chip", "allowed is a whole number from 0 to 900719"),
        ({"chip": True}, "invalid_input", "chip", "got true"),
        ({"chip": "new"}, "invalid_input", "chip", "'fresh' or 'none'"),
        ({"chip": 2**53 - 2, "chips": 3}, "invalid_input", None, "the last that there is has"),
        ({"chip": "none", "chips": 2}, "invalid_input", None, "leave out one"),
        ({"chips": 2, "device": FRESH}, "invalid_input", "chips", "all its chips are the same"),
        ({"age_s": 5.0}, "invalid_input", "age_s", "nothing of device frozen depends on it"),
        ({"age_s": 0.5, "device": PRESET}, "invalid_input", "age_s", "known from 1 to 172800"),
        ({"age_s": -1, "device": PRESET}, "invalid_input", "age_s", "greater than or equal to 0"),
        ({"temperature_c": 40}, "invalid_input", "temperature_c", "nothing of device frozen"),
        ({"sigma": 0.5}, "invalid_input", None, "device and sigma both say what noise"),
        ({"noise": "additive"}, "invalid_input", None, "device and noise both"),
        ({"stop": "calibrated"}, "invalid_input", "stop", "none is of a device"),
        ({"repeats": {"fc9": 2}}, "invalid_input", "repeats", "is no noise point"),
        ({"device": {"fc9": PRESET}}, "invalid_input", "device", "'fc9' fits no noise point"),
        ({"device": {"*": "no-such"}}, "unknown_device", "device", "there is no device 'no-such'"),
        ({"device": "digital"}, "unknown_device", "device", 'is the map {"*": "digital"}'),
        ({"device": ""}, "unknown_device", "device", "there is no device ''"),
        ({"device": {}}, "invalid_input", "device", "allowed is the name of a device"),
        ({"device": [PRESET]}, "invalid_input", "device", "allowed is the name of a device"),
        ({"device": {"*": 1}}, "invalid_input", "device", 'got 1 for "*"'),
        ({"device": {"*" * 257: PRESET}}, "invalid_input", "device", "of 257 letters; allowed"),
        ({"device": dict.fromkeys(map(str, range(1001)), PRESET)}, "invalid_input", "device",
         "got 1001 patterns; allowed are 1000"),
        ({"device": None, "chip": 3}, "invalid_input", None, "chip is that of a device"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_for_is_refused_with_what_can(
    changes: Any, code: str, field: str | None, said: str, client: httpx.AsyncClient
) -> None:
    status = 404 if code.startswith("unknown") else 422
    error = await refused(client, status, code, **ONE | changes)
    assert error.get("field") == field
    assert said in error["message"]


async def test_chips_count_as_votes_of_the_request() -> None:
    gmacs = Checkpoint(SHIPPED / CHECKPOINT).card.macs / 1e9
    settings = Settings(slots=1, max_request_gmacs=500.5 * gmacs)
    async with serving(settings) as (_, client):
        body = {"inputs": [array(7)], "device": BOTH, "votes": 20, "seed": 3}
        await ask(client, **body, chips=6)
        error = await refused(client, 422, "limit_exceeded", **body, chips=7)
        await ask(client, **body | {"device": FRESH, "votes": 500})
    assert error["message"] == (
        "1 inputs with 20 votes each on chips that count for 560 are too many for one request; "
        f"checkpoint {CHECKPOINT} allows 500 votes in all"
    )


async def test_profiles_in_requests_can_be_forbidden() -> None:
    settings = Settings(slots=1, allow_inline_devices=False)
    async with serving(settings) as (_, client):
        for device in (FROZEN, {"fc1": FROZEN}):
            error = await refused(client, 422, "invalid_input", **ONE | {"device": device})
            assert "takes devices by name only; GET /devices lists them" in error["message"]
        await ask(client, **ONE | {"device": {"fc1": PRESET}})


async def test_devices_of_the_operator_are_found_by_name_and_read_again_when_changed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('profile = 1\nname = "mine"\n[read]\na = 0.1\n')
    (tmp_path / "bad.toml").write_text('profile = 1\nname = "bad"\nread.a = "much"\n')
    settings = Settings(slots=1, devices=(tmp_path,))
    async with serving(settings) as (_, client):
        first = await ask(client, **ONE | {"device": "mine"})
        error = await refused(client, 404, "unknown_device", **ONE | {"device": "bad"})
        assert "read.a" in error["message"]
        file.write_text('profile = 1\nname = "mine"\n[read]\na = 0.25\n')
        second = await ask(client, **ONE | {"device": "mine"})
    assert first["device"]["digest"] != second["device"]["digest"]
    assert first["fingerprint"] != second["fingerprint"]


async def test_a_new_chip_is_charged_and_one_that_is_held_is_not() -> None:
    settings = Settings(
        slots=1,
        rate_limit_votes_per_s=1e-3,
        rate_limit_burst_votes=200,
    )
    async with serving(settings) as (_, client):
        await ask(client, **ONE | {"device": BOTH})  # 84 of 200
        for _ in range(4):
            await ask(client, **ONE | {"device": BOTH})  # 16 more
        error = await refused(client, 429, "rate_limited", **ONE | {"device": BOTH, "chips": 3})
        assert "these 164 votes can be asked for" in error["message"]
        await ask(client, **ONE | {"device": BOTH, "chip": 1})  # 84 more, of which 16 are left
        await refused(client, 429, "rate_limited", **ONE | {"device": BOTH, "votes": 17})
        await ask(client, **ONE | {"device": BOTH, "votes": 16})


async def test_chips_stay_within_their_memory_and_answer_as_if_there_were_plenty(
    client: httpx.AsyncClient,
) -> None:
    body = on(BOTH, inputs=UNSURE[:3], votes=32, chips=32)
    most = 10 * 2**20  # two chips
    settings = Settings(slots=2, max_chip_bytes=most)
    async with serving(settings) as (app, narrow):
        held = service_of(app).predictor.backend.devices.held
        one = await ask(narrow, **body)
        assert held.made < 40, "no chip is made again for the next input"
        another, _ = await asyncio.gather(
            ask(narrow, **body | {"chip": 16, "chips": 4}),
            ask(narrow, **body | {"chip": 100, "chips": 4}),
        )
        seen = await scraped(narrow)
        assert 0 < held.bytes <= most
    assert value(seen, "chip_bytes") <= most
    assert value(seen, "chips_made_total", checkpoint=CHECKPOINT) > 32
    plenty = await ask(client, **body | {"chip": 16, "chips": 4})
    assert told(another)["predictions"] == told(plenty)["predictions"]
    assert one["predictions"][0]["per_chip"] != another["predictions"][0]["per_chip"]


async def test_a_deadline_ends_the_voting_between_chips(client: httpx.AsyncClient) -> None:
    body = on(BOTH, inputs=UNSURE[:4], votes=400, chips=2, chip=40, deadline_ms=300)
    response = await client.post("/predict", json=body)
    if response.status_code == 504:  # not one vote on so slow a machine
        error_in(response, 504, "deadline")
        return
    for one in response.json()["predictions"]:
        assert sum(map(sum, one["per_chip"])) == one["votes_cast"]
        assert one["stopped_by"] in {"deadline", "full"}
    whole = await ask(client, **{name: body[name] for name in body if name != "deadline_ms"})
    for one, full in zip(response.json()["predictions"], whole["predictions"], strict=True):
        assert all(a <= b for a, b in zip(one["vote_counts"], full["vote_counts"], strict=True))


async def test_a_stream_ends_with_the_reply_and_its_votes_add_up(
    client: httpx.AsyncClient,
) -> None:
    body = on(PRESET, inputs=UNSURE[:1], votes=12, chips=3)
    text = (await client.post("/predict/stream", json=body)).text
    events = [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in (block.split("\n") for block in text.strip().split("\n\n"))
    ]
    *votes, (_, last) = events
    fell_on = [vote for _, data in votes for vote in data["fell_on"]]
    assert told(last) == told(await ask(client, **body))
    counts = last["predictions"][0]["vote_counts"]
    assert [fell_on.count(kind) for kind in range(10)] == counts


async def test_v2_casts_the_same_votes_and_tells_how_to_ask_for_them_again(
    client: httpx.AsyncClient,
) -> None:
    data = {"name": "input", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [UNSURE[0]]}
    asked = {"device": PRESET, "chip": 5, "chips": 3, "age_s": 86400.0, "votes": 9, "seed": 4}

    async def inferred(parameters: Any) -> Any:
        body = {"inputs": [data], "parameters": parameters}
        response = await client.post(f"/v2/models/{CHECKPOINT}/infer", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    reply = await inferred(asked)
    there = {output["name"]: output["data"] for output in reply["outputs"]}
    (here,) = counts_of(await ask(client, **asked, inputs=UNSURE[:1]))
    assert there["vote_counts"] == here
    again = {name: reply["parameters"][name] for name in asked if name != "votes"}
    assert again == {name: asked[name] for name in asked if name != "votes"}
    assert (await inferred(again | {"votes": 9}))["outputs"] == reply["outputs"]
    fresh = await inferred({"device": PRESET, "chip": "fresh", "votes": 9})
    assert fresh["parameters"]["chip"] == "fresh"
    wrong = {"inputs": [data], "parameters": {"device": "no-such"}}
    response = await client.post(f"/v2/models/{CHECKPOINT}/infer", json=wrong)
    assert response.status_code == 404
    assert "there is no device 'no-such'" in response.json()["error"]


async def test_metrics_and_log_name_the_devices_of_the_operator_and_no_others(
    client: httpx.AsyncClient,
) -> None:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("noisevote")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    before = await scraped(client)
    try:
        for device in (PRESET, FROZEN | {"name": "s3cret"}, {"fc?": PRESET}):
            await ask(client, **on(device))
        await ask(client, inputs=[array(1)])
        await refused(client, 404, "unknown_device", **on("s3cret"))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    after = await scraped(client)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    predicted = [line for line in lines if line["route"] == "/predict"]
    assert [line.get("device") for line in predicted] == [PRESET, "inline", "by point", None, None]
    counted = {
        name: value(after, "device_predictions_total", checkpoint=CHECKPOINT, device=name)
        - value(before, "device_predictions_total", checkpoint=CHECKPOINT, device=name)
        for name in (PRESET, "inline", "by point")
    }
    assert counted == dict.fromkeys(counted, len(UNSURE))
    assert "s3cret" not in stream.getvalue() + str(after)


async def test_the_drift_monitor_takes_no_votes_on_devices(client: httpx.AsyncClient) -> None:
    async def answers() -> list[int]:
        card = (await client.get(f"/checkpoints/{CHECKPOINT}")).json()
        return [series["answers"] for series in card["drift"]]

    before = await answers()
    await ask(client, **on(FRESH | {"read": {"b": 1.0}}, votes=20))
    assert await answers() == before
    await ask(client, inputs=UNSURE, votes=20)
    assert await answers() != before
