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
from models.errors import CheckpointError
from models.noise import VoteKey
from models.runtime import OnnxRuntime, Rows
from models.voting import Poll, VoteRequest, VoteResult

TILES_PER_SLOT = 4
"""Tiles of one request in flight per slot: enough to keep every slot busy between waves."""

SELF_TEST_SEED = 0

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

    async def vote(self, checkpoint: Checkpoint, request: VoteRequest) -> Answer:
        """Cast the votes of a request.

        Raises:
            CheckpointError: the checkpoint's files are not those of its card.
            InputError: the outputs are not finite under this noise.
        """
        asked = time.perf_counter()
        runtime = await self.run(lambda: checkpoint.runtime(request.kind))
        poll = Poll(request, len(checkpoint.card.labels))
        started: list[float] = []

        def outputs_of(rows: Rows) -> NDArray[np.float32]:
            started.append(time.perf_counter())
            return runtime.outputs(rows)

        while wave := poll.wave(checkpoint.card.tile, TILES_PER_SLOT * self._slots):
            tiles = [self.run(partial(outputs_of, rows)) for rows in wave]
            for rows, outputs in zip(wave, await asyncio.gather(*tiles), strict=True):
                poll.record(rows, outputs)
        finished = time.perf_counter()
        return Answer(poll.results(), started[0] - asked, finished - started[0])

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do blocking work on a slot; cancelling drops it if it has not started."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def warm_up(self, checkpoint: Checkpoint) -> None:
        """Load a checkpoint and check that a vote does not depend on the batch it is cast in.

        Raises:
            CheckpointError: it cannot be loaded, or it fails the check.
        """
        await self.run(lambda: check_batch_invariance(checkpoint))

    def close(self) -> None:
        """Drop what has not started and wait for what has."""
        self._pool.shutdown(cancel_futures=True)


def check_batch_invariance(checkpoint: Checkpoint) -> None:
    """Compare the outputs of a tile of votes with those of the same votes cast one by one.

    Raises:
        CheckpointError: they differ in any bit, so a seed would not give the same counts again.
    """
    card = checkpoint.card
    kind = card.noise.kind
    runtime = checkpoint.runtime(kind)
    low, high = card.input.range
    generator = np.random.default_rng(SELF_TEST_SEED)
    images = generator.uniform(low, high, (card.tile, *card.input.shape)).astype(np.float32)
    sigma = np.full((card.tile, len(card.noise_points)), card.noise.sigma_train or 0.5)
    keys = [VoteKey(SELF_TEST_SEED, row, row) for row in range(card.tile)]
    together = runtime.outputs(Rows(images, np.arange(card.tile), sigma, keys))
    for row in range(card.tile):
        alone = outputs_of_row(runtime, Rows(images, np.arange(card.tile), sigma, keys), row)
        if not np.array_equal(alone, together[row]):
            raise CheckpointError(
                f"checkpoint {checkpoint.name} gives other outputs in a batch of {card.tile} than "
                "alone on this machine; its votes cannot be replayed"
            )


def outputs_of_row(runtime: OnnxRuntime, rows: Rows, row: int) -> NDArray[np.float32]:
    """Return the outputs of one row, computed in a pass of its own ``[classes]``."""
    image = rows.images[rows.image_of_row[row]]
    alone = Rows(image[np.newaxis], np.zeros(1, np.int64), rows.sigma[[row]], [rows.keys[row]])
    outputs: NDArray[np.float32] = runtime.outputs(alone)[0]
    return outputs
