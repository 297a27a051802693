"""A seed gives the same votes again: alone, in a crowd, after a restart; and it gives no others."""

import asyncio

import httpx
import numpy as np
import pytest

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.service.configuration.settings import Settings
from tests.service.support import (
    POINTS,
    Json,
    array,
    ask,
    counts_of,
    noise_image,
    picture,
    refused,
    serving,
)

pytestmark = pytest.mark.anyio

UNSURE: Json = {"inputs": [noise_image(1), array(8), noise_image(2)], "votes": 30}

CROWD: list[Json] = [
    {"image": picture(3)},
    {"image": picture(3), "seed": 1, "votes": 7},
    {"inputs": [noise_image(seed) for seed in range(9)], "stop": "exact"},
    {"inputs": [array(5)] * 17, "sigma": 0.3, "votes": 3},
    {"inputs": [array(5)], "noise": "additive", "sigma": 0.5, "votes": 40},
    {"inputs": [array(1)], "sigma": dict.fromkeys(POINTS, 0.2), "repeats": {"fc2": 4}},
    {"inputs": [array(1)], "sigma": 0},
]


async def test_the_echoed_seed_replays_the_votes(client: httpx.AsyncClient) -> None:
    first = await ask(client, **UNSURE)
    again = await ask(client, **UNSURE, seed=first["seed"])
    assert again["predictions"] == first["predictions"]
    assert again["seed"] == first["seed"]
    assert again["fingerprint"] == first["fingerprint"]


async def test_votes_replay_among_other_requests_in_flight(client: httpx.AsyncClient) -> None:
    alone = [await ask(client, **{"seed": 5, **body}) for body in [UNSURE, *CROWD]]
    together = await asyncio.gather(
        *(ask(client, **{"seed": 5, **body}) for body in [UNSURE, *CROWD, UNSURE]),
        *(ask(client, **body) for body in CROWD),
        refused(client, 422, "invalid_input", **UNSURE, alpha=2),
    )
    for before, after in zip([*alone, alone[0]], together, strict=False):
        assert after["predictions"] == before["predictions"]


@pytest.mark.parametrize("name", CheckpointStore(SHIPPED).names())
async def test_every_shipped_checkpoint_replays_alone_and_in_a_crowd(
    client: httpx.AsyncClient, name: str
) -> None:
    checkpoint = CheckpointStore(SHIPPED).find(name)
    taken = checkpoint.card.input
    inputs = np.random.default_rng(0).uniform(*taken.limits, (2, *taken.shape)).tolist()
    body = {"checkpoint": name, "inputs": inputs, "sigma": 0.8, "votes": 6}
    first = await ask(client, **body)
    again, *_ = await asyncio.gather(
        ask(client, **body, seed=first["seed"]), *(ask(client, **body) for _ in range(2))
    )
    assert again["predictions"] == first["predictions"]
    assert again["fingerprint"] == checkpoint.fingerprint


async def test_votes_replay_after_a_restart_and_on_another_number_of_slots(
    client: httpx.AsyncClient,
) -> None:
    before = await ask(client, **UNSURE)
    async with serving(Settings(slots=1)) as (_, restarted):
        after = await ask(restarted, **UNSURE, seed=before["seed"])
    assert after["predictions"] == before["predictions"]
    assert after["fingerprint"] == before["fingerprint"]


async def test_without_a_seed_each_request_draws_its_own(client: httpx.AsyncClient) -> None:
    replies = [await ask(client, **UNSURE) for _ in range(3)]
    assert len({reply["seed"] for reply in replies}) == 3
    assert len({str(counts_of(reply)) for reply in replies}) == 3


async def test_another_seed_gives_other_votes(client: httpx.AsyncClient) -> None:
    seeds = [0, 1, 2**32, 2**53 - 1]
    replies = [await ask(client, **UNSURE, seed=seed) for seed in seeds]
    assert len({str(counts_of(reply)) for reply in replies}) == len(seeds)


async def test_an_input_votes_the_same_whatever_its_neighbours_are(
    client: httpx.AsyncClient,
) -> None:
    alone = await ask(client, inputs=[noise_image(1)], seed=6)
    crowds = [[array(1)], [noise_image(9)] * 20, [noise_image(1)]]
    for crowd in crowds:
        reply = await ask(client, inputs=[noise_image(1), *crowd], seed=6)
        assert counts_of(reply)[0] == counts_of(alone)[0]
    left, right = [
        counts_of(await ask(client, inputs=[neighbour, noise_image(1)], seed=6))
        for neighbour in (array(1), noise_image(9))
    ]
    assert left[1] == right[1]


async def test_the_position_of_an_input_is_part_of_its_noise(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[noise_image(1)] * 3, votes=100, seed=6)
    assert len({str(counts) for counts in counts_of(reply)}) == 3


async def test_when_a_neighbour_stops_does_not_matter(
    client: httpx.AsyncClient,
) -> None:
    body: Json = {"votes": 40, "stop": "exact", "seed": 8}
    one = await ask(client, inputs=[array(1), noise_image(1)], **body)
    other = await ask(client, inputs=[noise_image(3), noise_image(1)], **body)
    assert one["predictions"][0]["votes_cast"] != other["predictions"][0]["votes_cast"]
    assert one["predictions"][1] == other["predictions"][1]


async def test_fewer_votes_are_a_prefix_of_more(client: httpx.AsyncClient) -> None:
    few, many = [
        counts_of(await ask(client, **{**UNSURE, "votes": votes}, seed=3)) for votes in (10, 30)
    ]
    for short, long in zip(few, many, strict=True):
        assert all(a <= b for a, b in zip(short, long, strict=True))


async def test_an_operator_can_forbid_seeds(client: httpx.AsyncClient) -> None:
    async with serving(Settings(slots=1, allow_client_seed=False)) as (_, strict):
        drawn = await ask(strict, **UNSURE)
        error = await refused(strict, 422, "invalid_input", **UNSURE, seed=drawn["seed"])
    assert error["field"] == "seed"
    assert error["message"] == "this service draws all seeds itself; leave out seed"
    replayed = await ask(client, **UNSURE, seed=drawn["seed"])
    assert counts_of(replayed) == counts_of(drawn)
