"""How a worker tells of its progress, and hears that it is to stop."""

import math
import threading
import time
from pathlib import Path

import pytest

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.errors import CancelledError
from noisevote.models.robustness.trials import MemoryState, StepResult
from noisevote.service.configuration.settings import Settings
from noisevote.service.jobs import worker
from noisevote.service.jobs.folder import JobFolder
from noisevote.service.jobs.http_target import Meter
from noisevote.service.jobs.job import Job
from noisevote.service.jobs.store import JobStore, NewJob
from noisevote.service.jobs.submit import submission_of
from noisevote.service.jobs.worker import JobProgress, TimedState
from tests.service.jobs.support import body_of, request_of, store_of


@pytest.fixture
def job(tmp_path: Path, store: JobStore) -> Job:
    """A job that runs."""
    store = JobStore(JobFolder(tmp_path).database)
    store.make()
    settings, checkpoints = Settings(jobs_dir=tmp_path), CheckpointStore(SHIPPED)
    taken = submission_of(request_of(body_of()), settings, checkpoints)
    store.add(NewJob("0" * 16, "nobody", taken.content, taken.steps, "digest", None), 1)
    claimed = store.claim()
    assert claimed is not None
    return claimed


class Watched:
    """A worker's progress, and what it stands between."""

    def __init__(self, store: JobStore, job_id: str) -> None:
        self.store = store
        self.job_id = job_id
        self.meter = Meter()
        self.stop = threading.Event()
        self.progress = JobProgress(store, job_id, self.meter, self.stop)

    @property
    def told(self) -> Job:
        return self.store.find(self.job_id)


@pytest.fixture
def watched(job: Job, store: JobStore) -> Watched:
    return Watched(store, job.id)


def test_a_new_step_is_told_at_once_and_its_progress_now_and_then(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for every_s, step, share in (
        (math.inf, "clean", 0.1), (math.inf, "clean", 0.2), (math.inf, "pgd", 0.3), (0, "pgd", 0.4),
    ):  # fmt: skip
        monkeypatch.setattr(worker, "WRITES_EVERY_S", every_s)
        watched.progress.advance(step, share)
        told.append((watched.told.step, watched.told.progress))
    assert told == [("clean", 0.1), ("clean", 0.1), ("pgd", 0.3), ("pgd", 0.4)]


def test_a_finished_step_took_its_own_time_and_what_was_asked_in_it_is_counted(
    watched: Watched,
) -> None:
    watched.progress.advance("clean", 0.1)
    watched.progress.pause(0.05)
    watched.progress.finished("clean")
    began = time.monotonic()
    watched.progress.advance("pgd", 0.2)
    watched.meter.queries, watched.meter.votes = 3, 7
    watched.progress.finished("pgd")
    took_s = time.monotonic() - began
    clean, pgd = watched.told.finished_steps
    assert (clean.name, pgd.name) == ("clean", "pgd")
    assert clean.seconds is not None
    assert clean.seconds >= 0.05
    assert pgd.seconds is not None
    assert pgd.seconds <= took_s
    assert (watched.told.queries, watched.told.votes) == (3, 7)


def test_a_step_that_a_killed_worker_kept_is_told_once_and_without_a_time(watched: Watched) -> None:
    watched.store.finish_step(watched.job_id, "clean", 2.0)
    for step in ("clean", "pgd"):
        watched.progress.found(step, watched.told)
    assert [(step.name, step.seconds) for step in watched.told.finished_steps] == [
        ("clean", 2.0),
        ("pgd", None),
    ]


def test_a_worker_hears_of_a_cancellation_when_it_tells_of_its_progress(
    watched: Watched, tmp_path: Path
) -> None:
    watched.progress.advance("clean", 0.1)
    JobStore(JobFolder(tmp_path).database).cancel(watched.job_id)
    assert not watched.progress.is_cancelled()
    watched.progress.advance("pgd", 0.2)
    assert watched.progress.is_cancelled()
    assert watched.progress.wants_cancel


def test_a_pause_ends_when_the_job_is_cancelled(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "WRITES_EVERY_S", 0.01)
    JobStore(JobFolder(tmp_path).database).cancel(watched.job_id)
    with pytest.raises(CancelledError):
        watched.progress.pause(5)
    assert watched.progress.wants_cancel


def test_a_pause_ends_when_the_worker_is_to_stop(watched: Watched) -> None:
    watched.stop.set()
    with pytest.raises(CancelledError):
        watched.progress.pause(5)
    assert watched.progress.is_cancelled()
    assert not watched.progress.wants_cancel


def test_progress_that_cannot_be_written_is_logged_and_counted_the_next_time(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database, away = JobFolder(tmp_path).database, tmp_path / "away"
    database.rename(away)
    watched.meter.queries, watched.meter.votes = 3, 7
    watched.progress.advance("clean", 0.1)
    assert "the progress of job" in caplog.text
    away.rename(database)
    watched.meter.queries += 1
    watched.progress.advance("pgd", 0.2)
    told = store_of(tmp_path).find(watched.job_id)
    assert (told.step, told.queries, told.votes) == ("pgd", 4, 7)


def test_a_step_that_is_kept_is_found_again_and_told(watched: Watched) -> None:
    state = TimedState(MemoryState(), watched.progress)
    assert state.load("clean") is None
    result = StepResult({"a": 1}, {})
    state.save("clean", result)
    assert state.load("clean") is result
    assert [step.name for step in watched.told.finished_steps] == ["clean"]
