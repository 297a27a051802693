"""The events of a job: until it stops, its client leaves, or the service does."""

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from noisevote.service.jobs import stream
from noisevote.service.jobs.store import JobStore
from noisevote.service.service import service_of
from noisevote.service.wire.attack import JobState, PartialResults
from noisevote.service.wire.events import KEEP_ALIVE
from tests.service.jobs.support import body_of, serving_jobs, submitted
from tests.service.support import Json, error_in
from tests.service.test_stream import events_in, scope
from tests.service.wire import WITHIN_S

pytestmark = pytest.mark.anyio


async def test_events_follow_a_job_to_its_end(tmp_path: Path, store: JobStore) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        job_id = (await submitted(client))["id"]

        async def work() -> None:
            store.claim()
            store.advance(job_id, "pgd/restart 0", 0.5, queries=4, votes=8)
            store.keep_results(job_id, PartialResults())
            store.finish(job_id, JobState.DONE)

        asking = asyncio.create_task(client.get(f"/attack/{job_id}/events"))
        await client.get("/attack")
        await work()
        response = await asking
        assert response.headers["content-type"].startswith("text/event-stream")
        *statuses, (last, ended) = events_in(response.text)
        assert {name for name, _ in statuses} <= {"status"}
        assert (last, ended) == ("end", (await client.get(f"/attack/{job_id}")).json())
        assert (ended["state"], ended["progress"], ended["votes"]) == ("done", 1, 8)
        once_more = events_in((await client.get(f"/attack/{job_id}/events")).text)
        assert once_more == [("end", ended)], "a job that has stopped has one event"


async def test_events_end_when_the_service_stops_or_the_job_is_gone(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path) as (app, client):
        url = (await submitted(client))["status_url"]
        asking = asyncio.create_task(client.get(f"{url}/events"))
        await client.get("/attack")
        service_of(app).closing.set()
        names = [name for name, _ in events_in((await asking).text)]
        assert names == ["status", "error"]
        error_in(await client.post("/attack", json=body_of()), 503, "draining")
        error_in(await client.post(f"{url}/resume"), 503, "draining")


class Reader:
    """A client that reads events until something of its own happens.

    Attributes:
        read: all that came.
        left: set when it leaves.
    """

    def __init__(self) -> None:
        self.read = b""
        self.left = asyncio.Event()

    async def receive(self) -> Json:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        body: bytes = message.get("body", b"")
        self.read += body
        self.heard(body)

    def heard(self, body: bytes) -> None:
        """Leave at the first event."""
        if body:
            self.left.set()


def asked_for_events(job_id: str) -> Json:
    path = f"/attack/{job_id}/events"
    return scope(path) | {"method": "GET", "server": ("service", None)}


async def test_events_end_when_the_client_leaves(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path) as (app, client):
        reader = Reader()
        await app(asked_for_events((await submitted(client))["id"]), reader.receive, reader.send)
    assert reader.read.startswith(b"event: status\n")
    assert b"event: end" not in reader.read


class Listener(Reader):
    """Finishes a job when it has heard three times that there is nothing new."""

    def __init__(self, store: JobStore, job_id: str) -> None:
        super().__init__()
        self._store = store
        self._job_id = job_id
        self.quiet = 0

    def heard(self, body: bytes) -> None:
        self.quiet += body == KEEP_ALIVE
        if self.quiet == 3:
            self._store.finish(self._job_id, JobState.DONE)


async def test_that_time_passes_is_no_event_but_keeps_the_connection_open(
    tmp_path: Path, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.0)
    monkeypatch.setattr(stream, "LOOKS_EVERY_S", 0.11)  # the time left is told to a tenth
    async with serving_jobs(tmp_path) as (app, client):
        job_id = (await submitted(client))["id"]
        store.claim()
        for progress in (0.2, 0.6):
            store.advance(job_id, "clean/noisy", progress)
        with store.connected() as connection:
            connection.execute("UPDATE jobs SET paced = paced - 100")
        reader = Listener(store, job_id)
        async with asyncio.timeout(WITHIN_S):
            await app(asked_for_events(job_id), reader.receive, reader.send)
    (_, first), (last, _) = events_in(reader.read.decode())
    assert first["eta_s"] > 90
    assert last == "end"
