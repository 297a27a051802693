"""The shipped checkpoint with a gate before its forward passes, which are counted.

What the gate holds back is known, so that tests of what happens meanwhile do not depend on time.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.loading import load_session
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.runtime import GraphRuntime, Rows
from noisevote.models.specs import IMAGES
from noisevote.models.stopping import StopRule
from noisevote.models.voting import VoteRequest
from noisevote.service.voting.backend import VotingBackend
from noisevote.service.voting.slots import QueueObserver
from tests.service.support import CHECKPOINT, array, noise_image


class GatedRuntime(GraphRuntime):
    """Computes nothing until its gate is open.

    Attributes:
        passes: begun so far.
        rows: of each of them.
        begun: set by the first one.
        gate: open it with ``set``.
    """

    def __init__(self, checkpoint: Checkpoint, kind: NoiseKind) -> None:
        card = checkpoint.card
        super().__init__(load_session(checkpoint.folder / card.graphs[kind]), card, kind)
        self.rows: list[int] = []
        self.begun = threading.Event()
        self.gate = threading.Event()

    @property
    def passes(self) -> int:
        return len(self.rows)

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        self.rows.append(len(rows.keys))
        self.begun.set()
        self.gate.wait()
        return super().outputs(rows)


class GatedCheckpoint(Checkpoint):
    """Its multiplicative noise is gated; its additive noise is not."""

    def __init__(self) -> None:
        super().__init__(SHIPPED / CHECKPOINT)
        self.gated = GatedRuntime(self, NoiseKind.MULTIPLICATIVE)

    def runtime(self, kind: NoiseKind, arithmetic: Arithmetic = REFERENCE) -> GraphRuntime:
        is_gated = kind is NoiseKind.MULTIPLICATIVE
        return self.gated if is_gated else super().runtime(kind, arithmetic)


class GatedStore(CheckpointStore):
    """Finds the gated checkpoint."""

    def __init__(self) -> None:
        super().__init__(SHIPPED)
        self.gated = GatedCheckpoint()

    def find(self, name: str) -> Checkpoint:
        return self.gated if name == CHECKPOINT else super().find(name)


@contextmanager
def one_slot(
    queue_gmacs: float = 80, observer: QueueObserver | None = None
) -> Iterator[VotingBackend]:
    backend = VotingBackend(1, queue_gmacs, observer)
    try:
        yield backend
    finally:
        backend.close()


def votes_asked(
    inputs: int,
    votes: int,
    stop: StopRule = StopRule.FULL,
    seed: int = 1,
    kind: NoiseKind = NoiseKind.MULTIPLICATIVE,
    sigma: float = 1.0,
) -> VoteRequest:
    """Ask for votes: on noise without a class, or on a drawn digit if the voting may stop early."""
    image = noise_image() if stop is StopRule.FULL else array(1)
    return VoteRequest(
        inputs={IMAGES: np.array([[image]] * inputs, np.float32)},
        noise=Noise(kind, sigma).at(Checkpoint(SHIPPED / CHECKPOINT).card.point_names),
        votes=votes,
        stop=stop.rule(),
        seed=seed,
    )


async def at_rest(backend: VotingBackend, runtime: GatedRuntime) -> int:
    """Wait until the only slot has done what it was at, and return the passes so far."""
    uncounted = CheckpointStore(SHIPPED).find("mnist_cnn-clean")
    await backend.vote(uncounted, votes_asked(1, 1))
    return runtime.passes
