"""The asynchronous backend: votes are computed off the event loop, one tile a thread.

The event loop only hands out tiles and counts votes. A request can be cancelled between waves of
tiles; what has not started by then never runs.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.noise import VoteKey
from models.runtime import OnnxRuntime
from models.stopping import StopRule, bounded_boundary
from models.voting import Observer, Poll, VoteRequest, VoteResult, rows_of, votes_of

TILES_PER_SLOT = 4
"""Tiles of one request in flight per slot: enough to keep every slot busy between waves."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """The results of a request and how long they took.

    Attributes:
        results: one an input.
        queue_s: seconds until the first tile started.
        compute_s: seconds from then to the last vote.
    """

    results: list[VoteResult]
    queue_s: float
    compute_s: float


class VotingBackend:
    """Computes votes on a fixed number of slots, one thread each.

    Args:
        slots: tiles computed side by side.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="votes")

    async def vote(
        self, checkpoint: Checkpoint, request: VoteRequest, observer: Observer | None = None
    ) -> Answer:
        """Cast the votes of a request; the observer is told of each that counts.

        Raises:
            CheckpointError: the checkpoint's files are not those of its card.
            InputError: the outputs are not finite under this noise.
        """
        asked = time.perf_counter()
        runtime = await self.run(lambda: prepared(checkpoint, request))
        poll = Poll(request, len(checkpoint.card.labels), observer)
        started: list[float] = []

        def votes_on(keys: list[VoteKey]) -> NDArray[np.int64]:
            started.append(time.perf_counter())
            return votes_of(runtime.outputs(rows_of(request, keys)))

        tile = checkpoint.card.tile
        while wave := poll.take(tile * TILES_PER_SLOT * self._slots):
            tiles = [wave[first : first + tile] for first in range(0, len(wave), tile)]
            votes = await asyncio.gather(*(self.run(partial(votes_on, keys)) for keys in tiles))
            for key, fell_on in zip(wave, np.concatenate(votes).tolist(), strict=True):
                poll.cast(key, fell_on)
        finished = time.perf_counter()
        return Answer(poll.results(), started[0] - asked, finished - started[0])

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do blocking work on a slot; cancelling drops it if it has not started."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Drop what has not started and wait for what has."""
        self._pool.shutdown(cancel_futures=True)


def prepared(checkpoint: Checkpoint, request: VoteRequest) -> OnnxRuntime:
    """Load what a request needs and is slow at first: the graph, the boundary of its stop rule."""
    if request.stop is StopRule.BOUNDED:
        bounded_boundary(request.votes, request.delta)
    return checkpoint.runtime(request.kind)
