"""The worker: does the jobs of a folder one after another, then ends.

``python -m service.jobs.worker``, started by ``service/jobs/supervisor.py``. It reads its orders
as one line of JSON from standard input and stops as soon as that closes, so that it never outlives
its server. Only here torch is loaded.
"""

import logging
import os
import signal
import sys
import threading
from dataclasses import replace

from models.checkpoint import Checkpoint, CheckpointStore
from models.errors import CancelledError, CheckpointError, DataError, NoisevoteError
from models.noise import NoiseKind
from models.robustness.assessment import assess, steps_of
from models.robustness.progress import Progress
from models.robustness.report import About, Report
from models.robustness.run import Run
from service.client import Client
from service.client.exchange import Retry
from service.configuration.keys import CHARGED_TO
from service.jobs.folder import JobFolder
from service.jobs.http_target import HttpTarget, Meter
from service.jobs.ledger import JobLedger
from service.jobs.limits import WorkerOrders
from service.jobs.records import Job, results_of
from service.jobs.setup import run_of, versions, write_report
from service.jobs.watching import JobWatch, TimedState
from service.log.output import write_logs
from service.wire.attack import JobState

log = logging.getLogger("noisevote.worker")

NICENESS = 10
"""Ordinary processes on the same core get about nine times as much of it."""

PATIENCE = Retry(attempts=100, first_wait_s=0.2, longest_wait_s=15.0, longest_asked_s=3600.0)
"""A server that is overloaded or restarts is asked again for about 20 minutes; one whose rate limit
the job's owner has used up, when it says."""

REPLY_WITHIN_S = 600.0
"""For one reply: under full load few votes of low priority are cast."""

LOOKS_EVERY_S = 0.2
"""Whether another worker of the folder has ended."""


class Worker:
    """Does jobs.

    Args:
        orders: of the server.
        stop: set when the work is to stop.
    """

    def __init__(self, orders: WorkerOrders, stop: threading.Event) -> None:
        self._orders = orders
        self._stop = stop
        self._folder = JobFolder(orders.folder)
        self._ledger = JobLedger(self._folder.database)
        self._store = CheckpointStore(orders.checkpoints)

    def work(self) -> None:
        """Do all jobs that wait, as the only worker of the folder."""
        lock = self._folder.worker_lock()
        while not lock.acquire(waits=False):
            if self._stop.wait(LOOKS_EVERY_S):
                return
        while not self._stop.is_set() and (job := self._ledger.claim()) is not None:
            self._ledger.finish(job.id, *self._outcome(job))
        lock.release()

    def _outcome(self, job: Job) -> tuple[JobState, str | None]:
        """Do one job; return its state and what went wrong."""
        meter = Meter()
        watch = JobWatch(self._ledger, job.id, meter, self._stop)
        try:
            with Client(
                self._orders.url,
                api_key=self._orders.token,
                headers={} if job.owner is None else {CHARGED_TO: job.owner},
                timeout_s=REPLY_WITHIN_S,
                retry=PATIENCE,
                pause=watch.pause,
            ) as client:
                self._do(job, client, meter, watch)
        except CancelledError:
            if watch.wants_cancel:
                return JobState.CANCELLED, None
            return JobState.INTERRUPTED, "its worker was stopped"
        except Exception as error:  # noqa: BLE001 - logged unless it says what to do
            return JobState.FAILED, reason_of(error, job.id)
        return JobState.DONE, None

    def _do(self, job: Job, client: Client, meter: Meter, watch: JobWatch) -> None:
        about = self._checked(job.order.about)
        folder = self._folder.of(job.id)
        run = self._run(job, about, client, meter, watch)
        for step in steps_of(run.plan, run.subject.parties, len(run.samples)):
            if run.state.load(name := str(step.key)) is not None:
                watch.found(name, job)

        def keep(report: Report) -> None:
            write_report(report, folder)
            self._ledger.keep_results(job.id, results_of(report))

        keep(assess(run, about, keep))

    def _run(self, job: Job, about: About, client: Client, meter: Meter, watch: JobWatch) -> Run:
        limits = self._orders.limits

        def asked(checkpoint: Checkpoint, kind: NoiseKind, seed: int) -> HttpTarget:
            return HttpTarget(client, limits, meter, checkpoint, kind, seed)

        run = run_of(
            self._store,
            about,
            job.order.plan,
            self._folder.samples(job.id),
            self._folder.of(job.id),
            Progress(watch.progress, watch.is_cancelled),
            asked,
        )
        return replace(
            run,
            subject=replace(run.subject, may_freeze=limits.allow_client_seed),
            state=TimedState(run.state, watch),
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
            if name is not None and self._store.find(name).fingerprint != fingerprint:
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
    """Take orders and work."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the server stops its worker
    orders = WorkerOrders.model_validate_json(sys.stdin.readline())
    write_logs(orders.log_format, orders.log_level)
    stop_with_server(stop)
    os.nice(NICENESS)
    Worker(orders, stop).work()


if __name__ == "__main__":
    main()
