"""``/metrics``: what it tells is what happened, whatever clients send."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from noisevote.models.errors import OverloadedError
from noisevote.service.app import create_app
from noisevote.service.configuration.settings import Settings
from noisevote.service.operations.metrics import Metrics, votes_label
from noisevote.service.service import service_of
from noisevote.service.voting.entries import Entry
from noisevote.service.wire.errors import STATUS
from tests.service.gated import GatedStore, one_slot, votes_asked
from tests.service.support import CHECKPOINT, array, ask, client_of, error_in, noise_image, serving

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_in(text: str) -> Samples:
    """Return the samples of a text as Prometheus's own parser reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"noisevote_{name}", frozenset(labels.items())), 0.0)


async def scraped(client: httpx.AsyncClient) -> Samples:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return samples_in(response.text)


async def test_what_is_counted_is_what_was_answered() -> None:
    async with serving(Settings(slots=1)) as (_, client):
        full = await ask(client, inputs=[array(7), noise_image()], votes=20, seed=1, alpha=1e-6)
        early = await ask(client, inputs=[array(7)], votes=50, stop="exact", sigma=0.5)
        late = {"inputs": [array(7)], "votes": 1, "deadline_ms": 1e-3}
        error_in(await client.post("/predict", json=late), 504, "deadline")
        error_in(await client.post("/predict", content=b"{"), 400, "not_json")
        error_in(await client.get("/nosuch"), 404, "not_found")
        samples = await scraped(client)
    predictions = full["predictions"] + early["predictions"]
    at = {"checkpoint": CHECKPOINT}
    assert value(samples, "votes_requested_total", **at) == 2 * 20 + 50
    cast = sum(one["votes_cast"] for one in predictions)
    assert value(samples, "votes_cast_total", **at) == cast < 90
    assert value(samples, "predictions_total", stopped_by="full", **at) == 2
    assert value(samples, "predictions_total", stopped_by="exact", **at) == 1
    abstained = sum(one["abstain"] is True for one in predictions)
    assert value(samples, "abstentions_total", **at) == abstained == 2
    assert value(samples, "agreement_count", **at) == 3
    agreement = sum(one["agreement"] for one in predictions)
    assert value(samples, "agreement_sum", **at) == pytest.approx(agreement)
    counts = [sorted(one["vote_counts"])[-2:] for one in predictions]
    margins = [(b - a) / one["votes_cast"] for (a, b), one in zip(counts, predictions, strict=True)]
    assert value(samples, "margin_sum", **at) == pytest.approx(sum(margins))
    assert value(samples, "batch_rows_sum", **at) >= cast
    assert value(samples, "predict_seconds_count", votes="1", **at) == 0, "it has no answer"
    assert value(samples, "predict_seconds_count", votes="11-20", **at) == 1
    assert value(samples, "predict_seconds_count", votes="21-50", **at) == 1
    assert value(samples, "queue_seconds_count", **at) == 2
    compute_ms = full["timing_ms"]["compute"] + early["timing_ms"]["compute"]
    assert value(samples, "compute_seconds_sum", **at) == pytest.approx(compute_ms / 1000)
    assert value(samples, "requests_total", route="/predict", status="200") == 2
    assert value(samples, "requests_total", route="/predict", status="400") == 1
    assert value(samples, "requests_total", route="unmatched", status="404") == 1
    assert value(samples, "request_seconds_count", route="/predict") == 4
    assert value(samples, "rejections_total", code="not_json") == 1
    assert value(samples, "rejections_total", code="not_found") == 1
    assert value(samples, "queued_votes") == 0
    assert value(samples, "workers") == value(samples, "slots") == 1
    assert 0 < value(samples, "slot_seconds_total", **at) < compute_ms
    assert 0 < time.time() - value(samples, "start_time_seconds") < 600
    assert value(samples, "memory_bytes") > 2**20


async def test_streams_and_the_open_inference_protocol_are_counted_too() -> None:
    async with serving(Settings(slots=1)) as (_, client):
        body = {"inputs": [array(7)], "votes": 4}
        streamed = await client.post("/predict/stream", json=body)
        assert b"event: result" in streamed.content
        tensor = {"name": "input", "shape": [1, 1, 28, 28], "datatype": "FP32"}
        inferred = await client.post(
            f"/v2/models/{CHECKPOINT}/infer",
            json={"inputs": [tensor | {"data": [[array(7)]]}], "parameters": {"votes": 5}},
        )
        assert inferred.status_code == 200, inferred.text
        refused = await client.post(f"/v2/models/{CHECKPOINT}/infer", json={"inputs": []})
        assert refused.status_code == 400
        samples = await scraped(client)
    assert value(samples, "votes_cast_total", checkpoint=CHECKPOINT) == 9
    assert value(samples, "requests_total", route="/predict/stream", status="200") == 1
    infer = "/v2/models/{name}/infer"
    assert value(samples, "requests_total", route=infer, status="200") == 1
    assert value(samples, "rejections_total", code="invalid_input") == 1


class Doorkeeper(Metrics):
    """Counts, and says when so many requests have entered the queue."""

    def __init__(self) -> None:
        super().__init__()
        self._entered = asyncio.Semaphore(0)

    def admitted(self, entry: Entry) -> None:
        super().admitted(entry)
        self._entered.release()

    async def entered(self) -> float:
        """Wait until one more request is in the queue and return the votes in it."""
        await self._entered.acquire()
        return self.queued()

    def queued(self) -> float:
        return value(samples_in(self.text().decode()), "queued_votes")


async def test_votes_in_the_queue_are_seen_while_they_wait() -> None:
    metrics, store = Doorkeeper(), GatedStore()
    with one_slot(observer=metrics) as backend:
        first = asyncio.create_task(backend.vote(store.gated, votes_asked(2, 20)))
        assert await metrics.entered() == 40
        second = asyncio.create_task(backend.vote(store.gated, votes_asked(1, 7)))
        assert await metrics.entered() == 47
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert metrics.queued() == 40
        store.gated.gated.gate.set()
        await first
        assert metrics.queued() == 0


async def test_what_the_queue_refuses_is_not_in_it() -> None:
    metrics, store = Doorkeeper(), GatedStore()
    with one_slot(queue_gmacs=1e-3, observer=metrics) as backend:
        # None takes up more than an eighth of the queue, so that eight fill it.
        waiting = [
            asyncio.create_task(backend.vote(store.gated, votes_asked(1, 20))) for _ in range(8)
        ]
        assert [await metrics.entered() for _ in waiting][-1] == 160
        with pytest.raises(OverloadedError):
            await backend.vote(store.gated, votes_asked(1, 9))
        assert metrics.queued() == 160
        store.gated.gated.gate.set()
        await asyncio.gather(*waiting)
        assert metrics.queued() == 0


async def test_clients_cannot_make_up_labels(client: httpx.AsyncClient) -> None:
    before = labels_of(await scraped(client))
    for junk in ("x1", "x2", "%00", "predict/x3", "v2/x4", "checkpoints/x5", "static/x6"):
        await client.get(f"/{junk}")
        await client.request("PROPFIND", f"/{junk}")
        await client.post("/predict", json={"inputs": [array()], "checkpoint": junk, junk: 1})
        await client.post("/predict", json={"inputs": [array()], "checkpoint": junk})
        await client.post(f"/v2/models/{junk}/infer", json={})
    new = labels_of(await scraped(client)) - before
    assert not [label for label in new if re.search(r"x\d|%|\x00|PROPFIND", label[1])]
    codes = {code for _, code in STATUS.values()} | {"not_found", "method_not_allowed"}
    assert {text for name, text in new if name == "code"} <= codes


def labels_of(samples: Samples) -> set[tuple[str, str]]:
    return {label for _, labels in samples for label in labels}


async def test_an_unexpected_error_is_counted() -> None:
    app = create_app(Settings(slots=1))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        # The app has not been started, so that the route lacks what it needs.
        assert (await client.get("/checkpoints")).status_code == 500
        samples = await scraped(client)
    assert value(samples, "requests_total", route="/checkpoints", status="500") == 1
    assert value(samples, "rejections_total", code="internal") == 1


async def test_jobs_are_counted_by_whoever_keeps_them() -> None:
    app = create_app(Settings(slots=1))
    states: dict[str, int] = {"running": 1}
    service_of(app).observer.metrics.count_jobs_by(lambda: states)
    async with client_of(app) as client:
        assert value(await scraped(client), "jobs", state="running") == 1
        states |= {"running": 0, "done": 3}
        samples = await scraped(client)
    assert value(samples, "jobs", state="running") == 0
    assert value(samples, "jobs", state="done") == 3


async def test_every_metric_of_the_dashboard_and_of_its_table_is_served() -> None:
    metrics = Metrics()
    metrics.count_jobs_by(dict)
    families = {family.name for family in text_string_to_metric_families(metrics.text().decode())}
    table = (ROOT / "docs" / "operations.md").read_text()
    named = set(re.findall(r"^\| `(noisevote_\w+)`", table, re.MULTILINE))
    assert {name.removesuffix("_total") for name in named} == families
    dashboard = json.loads((ROOT / "docker/grafana/dashboards/votes.json").read_text())
    shown = set(re.findall(r"noisevote_\w+", " ".join(expressions(dashboard))))
    suffixes = ("_bucket", "_sum", "_count")
    for name in shown:
        assert any(name.removesuffix(suffix) in named for suffix in ("", *suffixes)), name


def expressions(part: Any) -> list[str]:
    if isinstance(part, dict):
        found = [part["expr"]] if isinstance(part.get("expr"), str) else []
        return found + [one for each in part.values() for one in expressions(each)]
    return [one for each in part for one in expressions(each)] if isinstance(part, list) else []


@pytest.mark.parametrize(
    ("votes", "label"), [(1, "1"), (2, "2-5"), (20, "11-20"), (21, "21-50"), (1000, "101+")]
)
def test_votes_fall_into_classes(votes: int, label: str) -> None:
    assert votes_label(votes) == label
