"""What the server tells its worker: where everything is, and what a request may hold."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel

from models.checkpoint import Checkpoint
from service.log.output import LogFormat, LogLevel
from service.voting.batcher import GIGA

BYTES_A_NUMBER = 24
"""Of a number in JSON, at most: sign, 17 digits, exponent, comma and brackets."""


class RequestLimits(BaseModel):
    """What a server takes in one request, and whether it takes seeds; see its settings."""

    max_inputs: int
    max_body_bytes: int
    max_request_gmacs: float
    allow_client_seed: bool

    def inputs_at_once(self, checkpoint: Checkpoint, votes: int) -> int:
        """Return how many inputs a request may hold, at least 1."""
        card = checkpoint.card
        by_bytes = self.max_body_bytes // (BYTES_A_NUMBER * int(np.prod(card.input.shape)) + 1)
        by_cost = int(self.max_request_gmacs * GIGA / (card.macs * votes))
        return max(1, min(self.max_inputs, by_bytes, by_cost))


class WorkerOrders(BaseModel):
    """What the server tells its worker.

    Attributes:
        folder: of the jobs.
        checkpoints: folder of the checkpoints.
        url: of the server that is asked.
        token: by which the server knows its worker; sent as a bearer token.
        log_format: of the worker's log, which is the server's.
        log_level: of it.
        limits: of a request.
    """

    folder: Path
    checkpoints: Path
    url: str
    token: str
    log_format: LogFormat
    log_level: LogLevel
    limits: RequestLimits
