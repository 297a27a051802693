"""Votes on analog devices over HTTP: which chip casts them, and what the reply says."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import profile_of
from noisevote.service.client import Client
from noisevote.service.configuration.settings import Settings
from noisevote.service.wire.requests import PredictRequest
from tests.service.on_devices import BOTH, FRESH, FROZEN
from tests.service.support import (
    CHECKPOINT,
    POINTS,
    Json,
    array,
    ask,
    counts_of,
    noise_image,
    refused,
    serving,
)
from tests.service.test_metrics import scraped, value
from tests.service.test_server import started

pytestmark = pytest.mark.anyio

PRESET = "reram-wan"
UNSURE = [noise_image(seed) for seed in range(12)]
"""Inputs that every chip reads otherwise."""


def on(device: Any, **changes: Any) -> Json:
    return {"inputs": UNSURE, "device": device, "votes": 4, "seed": 3} | changes


def told(reply: Json) -> Json:
    """Return what two replies to the same question agree in."""
    return {name: part for name, part in reply.items() if name != "timing_ms"}


async def test_a_chip_is_the_same_for_all_seeds_and_another_one_is_another(
    client: httpx.AsyncClient,
) -> None:
    replies = [
        counts_of(await ask(client, **on(FROZEN, chip=chip, seed=seed)))
        for chip, seed in ((0, 1), (0, 2), (2**53 - 1, 1), (2**53 - 1, 9))
    ]
    assert replies[0] == replies[1]
    assert replies[2] == replies[3]
    assert replies[0] != replies[2]
    assert all(4 in counts for counts in replies[0]), "votes on one chip are all the same"


async def test_the_same_body_gives_the_same_votes_after_a_restart_and_in_another_process(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    body = on(PRESET, chip=7, chips=2, age_s=86400.0)
    first = await ask(client, **body)
    async with serving(Settings(slots=1)) as (_, restarted):
        again = await ask(restarted, **body)
    settings = {"NOISEVOTE_JOBS_DIR": str(tmp_path)}
    with started(settings) as server, Client(str(server.client.base_url)) as http:
        elsewhere = http.predict(PredictRequest.model_validate(body))
    there = json.loads(elsewhere.model_dump_json())
    assert told(again) == told(first)
    del there["device"]["compensation"], first["device"]["compensation"]
    assert told(there) == told(first)


async def test_devices_chips_and_ages_that_share_forward_passes_answer_as_alone(
    client: httpx.AsyncClient,
) -> None:
    bodies = [
        on(FRESH, inputs=UNSURE[:2]),
        on(BOTH, inputs=UNSURE[:2], chips=3),
        on(PRESET, inputs=UNSURE[:2], chip=1),
        on(PRESET, inputs=UNSURE[:2], chip=1, age_s=86400.0),
        on({"conv*": PRESET, "fc2": BOTH}, inputs=UNSURE[:2], chip="fresh"),
        on("ideal-8-8", inputs=UNSURE[:2]),
        on("pcm-nandakumar", inputs=UNSURE[:2], stop="exact"),
    ]
    alone = [await ask(client, **body) for body in bodies]
    before = await scraped(client)
    together = await asyncio.gather(*(ask(client, **body) for body in bodies))
    after = await scraped(client)
    assert [told(reply) for reply in together] == [told(reply) for reply in alone]
    sums = [value(seen, "batch_rows_sum", checkpoint=CHECKPOINT) for seen in (before, after)]
    passes = [value(seen, "batch_rows_count", checkpoint=CHECKPOINT) for seen in (before, after)]
    assert (sums[1] - sums[0]) / (passes[1] - passes[0]) > 8, "no request has more rows than 8"


async def test_chips_have_as_many_votes_or_one_more_and_are_told_apart(
    client: httpx.AsyncClient,
) -> None:
    reply = await ask(client, **on(BOTH, votes=11, chip=5, chips=3))
    assert reply["device"]["chips"] == [5, 6, 7]
    for one in reply["predictions"]:
        assert sorted(map(sum, one["per_chip"])) == [3, 4, 4]
        assert [sum(votes) for votes in zip(*one["per_chip"], strict=True)] == one["vote_counts"]
    alone = await ask(client, **on(BOTH, votes=11, chip=5))
    assert not any("per_chip" in one for one in alone["predictions"])


async def test_statistics_are_told_where_votes_hang_together_in_nothing_but_the_chip(
    client: httpx.AsyncClient,
) -> None:
    for chips, holds in ((1, True), (2, False), (5, False), (6, True)):
        reply = await ask(client, **on(BOTH, votes=6, chips=chips))
        for one in reply["predictions"]:
            for name in ("interval", "p_value", "abstain", "abstains_below"):
                assert (one[name] is not None) == holds


async def test_a_device_without_fresh_noise_is_sure_of_its_answer_after_one_pass(
    client: httpx.AsyncClient,
) -> None:
    before = await scraped(client)
    reply = await ask(client, **on("ideal-8-8", votes=1000))
    after = await scraped(client)
    assert all(one["interval"] == [1.0, 1.0] for one in reply["predictions"])
    assert reply["device"] | {"digest": ""} == {
        "name": "ideal-8-8", "digest": "", "chips": [], "age_s": None, "temperature_c": None,
        "repeats": None, "compensation": None,
    }  # fmt: skip
    rows = [value(seen, "batch_rows_sum", checkpoint=CHECKPOINT) for seen in (before, after)]
    assert rows[1] - rows[0] == len(UNSURE)


async def test_a_device_that_only_adds_noise_is_additive_noise_and_one_that_does_nothing_none(
    client: httpx.AsyncClient,
) -> None:
    noise = {"read": {"unit": "network", "a": 0.7}}
    plain = {"inputs": UNSURE, "votes": 9, "seed": 3, "noise": "additive"}
    for device, sigma in ((noise, 0.7), ({}, 0.0)):
        profile = {"profile": 1, "name": "plain"} | device
        on_it = await ask(client, **on(profile, votes=9))
        assert counts_of(on_it) == counts_of(await ask(client, **plain, sigma=sigma))
        assert on_it["noise"] is None


@pytest.mark.parametrize("stop", ["exact", "bounded"])
async def test_an_early_stop_casts_a_prefix_of_all_votes(
    stop: str, client: httpx.AsyncClient
) -> None:
    body = on(BOTH, inputs=[array(4), *UNSURE[:3]], votes=40, chips=4)
    whole = await ask(client, **body)
    early = await ask(client, **body, stop=stop)
    assert early["predictions"][0]["votes_cast"] < 40
    for one, full in zip(early["predictions"], whole["predictions"], strict=True):
        assert one["interval"] is None
        assert sum(map(sum, one["per_chip"])) == one["votes_cast"]
        for some, every in zip(one["per_chip"], full["per_chip"], strict=True):
            assert all(a <= b for a, b in zip(some, every, strict=True))
        assert stop == "bounded" or one["mode"] == full["mode"]


async def test_fresh_chips_are_those_of_the_seed(client: httpx.AsyncClient) -> None:
    asked = on(BOTH, chip="fresh", chips=3)
    replies = [await ask(client, **asked | {"seed": seed}) for seed in (1, 1, 2)]
    chips = [reply["device"]["chips"] for reply in replies]
    assert chips[0] == chips[1] != chips[2]
    assert len({*chips[0], *chips[2]}) == 6
    assert counts_of(replies[0]) == counts_of(replies[1])


async def test_without_frozen_errors_only_what_is_fresh_is_left(
    client: httpx.AsyncClient,
) -> None:
    without = await ask(client, **on(BOTH, chip="none"))
    alone = await ask(client, **on({**BOTH, "program": {}}))
    assert counts_of(without) == counts_of(alone)
    assert without["device"]["chips"] == []


async def test_the_reply_says_what_the_device_was(client: httpx.AsyncClient) -> None:
    profile = DeviceStore().find("pcm-hermes-2t")
    first = await ask(client, **on("pcm-hermes-2t"))
    assert first["device"]["digest"] == profile.digest
    assert first["device"]["age_s"] == profile.age_range_s[0]
    old = await ask(client, **on("pcm-hermes-2t", age_s=3600.0))
    assert old["device"]["age_s"] == 3600.0
    assert set(old["device"]["compensation"]) == set(POINTS)
    assert min(old["device"]["compensation"].values()) > 1
    by_point = await ask(client, **on({"fc2": "digital", "fc?": "pcm-hermes-2t"}))
    assert by_point["device"]["name"] == dict.fromkeys(POINTS, "digital") | {"fc1": profile.name}
    prints = {reply["fingerprint"] for reply in (first, old, by_point)}
    assert len(prints) == 2, "the age is part of the request, the device of the fingerprint"


async def test_ages_and_temperatures_that_differ_are_told_by_noise_point(
    client: httpx.AsyncClient,
) -> None:
    warm = {"profile": 1, "name": "warm", "temperature": {"gain_per_k": 0.01, "reference_c": 40.0}}
    kept = {"conv1": "pcm-hermes-2t", "conv2": "sonos-40nm", "fc1": "ideal-8-8", "fc2": warm}
    reply = await ask(client, **on(kept))
    assert reply["device"]["age_s"] == {"conv1": 0.0, "conv2": 60.0}
    assert reply["device"]["temperature_c"] == 40.0
    asked = await ask(client, **on(kept, age_s=60.0))
    assert asked["device"]["age_s"] == 60.0
    both = await ask(client, **on({"conv1": "sonos-40nm", "fc2": "sonos-40nm"}))
    assert both["device"]["age_s"] == 60.0


async def test_repeats_are_told_where_they_were_asked_for(client: httpx.AsyncClient) -> None:
    assert (await ask(client, **on(BOTH)))["device"]["repeats"] is None
    reply = await ask(client, **on(BOTH, repeats={"fc2": 4}))
    assert reply["device"]["repeats"] == {"fc2": 4}


def test_what_clients_get_as_a_profile_may_be_sent_back() -> None:
    profile = DeviceStore().find("pcm-hermes-2t")
    plain = PredictRequest(inputs=UNSURE, device="pcm-hermes-2t")
    whole = PredictRequest.model_validate({"inputs": UNSURE, "device": profile})
    parts = PredictRequest.model_validate(
        {"inputs": UNSURE, "device": {"conv*": profile, "fc1": "digital"}}
    )
    assert plain.device == profile.name
    assert isinstance(whole.device, dict)
    assert profile_of(whole.device) == profile
    assert isinstance(parts.device, dict)
    assert profile_of(parts.device["conv*"]) == profile
    again = PredictRequest.model_validate_json(whole.model_dump_json(exclude_unset=True))
    assert again.device == whole.device


async def test_without_frozen_errors_each_number_is_the_same_chip(
    client: httpx.AsyncClient,
) -> None:
    first, other = [await ask(client, **on(FRESH, chip=chip)) for chip in (0, 7)]
    assert told(other) == told(first)
    assert first["device"]["chips"] == []


async def test_a_profile_in_the_request_casts_the_votes_of_the_preset(
    client: httpx.AsyncClient,
) -> None:
    shown = (await client.get(f"/devices/{PRESET}")).json()
    named = await ask(client, **on(PRESET))
    inline = await ask(client, **on(shown["profile"]))
    assert told(inline) == told(named)
    assert profile_of(shown["profile"]).digest == shown["digest"]


async def test_costs_are_those_of_the_profile_and_of_nobody_else(
    client: httpx.AsyncClient,
) -> None:
    reply = await ask(client, **on("pcm-hermes-2t"))
    cost = reply["predictions"][0]["cost"]
    assert cost["energy"] == pytest.approx(4 * 44.94e-6, rel=1e-3)
    assert cost["sequential_latency"] == pytest.approx(4 * 260.8e-6, rel=1e-3)
    assert cost["equal_energy_sigma"] is None
    hardware = {"hardware": {"latency": 1.0}}
    error = await refused(client, 422, "invalid_input", **on("pcm-hermes-2t"), **hardware)
    assert error["field"] == "hardware"
    silent = await ask(client, **on(PRESET), **hardware)
    assert silent["predictions"][0]["cost"]["sequential_latency"] == 24
