"""What stands around a prediction, in CPU time: keys, rate limit, metrics, log, request id.

The same request is sent through the whole app and through one without all that, in turn, in one
process and without a network, so that nothing else makes the difference.
"""

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from starlette.types import ASGIApp, Message

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.voting import Observer
from noisevote.service.app import create_app
from noisevote.service.configuration.keys import digest_of
from noisevote.service.configuration.settings import Settings
from noisevote.service.log.output import JsonFormatter
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.service import Service, service_of
from noisevote.service.voting.backend import VotingBackend
from noisevote.service.wire.replies import PredictResponse
from tests.load.http_load import CHECKPOINT, CLIENTS
from tests.load.inputs import some_inputs
from tests.load.overhead import Engine

KEY = "a-key-of-the-benchmark"
REQUESTS = 80
"""Sent before the other app has its turn."""

Row = dict[str, object]


class Quiet(Service):
    """Answers predictions and tells nobody."""

    async def answer(self, prepared: Prepared, observer: Observer | None = None) -> PredictResponse:
        return await self.predictor.answer(prepared, observer)


def surroundings_rows(seconds: float) -> Iterator[Row]:
    """Yield the CPU time of a request of one vote, with and without what stands around it.

    One at a time, and sixteen, as when CPU time is what limits: their votes share tiles, on the
    engine alone as well.
    """
    inputs, _ = some_inputs(CheckpointStore(SHIPPED).find(CHECKPOINT).card, 1)
    body = json.dumps({"inputs": inputs.round(4).tolist(), "votes": 1, "sigma": 0.5}).encode()
    for clients in (1, CLIENTS):
        with logged_to_nowhere():
            around, bare, engine = asyncio.run(measured(body, clients, seconds / 2))
        engine_ms, bare_ms, all_ms = (1000 * float(np.median(of)) for of in (engine, bare, around))
        differences = 1000 * (np.array(around) - np.array(bare))  # of blocks side by side
        yield {
            "clients": clients,
            "engine_cpu_ms": engine_ms,
            "routes_cpu_ms": bare_ms,
            "all_cpu_ms": all_ms,
            "surroundings_cpu_ms": float(np.median(differences)),
            "over_engine_cpu_ms": all_ms - engine_ms,
            "blocks": len(around),
            "requests_a_block": REQUESTS,
        }


async def measured(
    body: bytes, clients: int, seconds: float
) -> tuple[list[float], list[float], list[float]]:
    """Return CPU seconds a request of each block: with all around, of routes alone, of votes."""
    settings = Settings(
        slots=1,
        api_keys={"benchmark": digest_of(KEY), "another": digest_of("another")},
        rate_limit_votes_per_s=1e6,
    )
    store = CheckpointStore(SHIPPED)
    whole, plain = create_app(settings), create_app(settings)
    inputs, _ = some_inputs(store.find(CHECKPOINT).card, 1)
    engine = Engine(store.find(CHECKPOINT), inputs)
    around: list[float] = []
    bare: list[float] = []
    votes: list[float] = []
    async with whole.router.lifespan_context(whole):
        await service_of(whole).warming_up
        plain.state.service = quiet = Quiet(settings)
        quiet.predictor = Predictor(settings, store, backend := VotingBackend(1))
        plain.user_middleware.clear()
        for app in (whole, plain):
            await block(app, body, clients)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            around.append(await block(whole, body, clients))
            bare.append(await block(plain, body, clients))
            began, requests = time.process_time(), 0
            while requests < REQUESTS:
                requests += engine.call(1, is_busy=clients > 1)[1]
            votes.append((time.process_time() - began) / requests)
        backend.close()
    return around, bare, votes


async def block(app: ASGIApp, body: bytes, clients: int) -> float:
    """Send some requests and return the CPU seconds that each took, on all threads."""
    left = iter(range(REQUESTS))

    async def client() -> None:
        for _ in left:
            await send(app, body)

    began = time.process_time()
    await asyncio.gather(*(client() for _ in range(clients)))
    return (time.process_time() - began) / REQUESTS


async def send(app: ASGIApp, body: bytes) -> None:
    """Speak ASGI as a server does; the reply must be a success."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    statuses: list[int] = []

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # the client stays
        raise AssertionError

    async def reply(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [
        (b"host", b"127.0.0.1"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"authorization", f"Bearer {KEY}".encode()),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/predict",
        "raw_path": b"/predict",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, reply)
    if statuses != [200]:
        raise RuntimeError(f"the request was answered with {statuses}")


@contextmanager
def logged_to_nowhere() -> Iterator[None]:
    """Make lines of JSON, as in production, and throw them away."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("noisevote")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
