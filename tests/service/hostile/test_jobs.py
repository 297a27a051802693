"""Jobs: watched by too many, asked for by strangers, paid for by nobody."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from noisevote.service.configuration.keys import digest_of
from noisevote.service.jobs.folder import JobFolder
from noisevote.service.jobs.service import MOST_STREAMS
from tests.service.hostile.support import USUAL, attacked, reply_to, unharmed, wait_until_settled
from tests.service.hostile.test_preparation import lined
from tests.service.jobs.support import body_of, serving_jobs, store_of, submitted
from tests.service.processes import Server
from tests.service.support import Json, error_in
from tests.service.test_keys import KEYS, TOKEN
from tests.service.wire import connected, json_request, status_of

ALICE, BOB = ({"Authorization": f"Bearer {KEYS[name]}"} for name in ("alice", "bob"))
WATCHERS = 300
OF_KEYS: Json = {
    "api_keys": {name: digest_of(key) for name, key in KEYS.items()},
    "internal_token": SecretStr(TOKEN),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server whose jobs stay queued: the test holds the lock of their worker."""
    folder = JobFolder(tmp_path)
    folder.make()
    lock = folder.worker_lock()
    assert lock.acquire()
    with attacked({"NOISEVOTE_JOBS_DIR": str(tmp_path)}) as running:
        yield running
    lock.release()


def test_few_streams_of_a_job_are_open_and_predictions_are_answered(server: Server) -> None:
    url = httpx.post(f"{server.url}/attack", json=body_of(), timeout=60).json()["events_url"]
    asked = b"GET %s HTTP/1.1\r\nHost: service\r\n\r\n" % url.encode()
    with ExitStack() as stack:
        statuses = []
        for _ in range(WATCHERS):
            line = stack.enter_context(connected(server.port))
            line.sendall(asked)
            statuses.append(status_of(line.recv(2**16)))
        assert statuses.count(200) == MOST_STREAMS
        assert statuses.count(429) == WATCHERS - MOST_STREAMS
        with unharmed(server):
            predict = json_request("/predict", USUAL, "Connection: close")
            assert status_of(reply_to(server, predict)) == 200
    for _ in range(1000):  # those that left make room for others
        with connected(server.port) as line:
            line.sendall(asked)
            if status_of(line.recv(2**16)) == 200:
                return
    pytest.fail("no stream has ended")


def test_few_assessments_wait_to_be_taken_and_others_are_answered(server: Server) -> None:
    asked = json_request("/attack", body_of(), "Connection: close")
    with ExitStack() as stack:
        lines = [stack.enter_context(connected(server.port)) for _ in range(100)]
        for line in lines:
            line.sendall(asked)
        wait_until_settled(server)
        with unharmed(server):
            predict = json_request("/predict", USUAL, "Connection: close")
            assert status_of(reply_to(server, predict)) == 200
        statuses = [status_of(line.recv(2**16)) for line in lines]
    assert set(statuses) == {202, 429}
    assert statuses.count(429) >= 50


@pytest.mark.anyio
async def test_bodies_of_assessments_take_no_room_of_predictions(tmp_path: Path) -> None:
    limits: Json = {"max_body_bytes": 40_000, "max_held_bytes": 60_000}
    started, rest = asyncio.Event(), asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b" " * 30_000
        started.set()
        await rest.wait()
        yield b"{}"

    async with serving_jobs(tmp_path, **limits) as (_, client):
        waiting = asyncio.create_task(client.post("/attack", content=slow_body()))
        await started.wait()
        assert (await client.post("/predict", json=USUAL)).status_code == 200
        rest.set()
        assert (await waiting).status_code == 422


@pytest.mark.anyio
async def test_a_job_is_open_to_its_key_alone(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path, **OF_KEYS) as (_, client):
        client.headers.update(ALICE)
        url = (await submitted(client))["status_url"]
        for path in ("", "/events", "/report", "/report.html"):
            error_in(await client.get(url + path, headers=BOB), 404, "unknown_job")
        for call in ("cancel", "resume"):
            error_in(await client.post(f"{url}/{call}", headers=BOB), 404, "unknown_job")
        error_in(await client.delete(url, headers=BOB), 404, "unknown_job")
        assert (await client.get("/attack", headers=BOB)).json() == {"jobs": []}
        assert (await client.get(url)).json()["state"] == "queued"
        assert (await client.post(f"{url}/cancel")).json()["state"] == "cancelled"
        assert (await client.delete(url)).status_code == 204


@pytest.mark.anyio
async def test_each_key_has_its_own_idempotency_keys(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path, **OF_KEYS) as (_, client):
        sent = {"Idempotency-Key": "once"}
        ids = [
            (await client.post("/attack", json=body_of(), headers=sent | who)).json()["id"]
            for who in (ALICE, BOB, ALICE)
        ]
        assert ids[0] == ids[2] != ids[1]
        other = await client.post("/attack", json=body_of(seed=6), headers=sent | BOB)
        assert ids[0] not in error_in(other, 409, "job_state")["message"]


@pytest.mark.anyio
async def test_jobs_of_one_key_take_no_others_room(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path, max_jobs=1, **OF_KEYS) as (_, client):
        statuses = [
            (await client.post("/attack", json=body_of(), headers=who)).status_code
            for who in (ALICE, BOB, ALICE)
        ]
        assert statuses == [202, 202, 422]


@pytest.mark.anyio
async def test_jobs_without_a_key_are_everybodys(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        url = (await submitted(client))["status_url"]
    async with serving_jobs(tmp_path, **OF_KEYS) as (_, client):
        assert (await client.get(url, headers=BOB)).status_code == 200


@pytest.mark.anyio
async def test_jobs_of_the_version_before_are_kept(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        url = (await submitted(client))["status_url"]
    with store_of(tmp_path).connected() as connection:
        connection.execute("ALTER TABLE jobs DROP COLUMN owner")
        connection.execute("PRAGMA user_version = 1")
    async with serving_jobs(tmp_path) as (_, client):
        assert (await client.get(url)).status_code == 200
        assert (await submitted(client, seed=9))["state"] == "queued"


@pytest.mark.anyio
async def test_what_a_job_asks_counts_for_whom_it_works(tmp_path: Path) -> None:
    limits: Json = {"rate_limit_votes_per_s": 1, "rate_limit_burst_votes": 10}
    worker = {"Authorization": f"Bearer {TOKEN}"}
    asked = USUAL | {"votes": 8}
    async with serving_jobs(tmp_path, **OF_KEYS, **limits) as (_, client):
        for who, status in (("key alice", 200), ("key alice", 429), ("key bob", 200)):
            reply = await client.post(
                "/predict", headers=worker | {"X-Charged-To": who}, json=asked
            )
            assert reply.status_code == status
        assert (await client.post("/predict", headers=ALICE, json=asked)).status_code == 429
        assert (await client.post("/predict", headers=worker, json=asked)).status_code == 200
        disguised = ALICE | {"X-Charged-To": "key carol"}
        assert (await client.post("/predict", headers=disguised, json=asked)).status_code == 429
        costly = {"image": lined(384, 384, 5)}
        for headers, status in ((worker, 422), (worker, 422), (disguised, 429)):
            reply = await client.post("/predict", headers=headers, json=costly)
            assert reply.status_code == status
