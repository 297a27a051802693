"""More than the service can do: deadlines, a full queue, too many bodies, low priority."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.errors import DeadlineError, OverloadedError
from noisevote.models.noise import NoiseKind
from noisevote.models.stopping import StopRule
from noisevote.service.app import create_app
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.service import service_of
from noisevote.service.voting.priority import Priority
from noisevote.service.wire.bodies import BYTES_A_REQUEST, HeldBytes
from tests.service.gated import GatedCheckpoint, GatedStore, at_rest, one_slot, votes_asked
from tests.service.support import (
    MIB,
    Json,
    array,
    ask,
    client_of,
    error_in,
    noise_image,
    picture,
    refused,
    serving,
)
from tests.service.test_work import all_admitted

pytestmark = pytest.mark.anyio


async def test_at_the_deadline_the_votes_cast_so_far_are_the_answer(
    client: httpx.AsyncClient,
) -> None:
    body: Json = {"inputs": [noise_image(1), array(3)] * 10, "votes": 1000, "seed": 5}
    reply = await ask(client, **body, deadline_ms=500)
    casts = [prediction["votes_cast"] for prediction in reply["predictions"]]
    assert min(casts) > 0
    assert max(casts) < 1000
    assert max(casts) - min(casts) <= 100, "inputs that began together ended far apart"
    for position, prediction in enumerate(reply["predictions"][:4]):
        assert prediction["stopped_by"] == "deadline"
        assert prediction["interval"] is None
        assert sum(prediction["vote_counts"]) == prediction["votes_cast"]
        prefix = await ask(client, **{**body, "votes": prediction["votes_cast"]})
        assert prediction["vote_counts"] == prefix["predictions"][position]["vote_counts"]


async def test_a_deadline_that_is_far_away_changes_nothing(client: httpx.AsyncClient) -> None:
    body: Json = {"inputs": [noise_image(1), array(3)], "votes": 30, "seed": 5}
    relaxed = await ask(client, **body, deadline_ms=600_000)
    assert relaxed["predictions"] == (await ask(client, **body))["predictions"]


async def test_what_cannot_start_in_time_is_an_error_and_computes_nothing(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    predictor: Predictor = service_of(app).predictor
    runtime = predictor.default().runtime(NoiseKind.MULTIPLICATIVE)
    before = runtime.work
    error = await refused(client, 504, "deadline", inputs=[array()], deadline_ms=1e-6)
    assert error["message"] == "the time was up before every input had a vote"
    assert runtime.work == before


async def test_a_deadline_that_passes_in_the_queue_is_an_error_and_computes_nothing() -> None:
    checkpoint = GatedCheckpoint()
    runtime = checkpoint.gated
    with one_slot() as backend:
        blocking = asyncio.create_task(backend.vote(checkpoint, votes_asked(1, 1)))
        await asyncio.to_thread(runtime.begun.wait)
        with pytest.raises(DeadlineError):
            await backend.vote(checkpoint, votes_asked(1, 20), deadline=in_a_moment())
        runtime.gate.set()
        await blocking
        assert await at_rest(backend, runtime) == 1


def in_a_moment() -> float:
    return asyncio.get_running_loop().time() + 0.02


@pytest.mark.parametrize("deadline_ms", [0, -1, 1e9, float("nan"), "1"])
async def test_a_deadline_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, deadline_ms: object
) -> None:
    content = json.dumps({"inputs": [array()], "deadline_ms": deadline_ms})
    error = await refused(client, 422, "invalid_input", content)
    assert error["field"] == "deadline_ms"


async def test_a_deadline_that_passes_during_the_first_votes_is_an_error() -> None:
    checkpoint = GatedCheckpoint()
    with one_slot() as backend:
        asked = backend.vote(checkpoint, votes_asked(1, 8), deadline=in_a_moment())
        (outcome,) = await asyncio.gather(asked, return_exceptions=True)
        checkpoint.gated.gate.set()
    assert isinstance(outcome, DeadlineError)


async def test_a_full_queue_refuses_with_the_time_to_come_back() -> None:
    store = GatedStore()
    body = json.dumps({"inputs": [noise_image()], "votes": 10}).encode()
    with one_slot(queue_gmacs=1e-3) as backend:
        app = create_app(Settings(slots=1))
        service_of(app).predictor = Predictor(Settings(slots=1), store, backend)
        async with client_of(app) as client:
            asking = [asyncio.create_task(client.post("/predict", content=body)) for _ in range(20)]
            refused_ones = [reply async for reply in first_of(asking, 12)]
            assert backend.load.requests == 8, "each takes up an eighth of the queue"
            store.gated.gated.gate.set()
            replies = await asyncio.gather(*asking)
    for reply in refused_ones:
        error_in(reply, 429, "overloaded")
        assert int(reply.headers["retry-after"]) >= 1
    served = [reply for reply in replies if reply not in refused_ones]
    assert [reply.status_code for reply in served] == [200] * 8


async def test_while_the_queue_is_full_predictions_are_turned_away_unread() -> None:
    store = GatedStore()
    gate = store.gated.gated.gate
    body = json.dumps({"inputs": [noise_image()], "votes": 10}).encode()
    with one_slot(queue_gmacs=1e-3) as backend:
        settings = Settings(slots=1)
        app = create_app(settings)
        service_of(app).predictor = Predictor(settings, store, backend)
        async with client_of(app) as client:
            gate.set()
            await client.post("/predict", content=body)  # measures the speed
            gate.clear()
            asking = [asyncio.create_task(client.post("/predict", content=body)) for _ in range(8)]
            await all_admitted(backend, 8)
            for path in ("/predict", "/predict/stream"):
                reply = await client.post(path, content=b"not JSON")
                error_in(reply, 429, "overloaded")
                assert int(reply.headers["retry-after"]) >= 1
                assert reply.headers["x-request-id"]
            assert (await client.get("/predict")).status_code == 405
            token = service_of(app).predictor.settings.internal_token.get_secret_value()
            own = {"Authorization": f"Bearer {token}"}
            reply = await client.post("/predict", content=b"not JSON", headers=own)
            error_in(reply, 400, "not_json")
            service_of(app).closing.set()
            error_in(await client.post("/predict", content=body), 503, "draining")
            service_of(app).closing.clear()
            gate.set()
            assert [reply.status_code for reply in await asyncio.gather(*asking)] == [200] * 8
            error_in(await client.post("/predict", content=b"not JSON"), 400, "not_json")


async def first_of(
    tasks: list[asyncio.Task[httpx.Response]], count: int
) -> AsyncIterator[httpx.Response]:
    """Yield the replies that come first."""
    for task in itertools.islice(asyncio.as_completed(tasks), count):
        yield await task


async def test_pictures_and_large_bodies_do_not_queue_behind_votes() -> None:
    store = GatedStore()
    with one_slot() as backend:
        app = create_app(Settings(slots=1))
        service_of(app).predictor = Predictor(Settings(slots=1), store, backend)
        blocking = asyncio.create_task(backend.vote(store.gated, votes_asked(1, 1)))
        await asyncio.to_thread(store.gated.gated.begun.wait)
        async with client_of(app) as client:
            # Each needs work off the event loop, and is answered although the slot is blocked.
            await refused(client, 422, "invalid_picture", image="AAAA")
            await refused(client, 422, "invalid_input", inputs=[[0.5] * 100_000])
        other = CheckpointStore(SHIPPED).find("mnist_cnn-clean")
        await backend.run(lambda: other.runtime(NoiseKind.ADDITIVE))
        store.gated.gated.gate.set()
        await blocking


async def test_low_priority_gives_way_to_requests_that_came_later() -> None:
    checkpoint = GatedCheckpoint()
    runtime, tile = checkpoint.gated, checkpoint.card.tile
    answered: list[str] = []

    async def vote(name: str, votes: int, priority: Priority) -> None:
        await backend.vote(checkpoint, votes_asked(1, votes), priority=priority)
        answered.append(name)

    with one_slot() as backend:
        blocking = asyncio.create_task(vote("first", 1, Priority.NORMAL))
        await asyncio.to_thread(runtime.begun.wait)
        low = asyncio.create_task(vote("low", tile, Priority.LOW))
        await all_admitted(backend, 2)
        normal = asyncio.create_task(vote("normal", 4 * tile, Priority.NORMAL))
        await all_admitted(backend, 3)
        runtime.gate.set()
        await asyncio.gather(blocking, low, normal)
    assert answered == ["first", "normal", "low"]


async def test_low_priority_changes_no_answer(client: httpx.AsyncClient) -> None:
    body: Json = {"inputs": [noise_image(4)], "votes": 30, "seed": 9}
    low = await ask(client, **body, priority="low")
    assert low["predictions"] == (await ask(client, **body))["predictions"]


def test_bytes_held_are_counted_and_freed() -> None:
    held = HeldBytes(BYTES_A_REQUEST + 100)
    with held.room() as room:
        room.add(60)
        with pytest.raises(OverloadedError, match="too many bodies"):
            room.add(41)
        room.add(40)
        with pytest.raises(OverloadedError), held.room():
            pass
    with held.room() as room:
        room.add(100)


async def test_bodies_beyond_what_may_be_held_are_refused_and_the_rest_answered() -> None:
    # Bodies of 1 MiB that arrive piece by piece, side by side; three of them fit.
    settings = Settings(slots=1, max_held_bytes=3 * (MIB + BYTES_A_REQUEST))
    start, end = json.dumps({"inputs": [array()], "votes": 1})[:-1].encode(), b"}"
    content = start + b" " * (MIB - len(start) - len(end)) + end
    all_begun = asyncio.Event()
    begun = 0

    async def slowly() -> AsyncIterator[bytes]:
        nonlocal begun
        begun += 1
        if begun == 6:
            all_begun.set()
        yield content[: MIB // 2]
        await all_begun.wait()
        yield content[MIB // 2 :]

    async with serving(settings) as (_, client):
        replies = await asyncio.gather(
            *(client.post("/predict", content=slowly()) for _ in "123456")
        )
        statuses = sorted(reply.status_code for reply in replies)
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 3
        for reply in replies:
            if reply.status_code == 429:
                error_in(reply, 429, "overloaded")
        await ask(client, inputs=[array()])


async def test_votes_replay_in_a_crowd_that_fills_the_queue(client: httpx.AsyncClient) -> None:
    bodies: list[Json] = [
        {"inputs": [noise_image(seed), array(seed % 10)], "votes": votes, "stop": stop, **more}
        for seed, (votes, stop) in enumerate(
            (votes, stop)
            for votes in (1, 25)
            for stop in (StopRule.FULL, StopRule.EXACT, StopRule.BOUNDED)
        )
        for more in ({"seed": seed}, {"seed": seed, "sigma": 0.3}, {"seed": 1, "priority": "low"})
    ]
    alone = [await ask(client, **body) for body in bodies]
    crowd = asyncio.gather(*(ask(client, **body) for body in bodies * 2))
    picture_replies = [await ask(client, image=picture(3), seed=2) for _ in range(2)]
    for before, after in zip(alone * 2, await crowd, strict=True):
        assert after["predictions"] == before["predictions"]
    assert picture_replies[0]["predictions"] == picture_replies[1]["predictions"]


async def test_a_deadline_never_changes_which_votes_are_cast() -> None:
    checkpoint = GatedCheckpoint()
    checkpoint.gated.gate.set()
    request = votes_asked(1, 400)
    with one_slot() as backend:
        full = await backend.vote(checkpoint, request)
        halfway = time.monotonic() + full.compute_s / 2
        early = await backend.vote(checkpoint, request, deadline=halfway)
    (all_votes,), (result,) = full.results, early.results
    assert result.stopped_by in {"deadline", StopRule.FULL}
    assert all(
        few <= many for few, many in zip(result.vote_counts, all_votes.vote_counts, strict=True)
    )
