"""Health, request ids, and requests whose client does not wait for the answer."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.service.app import create_app
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.service import service_of
from noisevote.service.voting.backend import PREPARING_THREADS
from noisevote.service.wire.errors import CLIENT_LEFT
from tests.service.gated import (
    GatedCheckpoint,
    GatedStore,
    at_rest,
    one_slot,
    votes_asked,
)
from tests.service.support import (
    CHECKPOINT,
    Json,
    array,
    client_of,
    error_in,
    noise_image,
    refused,
    serving,
)

pytestmark = pytest.mark.anyio


async def test_a_warmed_up_service_is_live_and_ready(client: httpx.AsyncClient) -> None:
    for state in ("live", "ready"):
        response = await client.get(f"/health/{state}")
        assert (response.status_code, response.json()) == (200, {"status": state})
        assert (await client.head(f"/health/{state}")).status_code == 200


async def test_a_service_is_live_but_not_ready_before_its_warm_up() -> None:
    app = create_app(Settings(slots=1))
    async with app.router.lifespan_context(app), client_of(app) as client:
        service_of(app).warming_up.cancel()  # it has not begun; now it never will
        assert (await client.get("/health/live")).status_code == 200
        error = error_in(await client.get("/health/ready"), 503, "not_ready")
        assert error["message"] == "warming up"


async def test_an_empty_directory_of_checkpoints_is_not_ready(tmp_path: Path) -> None:
    async with serving(Settings(slots=1, checkpoints=tmp_path / "none")) as (_, client):
        error = error_in(await client.get("/health/ready"), 503, "not_ready")
        assert error["message"] == f"there is no checkpoint '{CHECKPOINT}'; there are: none"
        await refused(client, 404, "unknown_checkpoint", inputs=[array()])
        assert (await client.get("/checkpoints")).json() == {"checkpoints": [], "refused": {}}


@pytest.mark.parametrize("given", ["a", "req-1.2_3", "x" * 128])
async def test_a_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    headers = {"x-request-id": given}
    assert (await client.get("/health/live", headers=headers)).headers["x-request-id"] == given
    error = error_in(await client.post("/predict", headers=headers), 400, "not_json")
    assert error["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "line\tbreak", 'quote"', "é", "{}"])
async def test_a_request_id_that_could_forge_a_log_is_replaced(
    client: httpx.AsyncClient, given: str
) -> None:
    headers = {b"x-request-id": given.encode()}
    error = error_in(await client.post("/predict", headers=headers), 400, "not_json")
    assert len(error["request_id"]) == 32
    assert int(error["request_id"], 16)


async def test_requests_without_an_id_get_different_ones(client: httpx.AsyncClient) -> None:
    ids = [(await client.get("/health/live")).headers["x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3


async def test_a_cancelled_vote_starts_no_further_passes() -> None:
    checkpoint = GatedCheckpoint()
    runtime = checkpoint.gated
    runtime.gate.set()
    with one_slot() as backend:
        voting = asyncio.create_task(backend.vote(checkpoint, votes_asked(20, 1000)))
        await asyncio.to_thread(runtime.begun.wait)
        voting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await voting
        passes = await at_rest(backend, runtime)
        assert 1 <= passes < 20 * 1000 / checkpoint.card.tile
        # What was cancelled would still be ahead of this in the queue.
        await backend.vote(checkpoint, votes_asked(1, checkpoint.card.tile))
        assert await at_rest(backend, runtime) == passes + 1


LARGE = json.dumps({"inputs": [noise_image()] * 64, "deadline_ms": 0.001}).encode()
"""A body that is read on a thread."""


async def test_votes_are_not_cast_for_a_client_that_has_left() -> None:
    app = create_app(Settings(slots=1))
    store = GatedStore()
    runtime = store.gated.gated
    runtime.gate.set()
    body = json.dumps({"inputs": [noise_image()] * 10, "votes": 1000}).encode()

    async def messages() -> AsyncIterator[Json]:
        yield {"type": "http.request", "body": body, "more_body": False}
        await asyncio.to_thread(runtime.begun.wait)
        yield {"type": "http.disconnect"}

    with one_slot() as backend:
        service_of(app).predictor = Predictor(Settings(slots=1), store, backend)
        assert await status_sent(app, messages()) == CLIENT_LEFT
        passes = await at_rest(backend, runtime)
        assert 1 <= passes < 10 * 1000 / store.gated.card.tile
        assert await at_rest(backend, runtime) == passes


async def test_a_client_that_leaves_during_its_body_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app(Settings(slots=1))

    async def messages() -> AsyncIterator[Json]:
        yield {"type": "http.request", "body": b"{", "more_body": True}
        yield {"type": "http.disconnect"}

    with one_slot() as backend:
        service_of(app).predictor = Predictor(Settings(slots=1), CheckpointStore(SHIPPED), backend)
        assert await status_sent(app, messages()) == CLIENT_LEFT
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_large_body_is_not_read_for_a_client_that_has_left() -> None:
    app, gate = create_app(Settings(slots=1)), threading.Event()

    async def messages() -> AsyncIterator[Json]:
        yield {"type": "http.request", "body": LARGE, "more_body": False}
        yield {"type": "http.disconnect"}

    with one_slot() as backend:
        service_of(app).predictor = Predictor(Settings(slots=1), CheckpointStore(SHIPPED), backend)
        busy = [asyncio.create_task(backend.run(gate.wait)) for _ in range(PREPARING_THREADS)]
        await asyncio.sleep(0)
        status = await status_sent(app, messages())
        gate.set()
        await asyncio.gather(*busy)
    assert status == CLIENT_LEFT


async def test_a_large_body_is_not_prepared_after_its_deadline(client: httpx.AsyncClient) -> None:
    late = await client.post("/predict", content=LARGE)
    assert error_in(late, 504, "deadline")["message"].endswith("before the body was read")


async def status_sent(app: Any, messages: AsyncIterator[Json]) -> int:
    """Speak ASGI with the app and return the status of its reply."""
    sent: list[Json] = []

    async def receive() -> Json:
        return await anext(messages)

    async def send(message: Json) -> None:
        sent.append(message)

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
        "headers": [(b"host", b"service")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status
