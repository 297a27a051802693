"""How the worker tells of its progress, and hears that it is to stop."""

import logging
import threading
import time

from models.errors import CancelledError, StorageError
from models.robustness.state import State
from models.robustness.trials import StepResult
from service.jobs.http_target import Meter
from service.jobs.ledger import JobLedger
from service.jobs.records import Job

log = logging.getLogger("noisevote.worker")

WRITES_EVERY_S = 0.5
"""Progress is written and cancellation looked for so often."""


class JobWatch:
    """Stands between a running assessment and the ledger.

    Args:
        ledger: of the jobs.
        job_id: of this one.
        meter: counts what is asked of the server.
        stop: set when the worker is to stop.

    Attributes:
        wants_cancel: whether the job was told to stop, as far as is known.
    """

    def __init__(self, ledger: JobLedger, job_id: str, meter: Meter, stop: threading.Event) -> None:
        self.wants_cancel = False
        self._ledger = ledger
        self._job_id = job_id
        self._meter = meter
        self._stop = stop
        self._step = ""
        self._share = 0.0
        self._began = self._written = time.monotonic()

    def progress(self, step: str, share: float) -> None:
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
            self._ledger.finish_step(self._job_id, step, None)

    def finished(self, step: str) -> None:
        """Note that the running step is done and kept."""
        self._write()
        self._ledger.finish_step(self._job_id, step, time.monotonic() - self._began)

    def _write(self) -> None:
        self._written = time.monotonic()
        queries, votes = self._meter.read()
        try:
            self.wants_cancel = self._ledger.advance(
                self._job_id, self._step, self._share, queries, votes
            )
        except StorageError as error:  # whether results can be kept is what counts
            self._meter.queries += queries
            self._meter.votes += votes
            log.warning("the progress of job %s cannot be written: %s", self._job_id, error)


class TimedState:
    """Keeps results where another state does, and notes when.

    Args:
        kept: keeps them.
        watch: is told of each.
    """

    def __init__(self, kept: State, watch: JobWatch) -> None:
        self._kept = kept
        self._watch = watch

    def load(self, step: str) -> StepResult | None:
        """Return the result of a step, or None if it has not been finished."""
        return self._kept.load(step)

    def save(self, step: str, result: StepResult) -> None:
        """Keep the result of a finished step."""
        self._kept.save(step, result)
        self._watch.finished(step)
