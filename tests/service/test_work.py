"""Guards against lost speed by counting work, not by timing: rows, passes, normals, bytes.

Whoever makes the service compute, draw or copy more than the votes need fails here, on any machine.
"""

import asyncio
from dataclasses import replace

import pytest

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.noise import NoiseKind
from noisevote.models.runtime import Work
from noisevote.models.stopping import StopRule
from noisevote.service.voting.backend import VotingBackend
from tests.models.casting import UNIFORM
from tests.service.gated import GatedCheckpoint, at_rest, one_slot, votes_asked
from tests.service.support import CHECKPOINT

pytestmark = pytest.mark.anyio

NORMALS_A_VOTE = 25_088 * 2 + 12_544 * 2 + 256 + 10
IMAGE_BYTES = 4 * 28 * 28
INDEX_BYTES = 8


def difference(after: Work, before: Work) -> Work:
    return Work(
        *(getattr(after, name) - getattr(before, name) for name in Work.__dataclass_fields__)
    )


async def work_of(votes: int, stop: StopRule, inputs: int = 1, sigma: float = 1.0) -> Work:
    """Return what the backend does for one request on an idle slot."""
    checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    runtime = checkpoint.runtime(NoiseKind.MULTIPLICATIVE)
    before = runtime.work
    with one_slot() as backend:
        await backend.vote(checkpoint, votes_asked(inputs, votes, stop, sigma=sigma))
    return difference(runtime.work, before)


def fewest_bytes(work: Work) -> int:
    """Return what a pass must be given: each image once, an index and the noise of each row."""
    return work.inputs * IMAGE_BYTES + work.rows * INDEX_BYTES + 4 * work.rows * NORMALS_A_VOTE


@pytest.mark.parametrize(
    ("votes", "stop", "sigma", "rows"),
    [
        (20, StopRule.FULL, 1.0, 20),
        (1, StopRule.FULL, 1.0, 1),
        (20, StopRule.EXACT, 0.1, 11),  # unanimous, and the mode does not win ties
        (20, StopRule.BOUNDED, 0.1, 8),
        (1000, StopRule.FULL, 0.0, 1),
    ],
)
async def test_no_vote_is_computed_that_does_not_count(
    votes: int, stop: StopRule, sigma: float, rows: int
) -> None:
    work = await work_of(votes, stop, sigma=sigma)
    assert work.rows == rows
    assert work.normals == rows * NORMALS_A_VOTE
    assert work.bytes_fed == fewest_bytes(work)


async def test_votes_of_a_request_fill_tiles() -> None:
    tile = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0").card.tile
    work = await work_of(100, StopRule.FULL)
    assert work.passes == -(-100 // tile)
    assert work.inputs == work.passes


async def test_images_of_a_batch_are_passed_once_for_all_their_votes_in_a_tile() -> None:
    work = await work_of(8, StopRule.FULL, inputs=4)
    assert work.rows == 32
    assert work.inputs <= 4 + work.passes - 1
    assert work.bytes_fed == fewest_bytes(work)


async def test_single_votes_of_many_requests_share_their_passes() -> None:
    checkpoint = GatedCheckpoint()
    runtime, tile = checkpoint.gated, checkpoint.card.tile
    with one_slot() as backend:
        first = asyncio.create_task(backend.vote(checkpoint, votes_asked(1, 1)))
        await asyncio.to_thread(runtime.begun.wait)
        others = [
            asyncio.create_task(backend.vote(checkpoint, votes_asked(1, 1, seed=seed)))
            for seed in range(3 * tile)
        ]
        await all_admitted(backend, 1 + 3 * tile)
        runtime.gate.set()
        await asyncio.gather(first, *others)
    assert runtime.rows == [1, tile, tile, tile]


async def test_a_request_is_shared_out_evenly_between_the_idle_slots() -> None:
    checkpoint = GatedCheckpoint()
    checkpoint.gated.gate.set()
    backend = VotingBackend(2)
    try:
        while backend.load.idle < 2:
            await asyncio.sleep(0)
        await backend.vote(checkpoint, votes_asked(1, checkpoint.card.tile))
    finally:
        backend.close()
    assert checkpoint.gated.rows == [checkpoint.card.tile // 2] * 2


async def test_who_leaves_frees_the_queue_and_has_no_further_votes_computed() -> None:
    checkpoint = GatedCheckpoint()
    with one_slot() as backend:
        leaving = asyncio.create_task(backend.vote(checkpoint, votes_asked(1, 100)))
        await asyncio.to_thread(checkpoint.gated.begun.wait)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        load = backend.load
        checkpoint.gated.gate.set()
        assert (load.requests, load.queue_fill) == (0, 0)
        assert await at_rest(backend, checkpoint.gated) == 1


async def test_all_idle_slots_work_on_a_request_at_the_same_time() -> None:
    checkpoint = GatedCheckpoint()
    backend = VotingBackend(3)
    try:
        while backend.load.idle < 3:
            await asyncio.sleep(0)
        asked = asyncio.create_task(backend.vote(checkpoint, votes_asked(1, 30)))
        async with asyncio.timeout(30):
            while checkpoint.gated.passes < 3:
                await asyncio.sleep(0)
        assert backend.load.idle == 0
    finally:
        checkpoint.gated.gate.set()
        await asked
        backend.close()


@pytest.mark.parametrize("slots", [1, 2])
async def test_the_queue_grows_with_the_slots(slots: int) -> None:
    checkpoint = GatedCheckpoint()
    votes = 10
    backend = VotingBackend(slots, queue_gmacs_a_slot=100 * checkpoint.card.macs / 1e9)
    try:
        asked = asyncio.create_task(backend.vote(checkpoint, votes_asked(1, votes)))
        await all_admitted(backend, 1)
        assert backend.load.queue_fill == pytest.approx(votes / (100 * slots))
    finally:
        checkpoint.gated.gate.set()
        await asked
        backend.close()


async def all_admitted(backend: VotingBackend, requests: int) -> None:
    """Let the event loop turn until so many requests wait for votes."""
    while backend.load.requests < requests:
        await asyncio.sleep(0)


async def test_requests_of_another_distribution_have_forward_passes_of_their_own() -> None:
    normal = votes_asked(1, 8)
    uniform = replace(normal, noise=replace(normal.noise, distribution=UNIFORM))
    checkpoint = CheckpointStore(SHIPPED).find(CHECKPOINT)
    alone = []
    for request in (normal, uniform):
        with one_slot() as backend:
            alone.append((await backend.vote(checkpoint, request)).results)
    assert alone[0] != alone[1]
    crowd = GatedCheckpoint()
    with one_slot() as backend:
        answers = [
            asyncio.ensure_future(backend.vote(crowd, request))
            for request in (normal, uniform, normal, uniform)
        ]
        await asyncio.sleep(0)
        crowd.gated.gate.set()
        assert [answer.results for answer in await asyncio.gather(*answers)] == alone * 2
