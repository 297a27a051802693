"""What HTTP adds to the votes: CPU time of a request minus that of its votes on the engine.

Alone, requests come one after the other: between two of them all caches go cold and every thread
falls asleep, which costs more than the work itself. Busy, sixteen clients ask at once, as when CPU
time is what limits; their votes share tiles, in the engine's own measurement as well.
"""

import asyncio
import base64
import io
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.runtime import Rows
from tests.drawing import draw_digit, png_bytes
from tests.load.client import closed_loop, request_bytes
from tests.load.http_load import CHECKPOINT, CLIENTS, SIGMA, VOTES, Lengths, Row
from tests.load.inputs import some_inputs
from tests.load.servers import Server, noisevote, running

ROUNDS = 4
"""Turns of engine and server in each measurement."""

IMAGES = 20


def overhead_rows(slots: int, lengths: Lengths) -> Iterator[Row]:
    """Measure what a request costs beside its votes.

    On one slot, as the engine has one thread, and on all, where an idle server splits the votes of
    a request: sooner done, at more CPU time.
    """
    checkpoint = CheckpointStore(SHIPPED).find(CHECKPOINT)
    inputs, _ = some_inputs(checkpoint.card, IMAGES)
    engine = Engine(checkpoint, inputs)
    for number in sorted({1, slots}):
        with running(noisevote(number)) as server:
            for name, bodies in bodies_of(inputs).items():
                for votes in (1, VOTES):
                    requests = [request_for(body, votes) for body in bodies]
                    for clients in (1, CLIENTS):
                        turns = Turns(clients, lengths.sequential / ROUNDS)
                        turns.run(engine, server, requests, votes)
                        head: Row = {"input": name, "votes": votes, "slots": number}
                        yield head | {"clients": clients} | turns.row()


def request_for(body: Row, votes: int, seed: int | None = None) -> bytes:
    """Return a request for votes on what a body holds."""
    asked = {**body, "sigma": SIGMA, "votes": votes, "seed": seed}
    return request_bytes("/predict", json.dumps(asked).encode())


def bodies_of(inputs: NDArray[np.float32]) -> dict[str, list[Row]]:
    """Return the same pictures in each form in which a request can hold them."""
    return {
        "array 28 x 28": [{"inputs": [image.round(4).tolist()]} for image in inputs],
        "PNG 28 x 28": [{"image": encoded(png_of(image[0]))} for image in inputs],
        "PNG 280 x 280": [{"image": encoded(png_bytes(draw_digit(7)))}],
    }


@dataclass(slots=True)
class Turns:
    """Engine and server, in turns.

    Attributes:
        clients: that ask at the same time.
        seconds: of each turn of the server; the engine has half of it.
        engine_cpu_s: of ``engine_calls`` requests' votes.
        engine_calls: requests whose votes the engine computed.
        engine_walls_s: of each of them.
        server_cpu_s: of ``latencies_s``.
        latencies_s: of the answers.
    """

    clients: int
    seconds: float
    engine_cpu_s: float = 0.0
    engine_calls: float = 0.0
    engine_walls_s: list[float] = field(default_factory=list)
    server_cpu_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    def run(self, engine: "Engine", server: Server, requests: Sequence[bytes], votes: int) -> None:
        """Take all turns."""
        asyncio.run(closed_loop(server.port, requests, self.clients, self.seconds / 2))
        for _ in range(ROUNDS):
            self._engine_turn(engine, votes)
            cpu_s = server.cpu_s()
            outcomes = asyncio.run(closed_loop(server.port, requests, self.clients, self.seconds))
            self.server_cpu_s += server.cpu_s() - cpu_s
            self.latencies_s += outcomes.latencies_s

    def row(self) -> Row:
        """Return CPU milliseconds and median latencies of a request."""
        engine_ms = 1000 * self.engine_cpu_s / self.engine_calls
        server_ms = 1000 * self.server_cpu_s / len(self.latencies_s)
        return {
            "engine_cpu_ms": engine_ms,
            "server_cpu_ms": server_ms,
            "overhead_cpu_ms": server_ms - engine_ms,
            "engine_p50_ms": 1000 * float(np.median(self.engine_walls_s)),
            "server_p50_ms": 1000 * float(np.median(self.latencies_s)),
            "answers": len(self.latencies_s),
        }

    def _engine_turn(self, engine: "Engine", votes: int) -> None:
        began, began_cpu = time.perf_counter(), time.thread_time()
        while time.perf_counter() - began < self.seconds / 2:
            seconds, requests = engine.call(votes, is_busy=self.clients > 1)
            self.engine_walls_s.append(seconds / requests)
            self.engine_calls += requests
        self.engine_cpu_s += time.thread_time() - began_cpu


class Engine:
    """The votes of requests on one thread, without a server."""

    def __init__(self, checkpoint: Checkpoint, inputs: NDArray[np.float32]) -> None:
        self._runtime = checkpoint.runtime(NoiseKind.MULTIPLICATIVE)
        self._tile = checkpoint.card.tile
        self._points = len(checkpoint.card.noise_points)
        self._inputs = inputs
        self._name = checkpoint.card.input.name
        self._seed = 0

    def call(self, votes: int, is_busy: bool) -> tuple[float, int]:
        """Cast votes; return the seconds that it took and of how many requests they are.

        Args:
            votes: of a request, on one image.
            is_busy: whether requests for few votes share a tile.
        """
        requests = max(1, self._tile // votes) if is_busy else 1
        began = time.perf_counter()
        self._seed += 1
        keys = [
            VoteKey(self._seed + request, 0, vote)
            for request in range(requests)
            for vote in range(votes)
        ]
        image_of_row = np.repeat(np.arange(requests) % len(self._inputs), votes)
        for first in range(0, len(keys), self._tile):
            part = slice(first, first + self._tile)
            images, rows = np.unique(image_of_row[part], return_inverse=True)
            self._runtime.outputs(
                Rows(
                    inputs={self._name: self._inputs[images]},
                    input_of_row=rows.astype(np.int64),
                    sigma=np.full((len(rows), self._points), SIGMA),
                    keys=keys[part],
                )
            )
        return time.perf_counter() - began, requests


def png_of(field: NDArray[np.float32]) -> bytes:
    """Return a picture of 28 x 28 pixels as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * field).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def encoded(content: bytes) -> str:
    """Return a file as base64."""
    return base64.b64encode(content).decode()
