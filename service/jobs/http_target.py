"""The target as anybody has it: asked over HTTP, by ``POST /predict``."""

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.noise import device_noise
from noisevote.models.engines.arithmetic import without_mark
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import MAX_SEED, NoiseKind
from noisevote.models.robustness.ball import Purpose, generator_for
from noisevote.models.robustness.target import Conditions, Question, Target
from noisevote.models.stopping import StopRule
from noisevote.service.client import Client
from noisevote.service.prediction.device import VOTES_A_CHIP
from noisevote.service.voting.batcher import GIGA
from noisevote.service.voting.priority import Priority
from noisevote.service.wire.requests import PredictRequest

AT_ONCE = 2
"""Requests under way at a time: one has arrived when the votes of the other end, and their last,
too few to fill all slots, share these with the next."""

BYTES_A_NUMBER = 24
"""Of a number in JSON, at most: sign, 17 digits, exponent, comma and brackets."""


class RequestLimits(BaseModel):
    """What a server takes in one request, and whether it takes seeds; see its settings."""

    max_inputs: int
    max_body_bytes: int
    max_request_gmacs: float
    allow_client_seed: bool
    allow_inline_devices: bool = True

    def inputs_at_once(self, checkpoint: Checkpoint, conditions: Conditions) -> int:
        """Return how many inputs a request may hold, at least 1."""
        votes, chips = conditions.votes, 0
        if conditions.device is not None:
            chips = VOTES_A_CHIP * min(conditions.device.chips, votes)
        card = checkpoint.card
        by_bytes = self.max_body_bytes // (BYTES_A_NUMBER * int(np.prod(card.input.shape)) + 1)
        by_cost = int(self.max_request_gmacs * GIGA / card.macs - chips) // votes
        return max(1, min(self.max_inputs, by_bytes, by_cost))


@dataclass(slots=True)
class Meter:
    """What was asked of the server since it was last read, on any thread.

    Attributes:
        queries: inputs sent.
        votes: cast on them.
    """

    queries: int = 0
    votes: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, queries: int, votes: int) -> None:
        """Add what was asked."""
        with self._counting:
            self.queries += queries
            self.votes += votes

    def read(self) -> tuple[int, int]:
        """Return queries and votes, and begin anew."""
        with self._counting:
            found = (self.queries, self.votes)
            self.queries = self.votes = 0
        return found


class HttpTarget(Target):
    """A checkpoint asked over HTTP; with the same seed it gives the votes of ``CheckpointTarget``.

    Args:
        client: client of the server.
        limits: limits of a request.
        meter: counts what is asked.
        checkpoint: checkpoint that votes, to know that the server has the same.
        kind: kind of the noise.
        seed: decides the fresh seeds of its queries, if the server takes seeds.
    """

    def __init__(
        self,
        client: Client,
        limits: RequestLimits,
        meter: Meter,
        checkpoint: Checkpoint,
        kind: NoiseKind,
        seed: int,
    ) -> None:
        self._client = client
        self._limits = limits
        self._meter = meter
        self._checkpoint = checkpoint
        self._kind = kind
        self._generator = generator_for(seed, Purpose.TARGET)

    @property
    def at_once(self) -> int:
        """Enough to keep the server busy."""
        return AT_ONCE

    def question(
        self, inputs: NDArray[np.float32], conditions: Conditions, stop: StopRule
    ) -> Question:
        """Return what sends the requests, each with a seed of its own if the server takes seeds."""
        size = self._limits.inputs_at_once(self._checkpoint, conditions)
        if (
            conditions.seed is not None
        ):  # noise is keyed by the position; all meet that of the first
            size = 1
        requests = [
            partial(
                self._ask, inputs[first : first + size], conditions, stop, self._seed(conditions)
            )
            for first in range(0, len(inputs), size)
        ]
        return lambda: np.concatenate([ask() for ask in requests])

    def _seed(self, conditions: Conditions) -> int | None:
        """Return the seed of a request; None leaves it to the server."""
        if conditions.seed is None and self._limits.allow_client_seed:
            return int(self._generator.integers(MAX_SEED + 1))
        return conditions.seed

    def _ask(
        self,
        inputs: NDArray[np.float32],
        conditions: Conditions,
        stop: StopRule,
        seed: int | None,
    ) -> NDArray[np.int64]:
        asked: dict[str, Any] = {
            "checkpoint": self._checkpoint.name,
            "inputs": inputs.tolist(),
            **self._noise_fields(conditions),
            "votes": conditions.votes,
            "stop": stop,
            "priority": Priority.LOW,
        }
        if conditions.repeats:
            asked["repeats"] = conditions.repeats
        if seed is not None:
            asked["seed"] = seed
        reply = self._client.predict(PredictRequest.model_validate(asked))
        if without_mark(reply.fingerprint) != self._fingerprint(conditions):
            other = "checkpoint" if conditions.device is None else "device or checkpoint"
            raise CheckpointError(
                f"the server votes with another {other} {self._checkpoint.name} than the one "
                "that is assessed; was it replaced?"
            )
        classes = len(self._checkpoint.card.labels)
        counts = np.array([one.counts_of(classes) for one in reply.predictions], np.int64)
        self._meter.count(len(inputs), int(counts.sum()))
        return counts

    def _noise_fields(self, conditions: Conditions) -> dict[str, Any]:
        """Return the fields of a request that say under which noise votes are cast."""
        if conditions.device is None:
            return {"noise": self._kind, "sigma": conditions.sigma}
        return conditions.device.fields(conditions.votes, self._limits.allow_inline_devices)

    def _fingerprint(self, conditions: Conditions) -> str:
        """Return the fingerprint that votes of the checkpoint that is assessed bear."""
        if conditions.device is None:
            return self._checkpoint.fingerprint
        card = self._checkpoint.card
        setting = conditions.device.setting(card, conditions.votes, 0, conditions.repeats)
        return f"{self._checkpoint.fingerprint}:{device_noise(setting, card).fingerprint}"
