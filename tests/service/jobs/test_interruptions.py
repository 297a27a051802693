"""What remains of a job when its worker, its server or its disk gives out."""

import os
import resource
import select
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.progress import Progress
from noisevote.service.client.attacks import Attacks
from noisevote.service.client.exchange import ServiceError
from noisevote.service.jobs.chosen import chosen_again
from noisevote.service.jobs.run import run_of
from noisevote.service.wire.attack import JobState, JobStatus
from tests.load.servers import processes_of
from tests.service.jobs.support import (
    ENDLESS,
    body_of,
    client_of,
    environment,
    request_of,
    some_samples,
)
from tests.service.test_server import Server, started, stopped

pytestmark = pytest.mark.slow

STORE = CheckpointStore(SHIPPED)


def worker_of(server: Server) -> int:
    """Return the process id of the only worker."""
    _, worker = processes_of(server.process.pid)
    return worker


def has_begun(status: JobStatus) -> bool:
    """Return whether a step is done and reported, and another one runs."""
    return status.step is not None and len(status.finished_steps) > 1


def test_a_job_whose_worker_is_killed_loses_only_the_running_step_and_ends_as_if_it_had_not_been(
    server: Server, folder: Path
) -> None:
    samples = some_samples()
    with client_of(server) as client:
        attacks = Attacks(client)
        job = attacks.submit(request_of(body_of(samples, steps=40)))  # takes seconds
        steps = folder / job.id / "steps"
        status = next(seen for seen in attacks.watch(job.id) if has_begun(seen))
        os.kill(worker_of(server), signal.SIGKILL)  # in the step that was seen, or soon after it
        assert not attacks.report(job.id).is_complete
        kept = {path: path.stat().st_mtime_ns for path in steps.glob("*.npz")}
        *_, status = attacks.watch(job.id)
        assert status.state is JobState.INTERRUPTED
        assert status.error == "its worker ended unexpectedly, with exit code -9"
        done = [step.name for step in status.finished_steps]
        assert len(kept) - 1 <= len(done) <= len(kept) < status.steps

        attacks.resume(job.id)
        *_, status = attacks.watch(job.id)
        assert (status.state, status.error, status.progress) == (JobState.DONE, None, 1)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept, "no step done twice"
        assert [step.name for step in status.finished_steps][: len(done)] == done
        assert len(status.finished_steps) == status.steps == len(list(steps.glob("*.npz")))
        untimed = [step for step in status.finished_steps if step.seconds is None]
        assert len(untimed) == len(kept) - len(done), "kept by who was killed before it said so"
        report = attacks.report(job.id)
        attacks.delete(job.id)
    chosen = chosen_again(STORE, report.about)
    run = run_of(chosen, report.about, report.plan, samples, folder / "undisturbed", Progress())
    assert report == assess(run, report.about)
    assert report.is_complete


def test_a_running_job_is_cancelled_and_another_goes_on(server: Server) -> None:
    with client_of(server) as client:
        attacks = Attacks(client)
        endless = attacks.submit(request_of(body_of(**ENDLESS)))
        other = attacks.submit(request_of(body_of()))
        next(seen for seen in attacks.watch(endless.id) if seen.step == "pgd/restart 0")
        with pytest.raises(ServiceError, match="cancel it first"):
            attacks.delete(endless.id)
        attacks.cancel(endless.id)
        *_, status = attacks.watch(endless.id)
        assert (status.state, status.error) == (JobState.CANCELLED, None)
        assert [step.name for step in status.finished_steps][-1] == "clean/control"
        *_, status = attacks.watch(other.id)
        assert status.state is JobState.DONE
        for job in (endless, other):
            attacks.delete(job.id)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_server_that_stops_stops_its_worker_and_the_job_can_be_resumed(
    by: signal.Signals, tmp_path: Path
) -> None:
    with started(environment(tmp_path)) as first, client_of(first) as client:
        attacks = Attacks(client)
        job = attacks.submit(request_of(body_of(**ENDLESS)))
        watching = attacks.watch(job.id)
        next(seen for seen in watching if seen.step == "pgd/restart 0")
        worker = os.pidfd_open(worker_of(first))
        code, log = stopped(first, by)
        with pytest.raises(ServiceError, match=r"shutting down|broke off"):
            list(watching)
        ready, _, _ = select.select([worker], [], [], 60)
        os.close(worker)
    assert ready, "the worker has ended, too"
    assert code in {0, -by}
    assert "Traceback" not in log
    with started(environment(tmp_path)) as second, client_of(second) as client:
        attacks = Attacks(client)
        status = attacks.status(job.id)
        assert status.state is JobState.INTERRUPTED
        assert status.error in {"its worker was stopped", "the server ended unexpectedly"}
        assert attacks.resume(job.id).state is JobState.QUEUED
        status = next(seen for seen in attacks.watch(job.id) if seen.step == "pgd/restart 0")
        assert len(status.finished_steps) == 4
        attacks.cancel(job.id)
        *_, status = attacks.watch(job.id)
        assert status.state is JobState.CANCELLED


def test_a_full_disk_fails_the_job_with_a_clear_error_and_keeps_its_steps(tmp_path: Path) -> None:
    """Stands for a full disk: no file of the server and its worker may pass 200 KiB."""
    samples = some_samples(100)
    # Two values compress well; examples that start anywhere near them do not.
    flat = replace(samples, inputs=np.float32(0.2) + np.float32(0.6) * np.round(samples.inputs))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200 * 1024, before[1]))
    try:
        with started(environment(tmp_path)) as server, client_of(server) as client:
            attacks = Attacks(client)
            with pytest.raises(ServiceError, match="File too large") as refusal:
                attacks.submit(request_of(body_of(samples)))
            assert (refusal.value.status, refusal.value.code) == (507, "storage")
            assert attacks.jobs().jobs == []
            job = attacks.submit(request_of(body_of(flat)))
            *_, status = attacks.watch(job.id)
            assert status.state is JobState.FAILED
            assert status.error == "the results cannot be kept: File too large"
            steps = tmp_path / job.id / "steps"
            assert len(list(steps.glob("*.npz"))) == len(status.finished_steps) > 3
            assert not list(steps.glob("*.partial"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with started(environment(tmp_path)) as server, client_of(server) as client:
        attacks = Attacks(client)
        attacks.resume(job.id)
        *_, resumed = attacks.watch(job.id)
        assert resumed.state is JobState.DONE
        assert resumed.finished_steps[:4] == status.finished_steps[:4]
