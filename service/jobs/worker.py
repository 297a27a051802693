"""The worker: does the jobs of a folder one after another, then ends.

``python -m noisevote.service.jobs.worker``, started by ``service/jobs/supervisor.py``. It reads
where everything is as one line of JSON from standard input and stops as soon as that closes, so
that it never outlives its server. Only here torch is loaded.
"""

import logging
import os
import signal
import sys
import threading
import time
from dataclasses import replace

from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.engines.preference import Preference
from noisevote.models.errors import (
    CancelledError,
    CheckpointError,
    DataError,
    NoisevoteError,
    StorageError,
)
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.assessment import assess, steps_of
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.report import About, Report
from noisevote.models.robustness.run import Assessment
from noisevote.models.robustness.trials import State, StepResult
from noisevote.service.client import Client
from noisevote.service.client.exchange import Retry
from noisevote.service.configuration.keys import CHARGED_TO
from noisevote.service.jobs.chosen import chosen_again
from noisevote.service.jobs.folder import JobFolder
from noisevote.service.jobs.http_target import HttpTarget, Meter
from noisevote.service.jobs.job import Job, results_of
from noisevote.service.jobs.priority import step_back
from noisevote.service.jobs.run import run_of, versions, write_report
from noisevote.service.jobs.store import JobStore
from noisevote.service.jobs.supervisor import WorkerStart
from noisevote.service.log.output import write_logs
from noisevote.service.wire.attack import JobState

log = logging.getLogger("noisevote.worker")

PATIENCE = Retry(attempts=100, first_wait_s=0.2, longest_wait_s=15.0, longest_asked_s=3600.0)
"""A server that is overloaded or restarts is asked again for about 20 minutes; one whose rate limit
the job's owner has used up, when it says."""

REPLY_WITHIN_S = 600.0
"""For one reply: under full load few votes of low priority are cast."""

WRITES_EVERY_S = 0.5
"""Progress is written and cancellation looked for so often."""

LOOKS_EVERY_S = 0.2
"""Whether another worker of the folder has ended."""


class JobProgress:
    """Writes how far a job has come, and hears whether it is to stop.

    Args:
        store: store of the jobs.
        job_id: id of this job.
        meter: counts what is asked of the server.
        stop: set when the worker is to stop.

    Attributes:
        wants_cancel: whether the job was told to stop, as far as is known.
    """

    def __init__(self, store: JobStore, job_id: str, meter: Meter, stop: threading.Event) -> None:
        self.wants_cancel = False
        self._store = store
        self._job_id = job_id
        self._meter = meter
        self._stop = stop
        self._step = ""
        self._share = 0.0
        self._began = self._written = time.monotonic()

    def advance(self, step: str, share: float) -> None:
        """Take the running step and the share of all work that is done."""
        now = time.monotonic()
        is_new = step != self._step
        self._step, self._share = step, share
        if is_new:
            self._began = now
        if is_new or now - self._written >= WRITES_EVERY_S:
            self._write()

    def is_cancelled(self) -> bool:
        """Return whether to stop."""
        return self.wants_cancel or self._stop.is_set()

    def pause(self, seconds: float) -> None:
        """Wait before the server is asked again.

        Raises:
            CancelledError: the work is to stop.
        """
        until = time.monotonic() + seconds
        while not self.is_cancelled() and (left := until - time.monotonic()) > 0:
            self._stop.wait(min(left, WRITES_EVERY_S))
            self._write()
        if self.is_cancelled():
            raise CancelledError("the assessment was told to stop")

    def found(self, step: str, job: Job) -> None:
        """Note a step whose result was kept by a worker that was killed before it said so."""
        if all(step != finished.name for finished in job.finished_steps):
            self._store.finish_step(self._job_id, step, None)

    def finished(self, step: str) -> None:
        """Note that the running step is done and kept."""
        self._write()
        self._store.finish_step(self._job_id, step, time.monotonic() - self._began)

    def _write(self) -> None:
        self._written = time.monotonic()
        queries, votes = self._meter.read()
        try:
            self.wants_cancel = self._store.advance(
                self._job_id, self._step, self._share, queries, votes
            )
        except StorageError as error:  # whether results can be kept is what counts
            self._meter.count(queries, votes)
            log.warning("the progress of job %s cannot be written: %s", self._job_id, error)


class TimedState:
    """Keeps results where another state does, and notes when.

    Args:
        kept: keeps them.
        progress: is told of each.
    """

    def __init__(self, kept: State, progress: JobProgress) -> None:
        self._kept = kept
        self._progress = progress

    def load(self, step: str) -> StepResult | None:
        """Return the result of a step, or None if it has not been finished."""
        return self._kept.load(step)

    def save(self, step: str, result: StepResult) -> None:
        """Keep the result of a finished step."""
        self._kept.save(step, result)
        self._progress.finished(step)


class Worker:
    """Does jobs.

    Args:
        start: what the server tells it.
        stop: set when the work is to stop.
    """

    def __init__(self, start: WorkerStart, stop: threading.Event) -> None:
        self._start = start
        self._stop = stop
        self._folder = JobFolder(start.folder)
        self._store = JobStore(self._folder.database)
        preference = Preference(noise_scheme=start.noise_scheme)
        self._checkpoints = CheckpointStore(*start.checkpoints, preference=preference)

    def work(self) -> None:
        """Do all jobs that wait, as the only worker of the folder."""
        lock = self._folder.worker_lock()
        while not lock.acquire(waits=False):
            if self._stop.wait(LOOKS_EVERY_S):
                return
        while not self._stop.is_set() and (job := self._store.claim()) is not None:
            self._store.finish(job.id, *self._outcome(job))
        lock.release()

    def _outcome(self, job: Job) -> tuple[JobState, str | None]:
        """Do one job; return its state and what went wrong."""
        meter = Meter()
        progress = JobProgress(self._store, job.id, meter, self._stop)
        try:
            with Client(
                self._start.url,
                api_key=self._start.token,
                headers={} if job.owner is None else {CHARGED_TO: job.owner},
                timeout_s=REPLY_WITHIN_S,
                retry=PATIENCE,
                pause=progress.pause,
            ) as client:
                self._do(job, client, meter, progress)
        except CancelledError:
            if progress.wants_cancel:
                return JobState.CANCELLED, None
            return JobState.INTERRUPTED, "its worker was stopped"
        except Exception as error:  # noqa: BLE001 - logged unless it says what to do
            return JobState.FAILED, reason_of(error, job.id)
        return JobState.DONE, None

    def _do(self, job: Job, client: Client, meter: Meter, progress: JobProgress) -> None:
        about = self._checked(job.content.about)
        folder = self._folder.of(job.id)
        run = self._run(job, about, client, meter, progress)
        for step in steps_of(run.plan, run.subject.parties, len(run.samples)):
            if run.state.load(name := str(step.key)) is not None:
                progress.found(name, job)

        def keep(report: Report) -> None:
            write_report(report, folder)
            self._store.keep_results(job.id, results_of(report))

        keep(assess(run, about, keep))

    def _run(
        self, job: Job, about: About, client: Client, meter: Meter, progress: JobProgress
    ) -> Assessment:
        limits = self._start.limits

        def asked(checkpoint: Checkpoint, kind: NoiseKind, seed: int) -> HttpTarget:
            return HttpTarget(client, limits, meter, checkpoint, kind, seed)

        run = run_of(
            chosen_again(self._checkpoints, about),
            about,
            job.content.plan,
            self._folder.samples(job.id),
            self._folder.of(job.id),
            Progress(progress.advance, progress.is_cancelled),
            asked,
        )
        return replace(
            run,
            subject=replace(
                run.subject, may_freeze=limits.allow_client_seed, threads=self._start.threads
            ),
            state=TimedState(run.state, progress),
        )

    def _checked(self, about: About) -> About:
        """Return what the report says of itself, with the programs of today.

        Raises:
            CheckpointError: a checkpoint is not what it was when the job was taken.
        """
        for name, fingerprint in (
            (about.target, about.target_fingerprint),
            (about.surrogate, about.surrogate_fingerprint),
            (about.undefended, about.undefended_fingerprint),
        ):
            if name is not None and self._checkpoints.find(name).fingerprint != fingerprint:
                raise CheckpointError(
                    f"checkpoint {name} was replaced since the job was taken; start a new one"
                )
        return about.model_copy(update={"versions": about.versions | versions()})


def reason_of(error: Exception, job_id: str) -> str:
    """Return why a job failed, as its owner may read it: without the server's folders."""
    if isinstance(error, OSError):
        return f"the results cannot be kept: {error.strerror or type(error).__name__}"
    if isinstance(error, NoisevoteError) and not isinstance(error, DataError):
        return str(error)
    log.error("job %s failed", job_id, exc_info=error)
    if isinstance(error, DataError):
        return "the kept steps of the job are damaged; delete it"
    return "an unexpected error; it has been logged"


def stop_with_server(stop: threading.Event) -> None:
    """Have ``stop`` set when the server closes standard input, or dies."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin, whose lock would be held when this process ends
            pass
        stop.set()

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Read what the server says, and work."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the server stops its worker
    start = WorkerStart.model_validate_json(sys.stdin.readline())
    write_logs(start.log_format, start.log_level)
    stop_with_server(stop)
    step_back()
    Worker(start, stop).work()


if __name__ == "__main__":
    main()
