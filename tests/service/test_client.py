"""The typed clients against the real service: answers, refusals, and when they ask again."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from noisevote.service.client import AsyncClient, Client
from noisevote.service.client.exchange import Retry, ServiceError
from noisevote.service.configuration.settings import Settings
from noisevote.service.service import service_of
from noisevote.service.wire.bodies import HeldBytes
from noisevote.service.wire.replies import PredictResponse, VotesEvent
from noisevote.service.wire.requests import PredictRequest
from tests.docker.ports import free_port
from tests.service.support import CHECKPOINT, array, ask, noise_image, picture, serving
from tests.service.test_server import Server, started

ASKED = PredictRequest(inputs=[array(6)], votes=30, seed=3)
LONG = PredictRequest(inputs=[noise_image()] * 20, votes=1000)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started() as running:
        yield running


def client_of(server: Server) -> Client:
    return Client(str(server.client.base_url))


def asynchronous(app: FastAPI, **options: object) -> AsyncClient:
    transport = httpx.ASGITransport(app)
    return AsyncClient("http://service", transport=transport, **options)  # type: ignore[arg-type]


def test_the_client_gets_typed_answers(server: Server) -> None:
    with client_of(server) as client:
        reply = client.predict(ASKED)
        assert sum(reply.predictions[0].counts) == 30
        assert client.predict(ASKED).predictions == reply.predictions
        listed = client.checkpoints().checkpoints
        assert CHECKPOINT in {summary.name for summary in listed}
        assert client.card(CHECKPOINT).labels[6] == "6"
        drawn = PredictRequest(image=picture(7), sigma={"conv1": 0.1}, repeats={"fc2": 3})
        assert client.predict(drawn).predictions[0].label == "7"


def test_a_stream_yields_votes_and_ends_with_the_answer(server: Server) -> None:
    with client_of(server) as client:
        *votes, answer = client.stream(ASKED)
        assert isinstance(answer, PredictResponse)
        assert answer.predictions == client.predict(ASKED).predictions
        assert all(isinstance(event, VotesEvent) for event in votes)
        assert sum(len(event.fell_on) for event in votes if isinstance(event, VotesEvent)) == 30


@pytest.mark.anyio
async def test_the_asynchronous_client_gets_the_same(app: FastAPI) -> None:
    async with asynchronous(app) as client:
        reply = await client.predict(ASKED)
        *votes, answer = [event async for event in client.stream(ASKED)]
        assert isinstance(answer, PredictResponse)
        assert answer.predictions == reply.predictions
        assert votes
        assert (await client.card(CHECKPOINT)).name == CHECKPOINT
        assert (await client.checkpoints()).refused == {}


def test_a_refusal_is_raised_at_once_with_all_that_the_service_said(server: Server) -> None:
    waits: list[float] = []
    with Client(str(server.client.base_url), pause=waits.append) as client:
        for ask_for in (client.predict, lambda asked: list(client.stream(asked))):
            with pytest.raises(ServiceError, match="allowed are 1 to 1000") as refusal:
                ask_for(PredictRequest(inputs=[array()], votes=5000))
            assert (refusal.value.status, refusal.value.code) == (422, "limit_exceeded")
            assert refusal.value.field == "votes"
            assert refusal.value.request_id
        with pytest.raises(ServiceError, match="there is no checkpoint"):
            client.card("none")
    assert waits == []


@pytest.mark.anyio
async def test_an_overloaded_service_is_asked_again_when_it_says_so() -> None:
    async with serving(Settings(slots=1, max_held_bytes=1)) as (app, _):
        waits: list[float] = []

        async def pause(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                service_of(app).bodies = HeldBytes(2**20)

        async with asynchronous(app, pause=pause) as client:
            assert (await client.predict(ASKED)).predictions[0].votes_cast == 30
        assert waits == [1.0, 1.0], "the service says: Retry-After: 1"


@pytest.mark.anyio
async def test_a_draining_service_is_asked_again_in_growing_steps() -> None:
    async with serving(Settings(slots=1)) as (app, plain):
        waits: list[float] = []

        async def pause(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                service_of(app).closing.clear()

        service_of(app).closing.set()
        async with asynchronous(app, pause=pause) as client:
            *_, answer = [event async for event in client.stream(ASKED)]
        expected = await ask(plain, inputs=[array(6)], votes=30, seed=3)
        assert isinstance(answer, PredictResponse)
        counts = list(answer.predictions[0].counts)
        assert counts == expected["predictions"][0]["vote_counts"]
    assert [0.1 * 2**n <= wait <= 0.2 * 2**n for n, wait in enumerate(waits)] == [True] * 3


@pytest.mark.anyio
async def test_patience_ends_and_the_refusal_is_raised() -> None:
    async with serving(Settings(slots=1, max_held_bytes=1)) as (app, _):
        waits: list[float] = []

        async def pause(seconds: float) -> None:
            waits.append(seconds)

        async with asynchronous(app, pause=pause, retry=Retry(attempts=3)) as client:
            with pytest.raises(ServiceError) as refusal:
                await client.predict(ASKED)
        assert (refusal.value.status, refusal.value.code) == (429, "overloaded")
        assert waits == [1.0, 1.0]


def test_a_service_that_asks_for_too_much_patience_has_failed() -> None:
    assert Retry(longest_wait_s=30).wait_s(1, "31") is None
    assert Retry(longest_wait_s=30).wait_s(1, "30") == 30


def test_a_service_that_is_not_there_is_said_to_be_out_of_reach() -> None:
    waits: list[float] = []
    url = f"http://127.0.0.1:{free_port()}"
    client = Client(url, retry=Retry(attempts=4), pause=waits.append)
    with client, pytest.raises(ServiceError, match=f"cannot be reached at {url}") as failure:
        client.predict(ASKED)
    assert failure.value.status is None
    assert failure.value.code == "unreachable"
    assert len(waits) == 3


def test_a_service_that_dies_breaks_the_stream_off_with_an_error() -> None:
    with started() as server, client_of(server) as client:
        events = client.stream(LONG)
        assert isinstance(next(events), VotesEvent)
        server.process.kill()
        with pytest.raises(ServiceError, match="broke off"):
            list(events)


@pytest.mark.anyio
async def test_many_askers_share_one_asynchronous_client(app: FastAPI) -> None:
    async with asynchronous(app) as client:
        asked = [PredictRequest(inputs=[array(n)], votes=5 + n, seed=n) for n in range(10)]
        replies = await asyncio.gather(*(client.predict(one) for one in asked))
    assert [reply.predictions[0].votes_cast for reply in replies] == list(range(5, 15))
