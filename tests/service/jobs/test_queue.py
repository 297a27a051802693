"""Jobs without a worker: what is kept, in which order, and who may do what to them."""

from pathlib import Path

import pytest

from noisevote.models.errors import LimitError
from noisevote.service.jobs.folder import JobFolder
from noisevote.service.jobs.store import JobStore, NewJob
from noisevote.service.wire.attack import JobState
from tests.service.jobs.support import (
    SURROGATE,
    body_of,
    serving_jobs,
    some_samples,
    store_of,
    submitted,
)
from tests.service.support import CHECKPOINT, error_in
from tests.service.test_metrics import scraped, value

pytestmark = pytest.mark.anyio


async def test_a_job_is_queued_listed_and_shown_with_its_whole_plan(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        status = await submitted(client, sigma=None, noise=None, sigmas=[0, 0.5], seed=9)
        listed = (await client.get("/attack")).json()["jobs"]
        samples = await scraped(client)
        assert value(samples, "jobs", state="queued") == 1
        assert value(samples, "jobs", state="done") == 0
        shown = (await client.get(status["status_url"])).json()
        again = (await client.get("/attack")).json()["jobs"]
    assert shown == status
    assert status["state"] == "queued"
    assert (status["target"], status["surrogate"]) == (CHECKPOINT, SURROGATE)
    assert (status["samples"], status["progress"], status["queries"]) == (2, 0, 0)
    assert (status["step"], status["eta_s"], status["finished_steps"]) == (None, None, [])
    assert status["plan"]["sigma"] == 1.0, "the checkpoint's sigma_train"
    assert status["plan"]["kind"] == "multiplicative"
    assert (status["plan"]["sigmas"], status["plan"]["seed"]) == ([0, 0.5], 9)
    assert status["steps"] > 10
    assert listed == again
    assert listed == [{name: status[name] for name in listed[0]}]


async def test_a_request_sent_again_under_its_key_gives_the_same_job(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "once"}
    async with serving_jobs(tmp_path, max_jobs=2) as (_, client):
        first = (await client.post("/attack", json=body_of(), headers=key)).json()
        second = (await client.post("/attack", json=body_of(), headers=key)).json()
        assert second == first
        other = await client.post("/attack", json=body_of(seed=6), headers=key)
        assert first["id"] in error_in(other, 409, "job_state")["message"]
        assert (await submitted(client))["id"] != first["id"], "without a key every request counts"


async def test_no_more_jobs_are_kept_than_allowed(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path, max_jobs=2) as (_, client):
        first = await submitted(client)
        await submitted(client)
        refusal = await client.post("/attack", json=body_of())
        assert (
            "2 jobs are kept, allowed are 2" in error_in(refusal, 422, "limit_exceeded")["message"]
        )
        await client.post(f"{first['status_url']}/cancel")
        await client.delete(first["status_url"])
        await submitted(client)
        assert len((await client.get("/attack")).json()["jobs"]) == 2
    folders = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(folders) == 2, "what was refused or deleted leaves nothing behind"


async def test_a_job_is_cancelled_resumed_and_deleted_in_the_states_that_allow_it(
    tmp_path: Path,
) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        url = (await submitted(client))["status_url"]
        message = error_in(await client.post(f"{url}/resume"), 409, "job_state")["message"]
        assert message == "the job is queued; there is nothing to resume"
        message = error_in(await client.delete(url), 409, "job_state")["message"]
        assert message == "the job is queued; cancel it first"
        for page in ("report", "report.html"):
            message = error_in(await client.get(f"{url}/{page}"), 409, "job_state")["message"]
            assert "nothing to report" in message

        cancelled = await client.post(f"{url}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
        assert cancelled.json()["finished_at"] is not None
        message = error_in(await client.post(f"{url}/cancel"), 409, "job_state")["message"]
        assert "the job is cancelled" in message

        resumed = await client.post(f"{url}/resume")
        assert (resumed.status_code, resumed.json()["state"]) == (202, "queued")
        await client.post(f"{url}/cancel")
        deleted = await client.delete(url)
        assert (deleted.status_code, deleted.content) == (204, b"")
        error_in(await client.get(url), 404, "unknown_job")
        error_in(await client.delete(url), 404, "unknown_job")


async def test_jobs_of_a_service_that_ended_are_interrupted_and_can_be_resumed(
    tmp_path: Path,
) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        running = await submitted(client)
        queued = await submitted(client)
        cancelled = await submitted(client)
        await client.post(f"{cancelled['status_url']}/cancel")
    # As a worker leaves it that was killed together with its server:
    claimed = store_of(tmp_path).claim()
    assert claimed is not None
    assert claimed.id == running["id"], "the one that waited longest"
    store_of(tmp_path).advance(running["id"], "clean/noisy", 0.25, queries=6, votes=9)
    orphan = tmp_path / "0123456789abcdef"
    orphan.mkdir()
    async with serving_jobs(tmp_path) as (_, client):
        jobs = {job["id"]: job for job in (await client.get("/attack")).json()["jobs"]}
        assert jobs[running["id"]]["state"] == jobs[queued["id"]]["state"] == "interrupted"
        assert jobs[running["id"]]["error"] == "the server ended unexpectedly"
        assert jobs[running["id"]]["progress"] == 0.25
        assert jobs[cancelled["id"]]["state"] == "cancelled"
        assert not orphan.exists(), "the folder of a job that was never taken"
        resumed = (await client.post(f"{running['status_url']}/resume")).json()
        assert (resumed["state"], resumed["error"], resumed["queries"]) == ("queued", None, 6)


async def test_processes_that_share_a_folder_see_the_same_and_leave_each_other_alone(
    tmp_path: Path,
) -> None:
    async with serving_jobs(tmp_path) as (_, first):
        job = await submitted(first)
        async with serving_jobs(tmp_path) as (_, second):
            assert (await second.get(job["status_url"])).json() == job
            await second.post(f"{job['status_url']}/cancel")
            other = await submitted(second)
            assert (await first.get(job["status_url"])).json()["state"] == "cancelled"
        assert (await first.get(other["status_url"])).json()["state"] == "queued"


async def test_a_queued_job_is_claimed_once_and_in_turn(tmp_path: Path, store: JobStore) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        ids = [(await submitted(client))["id"] for _ in range(3)]
        await client.post(f"/attack/{ids[0]}/cancel")
        await client.post(f"/attack/{ids[0]}/resume")  # to the end of the queue
        claimed = [job.id for job in iter(store.claim, None)]
        assert claimed == [ids[1], ids[2], ids[0]]
        assert store.advance(ids[1], "pgd/restart 0", 0.5) is False
        await client.post(f"/attack/{ids[1]}/cancel")
        assert store.advance(ids[1], "pgd/restart 0", 0.6) is True
        told = (await client.get(f"/attack/{ids[1]}")).json()
        assert (told["state"], told["finished_at"]) == ("running", None)
        assert (told["step"], told["progress"]) == ("pgd/restart 0", 0.6)
        store.finish(ids[1], JobState.CANCELLED)
        told = (await client.get(f"/attack/{ids[1]}")).json()
        assert (told["state"], told["step"], told["progress"]) == ("cancelled", None, 0.6)
        assert told["finished_at"] is not None
        assert store.advance(ids[0], "pgd/restart 0", 0.1) is False, "it was resumed"
        assert (await client.get(f"/attack/{ids[0]}")).json()["finished_at"] is None


async def test_what_is_asked_of_the_target_adds_up_and_a_job_that_is_gone_is_to_stop(
    tmp_path: Path, store: JobStore
) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        job_id = (await submitted(client))["id"]
        store.claim()
        for queries, votes in ((2, 10), (3, 20)):
            store.advance(job_id, "clean/noisy", 0.1, queries, votes)
        told = (await client.get(f"/attack/{job_id}")).json()
        assert (told["queries"], told["votes"]) == (5, 30)
        store.finish_step(job_id, "clean/noisy", 1.0)
        store.finish(job_id, JobState.DONE)
        await client.delete(f"/attack/{job_id}")
        assert store.advance(job_id, "clean/noisy", 0.2) is True
        with store.connected() as connection:
            (steps,) = connection.execute("SELECT count(*) FROM steps").fetchone()
        assert steps == 0, "they go with their job"


async def test_the_job_that_waited_longest_fails_if_no_worker_can_be_had(
    tmp_path: Path, store: JobStore
) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        first, second = [(await submitted(client))["id"] for _ in range(2)]
        store.fail_next("it cannot start")
        told = [(await client.get(f"/attack/{job_id}")).json() for job_id in (first, second)]
        assert [(one["state"], one["error"]) for one in told] == [
            ("failed", "it cannot start"),
            ("queued", None),
        ]
        store.fail_next("nor now")
        store.fail_next("and nobody waits")
        told = (await client.get("/attack")).json()["jobs"]
        assert {one["error"] for one in told} == {"it cannot start", "nor now"}


async def test_two_who_found_room_for_one_job_do_not_both_get_it(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        taken = (await submitted(client))["id"]
    store = JobStore(JobFolder(tmp_path).database)
    content = store.find(taken).content
    store.check_room("address 127.0.0.1", 2)
    jobs = [NewJob(digit * 16, "address 127.0.0.1", content, 1, "digest", None) for digit in "01"]
    assert store.add(jobs[0], 2) == "0" * 16
    with pytest.raises(LimitError, match="allowed, 2"):
        store.add(jobs[1], 2)


async def test_eta_is_the_work_left_at_the_pace_since_the_worker_began(
    tmp_path: Path, store: JobStore
) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        job_id = (await submitted(client))["id"]
        store.claim()
        store.advance(job_id, "clean/noisy", 0.2)
        assert (await client.get(f"/attack/{job_id}")).json()["eta_s"] is None
        store.advance(job_id, "clean/noisy", 0.6)
        job = store.find(job_id)
    assert job.paced is not None
    assert job.eta_s(job.paced + 100) == pytest.approx(100)
    assert job.eta_s(job.paced + 50) == pytest.approx(50)
    assert job.eta_s(job.paced - 50) == 0, "a clock that was set back"


async def test_the_pace_of_a_resumed_job_is_that_since_it_was_resumed(
    tmp_path: Path, store: JobStore
) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        job_id = (await submitted(client))["id"]
        store.claim()
        store.advance(job_id, "clean/noisy", 0.2)
        paced = store.find(job_id).paced
        store.advance(job_id, "clean/noisy", 0.5)
        assert store.find(job_id).paced == paced, "one pace as long as a worker is at it"
        store.interrupt("the worker was killed", JobState.RUNNING)
        await client.post(f"/attack/{job_id}/resume")
        store.claim()
        store.advance(job_id, "clean/noisy", 0.5)
        store.advance(job_id, "clean/noisy", 0.6)
        job = store.find(job_id)
    assert paced is not None
    assert job.paced is not None
    assert job.paced > paced
    assert job.eta_s(job.paced + 10) == pytest.approx(40)


async def test_a_folder_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        job = await submitted(client)
    with store_of(tmp_path).connected() as connection:
        connection.execute("PRAGMA user_version = 3")
    async with serving_jobs(tmp_path) as (_, client):
        error = error_in(await client.post("/attack", json=body_of()), 507, "storage")
        assert error["message"] == "the jobs are kept in version 3; this service knows 2"
    assert store_of(tmp_path).find(job["id"]).state is JobState.QUEUED


def test_the_worker_lock_is_held_by_one_and_the_server_lock_by_many(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    first, second = folder.worker_lock(), folder.worker_lock()
    assert first.acquire(waits=False)
    assert not second.acquire(waits=False)
    first.release()
    assert second.acquire(waits=False)
    servers = [folder.server_lock() for _ in range(3)]
    assert all(lock.acquire(shared=True, waits=False) for lock in servers)
    assert not folder.server_lock().acquire(waits=False)


def test_samples_come_back_as_they_were_kept(tmp_path: Path) -> None:
    folder, samples = JobFolder(tmp_path), some_samples(3)
    folder.keep_samples("0123456789abcdef", samples, 0)
    kept = folder.samples("0123456789abcdef")
    assert (kept.inputs == samples.inputs).all()
    assert kept.labels.tolist() == samples.labels.tolist()
    assert kept.indices.tolist() == [0, 1, 2]
