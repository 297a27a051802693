"""Votes as they are counted: what the events hold, and how a stream ends."""

import asyncio
import json
import signal
from collections import defaultdict
from collections.abc import Iterator, MutableMapping
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.anytime import running
from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.loading import load_session
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind
from noisevote.models.runtime import GraphRuntime, Rows
from noisevote.service.app import create_app
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.service import service_of
from noisevote.service.voting.backend import VotingBackend
from tests.service.gated import GatedStore, at_rest, one_slot
from tests.service.support import CHECKPOINT, Json, array, ask, error_in, noise_image, picture
from tests.service.test_server import started

pytestmark = pytest.mark.anyio

LONG = {"inputs": [noise_image()] * 20, "votes": 1000}


def events_in(text: str) -> list[tuple[str, Json]]:
    """Return name and data of each event."""
    found = []
    for block in text.rstrip("\n").split("\n\n"):
        if block != ":":
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def stream(client: httpx.AsyncClient, **body: Any) -> tuple[list[Json], Json]:
    """Post a streamed prediction; return its events of votes and its answer."""
    response = await client.post("/predict/stream", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    *votes, (last, answer) = events_in(response.text)
    assert {name for name, _ in votes} <= {"votes"}
    assert last == "result"
    return [data for _, data in votes], answer


def votes_of(events: list[Json]) -> dict[int, list[int]]:
    """Return the votes on each input in vote order."""
    fell_on: dict[int, list[int]] = defaultdict(list)
    for event in events:
        fell_on[event["input"]] += event["fell_on"]
        assert event["votes_cast"] == len(fell_on[event["input"]])
        assert event["vote_counts"] == np.bincount(fell_on[event["input"]], minlength=10).tolist()
    return fell_on


async def test_the_votes_add_up_to_the_answer_which_is_that_of_predict(
    client: httpx.AsyncClient,
) -> None:
    body = {"inputs": [noise_image(), array(3)], "votes": 150, "seed": 5}
    events, answer = await stream(client, **body)
    assert len(events) > 2
    fell_on = votes_of(events)
    for position, prediction in enumerate(answer["predictions"]):
        counts = np.bincount(fell_on[position], minlength=10).tolist()
        assert counts == prediction["vote_counts"]
    plain = await ask(client, **body)
    assert plain | {"timing_ms": None} == answer | {"timing_ms": None}


async def test_votes_come_in_vote_order_so_a_shorter_run_is_a_prefix(
    client: httpx.AsyncClient,
) -> None:
    body = {"inputs": [array(7)], "seed": 2, "sigma": 1.0}
    long, _ = await stream(client, votes=40, **body)
    short, answer = await stream(client, votes=40, stop="bounded", **body)
    cast = answer["predictions"][0]["votes_cast"]
    assert cast < 40
    assert votes_of(short)[0] == votes_of(long)[0][:cast]


async def test_each_vote_has_its_running_interval_and_says_whether_the_answer_stands(
    client: httpx.AsyncClient,
) -> None:
    events, answer = await stream(client, image=picture(3), votes=100, alpha=0.1, seed=1)
    fell_on = np.array(votes_of(events)[0])
    state = running(np.zeros(10, np.int64), fell_on, 100, 0.1)
    intervals = [interval for event in events for interval in event["intervals"]]
    assert np.allclose(intervals, np.stack([state.lower, state.upper], axis=1))
    decided = [flag for event in events for flag in event["is_decided"]]
    assert decided == state.is_decided.tolist()
    assert decided[-1]
    assert events[-1]["mode"] == answer["predictions"][0]["mode"]
    assert events[-1]["label"] == answer["predictions"][0]["label"]
    assert events[-1]["agreement"] == answer["predictions"][0]["agreement"]


async def test_without_noise_one_pass_stands_for_all_votes(client: httpx.AsyncClient) -> None:
    events, answer = await stream(client, image=picture(7), sigma=0, votes=20)
    assert votes_of(events) == {0: [7] * 20}
    assert answer["predictions"][0]["vote_counts"][7] == 20


async def test_a_refusal_before_the_first_vote_has_its_own_status(
    client: httpx.AsyncClient,
) -> None:
    async def refused(status: int, code: str, **body: Any) -> None:
        error_in(await client.post("/predict/stream", json=body), status, code)

    await refused(404, "unknown_checkpoint", inputs=[array()], checkpoint="none")
    await refused(422, "invalid_input", inputs=[[1]])
    await refused(422, "limit_exceeded", inputs=[array()], votes=10**6)
    await refused(422, "invalid_input", inputs=[array()], sigma=-1)
    error_in(await client.post("/predict/stream", content=b"{"), 400, "not_json")


class FailingRuntime(GraphRuntime):
    """Fails from the third forward pass on."""

    def __init__(self, checkpoint: Checkpoint, error: Exception) -> None:
        card = checkpoint.card
        kind = NoiseKind.MULTIPLICATIVE
        super().__init__(load_session(checkpoint.folder / card.graphs[kind]), card, kind)
        self.passes = 0
        self.error = error

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        self.passes += 1
        if self.passes > 8:
            raise self.error
        return super().outputs(rows)


class FailingCheckpoint(Checkpoint):
    """The shipped checkpoint with a runtime that fails after a while."""

    def __init__(self, error: Exception) -> None:
        super().__init__(SHIPPED / CHECKPOINT)
        self.failing = FailingRuntime(self, error)

    def runtime(
        self,
        kind: NoiseKind,  # noqa: ARG002
        arithmetic: Arithmetic = REFERENCE,  # noqa: ARG002
    ) -> GraphRuntime:
        return self.failing


class FailingStore(CheckpointStore):
    """Finds the checkpoint that fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__(SHIPPED)
        self.failing = FailingCheckpoint(error)

    def find(self, name: str) -> Checkpoint:  # noqa: ARG002
        return self.failing


@pytest.mark.parametrize(
    ("error", "code"),
    [(CheckpointError("the file is gone"), "checkpoint_refused"), (KeyError("bug"), "internal")],
)
async def test_an_error_after_the_first_vote_is_the_last_event(error: Exception, code: str) -> None:
    app = create_app(Settings(slots=1))
    transport = httpx.ASGITransport(app)
    with one_slot() as backend:
        service_of(app).predictor = Predictor(Settings(slots=1), FailingStore(error), backend)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            response = await client.post("/predict/stream", json={**LONG, "inputs": [array()]})
    *votes, (name, data) = events_in(response.text)
    assert votes
    assert name == "error"
    assert data["error"]["code"] == code
    assert data["error"]["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    assert "KeyError" not in response.text


async def test_a_stream_ends_when_its_client_leaves() -> None:
    app = create_app(Settings(slots=1))
    store = GatedStore()
    runtime = store.gated.gated
    runtime.gate.set()
    left = asyncio.Event()
    sent: list[Json] = []

    body = [{"type": "http.request", "body": json.dumps(LONG).encode()}]

    async def receive() -> Json:
        if body:
            return body.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))
        if message["type"] == "http.response.body":
            left.set()

    with one_slot() as backend:
        service_of(app).predictor = Predictor(Settings(slots=1), store, backend)
        await app(scope("/predict/stream"), receive, send)
        passes = await at_rest(backend, runtime)
        assert 1 <= passes < 20 * 1000 / store.gated.card.tile
        assert await at_rest(backend, runtime) == passes
    assert sent[0]["status"] == 200
    assert b"event: result" not in b"".join(part.get("body", b"") for part in sent)
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def scope(path: str) -> Json:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"service")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


async def test_new_work_is_refused_while_the_service_shuts_down() -> None:
    app = create_app(Settings(slots=1))
    transport = httpx.ASGITransport(app)
    backend = VotingBackend(1)
    service_of(app).predictor = Predictor(Settings(slots=1), GatedStore(), backend)
    service_of(app).closing.set()
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        for path in ("/predict", "/predict/stream"):
            error_in(await client.post(path, json=LONG), 503, "draining")
    backend.close()


@pytest.fixture
def own_handler() -> Iterator[Any]:
    """Handle SIGINT with a handler that is there whatever this process inherited."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, inherited)


async def test_the_handler_of_a_signal_is_back_when_the_app_has_ended(own_handler: Any) -> None:
    app = create_app(Settings(slots=1))
    async with app.router.lifespan_context(app):
        assert signal.getsignal(signal.SIGINT) is not own_handler
    assert signal.getsignal(signal.SIGINT) is own_handler


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_ends_its_streams_and_exits(by: signal.Signals) -> None:
    with started() as server:
        with server.client.stream("POST", "/predict/stream", json=LONG) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: votes"
            server.process.send_signal(by)
            rest = "\n".join(["event: votes", *lines])
        server.process.wait(60)
        log = server.log.to_the_end()
    *_, (name, data) = events_in(rest)
    assert (name, data["error"]["code"]) == ("error", "draining")
    assert server.process.returncode in {0, -signal.SIGTERM}
    assert "Application shutdown complete." in log
    assert "Traceback" not in log
