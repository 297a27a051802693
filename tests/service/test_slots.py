"""The threads that compute votes outlive whatever happens in them, and requests hear of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.loading import load_session
from noisevote.models.errors import NoSlotError
from noisevote.models.noise import NoiseKind
from noisevote.models.runtime import GraphRuntime, Rows
from noisevote.service.configuration.settings import Settings
from noisevote.service.service import service_of
from noisevote.service.voting.backend import VotingBackend
from tests.service.gated import GatedCheckpoint, GatedRuntime, one_slot, votes_asked
from tests.service.support import CHECKPOINT, array, ask, error_in, serving

pytestmark = pytest.mark.anyio

UNLIKED = 13

FAILURES = [IndexError("labels"), MemoryError(), SystemExit(1), KeyboardInterrupt()]


class FailingRuntime(GraphRuntime):
    """Raises an error in its first passes, then computes."""

    errors: list[BaseException]

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        if self.errors:
            raise self.errors.pop()
        return super().outputs(rows)


class FailingCheckpoint(Checkpoint):
    """Its multiplicative noise fails as often as there are errors."""

    def __init__(self, errors: list[BaseException]) -> None:
        super().__init__(SHIPPED / CHECKPOINT)
        graph = self.folder / self.card.graphs[NoiseKind.MULTIPLICATIVE]
        self.failing = FailingRuntime(load_session(graph), self.card, NoiseKind.MULTIPLICATIVE)
        self.failing.errors = errors

    def runtime(self, kind: NoiseKind, arithmetic: Arithmetic = REFERENCE) -> GraphRuntime:
        is_failing = kind is NoiseKind.MULTIPLICATIVE
        return self.failing if is_failing else super().runtime(kind, arithmetic)


class PickyRuntime(GatedRuntime):
    """Computes no pass that holds a vote of a seed that it does not like."""

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        found = super().outputs(rows)
        if any(key.seed == UNLIKED for key in rows.keys):
            raise MemoryError
        return found


@pytest.fixture
async def backend() -> AsyncIterator[VotingBackend]:
    with one_slot() as backend:
        yield backend


async def until_queued(backend: VotingBackend, requests: int) -> None:
    while backend.load.requests < requests:
        await asyncio.sleep(0)


@pytest.mark.parametrize("error", FAILURES, ids=repr)
async def test_a_pass_that_fails_fails_its_request_and_the_slot_goes_on(
    backend: VotingBackend, error: BaseException
) -> None:
    checkpoint = FailingCheckpoint([error])
    with pytest.raises(Exception) as told:  # noqa: PT011 - whatever it is, as long as it comes
        await backend.vote(checkpoint, votes_asked(1, 3))
    assert told.value is error or repr(error) in str(told.value)
    answer = await backend.vote(checkpoint, votes_asked(1, 3))
    assert answer.results[0].votes_cast == 3
    assert backend.computes
    assert backend.load.requests == 0


async def test_an_error_while_votes_are_counted_fails_that_request_alone(
    backend: VotingBackend,
) -> None:
    gated = GatedCheckpoint()

    def observer(position: int, fell_on: int, votes: int) -> None:
        raise IndexError((position, fell_on, votes))

    first = asyncio.create_task(backend.vote(gated, votes_asked(1, 1)))
    await asyncio.to_thread(gated.gated.begun.wait)  # the two behind it share a tile
    failing = asyncio.create_task(backend.vote(gated, votes_asked(1, 2), observer=observer))
    beside = asyncio.create_task(backend.vote(gated, votes_asked(1, 2, seed=2)))
    await until_queued(backend, 3)
    gated.gated.gate.set()
    with pytest.raises(IndexError):
        await failing
    assert (await beside).results[0].votes_cast == 2
    assert (await first).results[0].votes_cast == 1
    assert gated.gated.rows == [1, 4]


async def test_a_request_whose_votes_cannot_be_computed_does_not_harm_those_in_its_tile(
    backend: VotingBackend,
) -> None:
    gated = GatedCheckpoint()
    gated.gated = PickyRuntime(gated, NoiseKind.MULTIPLICATIVE)
    first = asyncio.create_task(backend.vote(gated, votes_asked(1, 1)))
    await asyncio.to_thread(gated.gated.begun.wait)  # those behind it share a tile
    failing = asyncio.create_task(backend.vote(gated, votes_asked(1, 2, seed=UNLIKED)))
    beside = asyncio.create_task(backend.vote(gated, votes_asked(1, 2, seed=2)))
    await until_queued(backend, 3)
    gated.gated.gate.set()
    with pytest.raises(MemoryError):
        await failing
    assert (await beside).results[0].votes_cast == 2
    assert (await first).results[0].votes_cast == 1
    assert gated.gated.rows == [1, 4, 2, 2]
    assert backend.load.requests == 0


async def test_a_queue_that_breaks_fails_all_that_wait_and_begins_anew(
    backend: VotingBackend,
) -> None:
    gated = GatedCheckpoint()
    first = asyncio.create_task(backend.vote(gated, votes_asked(1, 1)))
    await asyncio.to_thread(gated.gated.begun.wait)
    nonsense = replace(votes_asked(1, 2), turn=0.5)  # type: ignore[arg-type]
    broken = asyncio.create_task(backend.vote(gated, nonsense))
    waiting = asyncio.create_task(backend.vote(gated, votes_asked(1, 2)))
    await until_queued(backend, 3)
    gated.gated.gate.set()
    assert (await first).results[0].votes_cast == 1
    for task in (broken, waiting):
        with pytest.raises(TypeError):
            await task
    assert (await backend.vote(gated, votes_asked(1, 2))).results[0].votes_cast == 2
    assert backend.load.requests == 0


async def test_a_service_without_a_thread_that_votes_is_not_ready_and_says_so() -> None:
    async with serving(Settings(slots=1)) as (app, client):
        await ask(client, inputs=[array()], votes=1)
        service_of(app).predictor.backend.close()
        error = error_in(await client.get("/health/ready"), 503, "not_ready")
        assert error["message"] == "no thread is left that computes votes"
        assert (await client.get("/v2/health/ready")).status_code == 503
        assert (await client.get("/health/live")).status_code == 200
        reply = await client.post("/predict", json={"inputs": [array()], "votes": 1})
        error_in(reply, 503, "not_ready")


async def test_votes_asked_of_a_closed_backend_are_refused_at_once() -> None:
    with one_slot() as backend:
        checkpoint = Checkpoint(SHIPPED / CHECKPOINT)
        checkpoint.runtime(NoiseKind.MULTIPLICATIVE)
        backend.close()
        with pytest.raises(NoSlotError):
            await backend.vote(checkpoint, votes_asked(1, 1))
