"""Every change to the jobs, as clients ask for it and as the worker makes it; each one transaction.

What a killed worker has not written is the running step.
"""

import time
from dataclasses import dataclass

from noisevote.models.errors import JobStateError, LimitError
from noisevote.service.jobs.database import JobDatabase
from noisevote.service.jobs.job import Job, JobContent
from noisevote.service.wire.attack import ACTIVE, RESUMABLE, JobState, PartialResults

OPEN_JOBS = "(SELECT count(*) FROM jobs WHERE is_open_to(owner, ?))"
"""How many jobs there are that somebody sees and may delete."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is to be taken.

    Attributes:
        id: id of the job.
        owner: whom its votes are charged to.
        content: what is to be done.
        steps: number of steps.
        digest: digest of the request.
        key: key by which the same request is known again.
    """

    id: str
    owner: str
    content: JobContent
    steps: int
    digest: str
    key: str | None


class JobStore(JobDatabase):
    """All jobs of a folder, and what becomes of them."""

    def known(self, key: str, digest: str) -> str | None:
        """Return the job that was taken under an idempotency key, or None.

        Raises:
            JobStateError: the key belongs to another request.
        """
        with self.connected() as connection:
            row = connection.execute(
                "SELECT id, digest FROM jobs WHERE idempotency_key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        if row["digest"] != digest:
            raise JobStateError(
                f"the Idempotency-Key was used for another request, job {row['id']}; take a new one"
            )
        return str(row["id"])

    def check_room(self, owner: str, limit: int) -> None:
        """Refuse a further job if as many as may be kept are open to who asks for it.

        Raises:
            LimitError: there are.
        """
        with self.connected() as connection:
            (count,) = connection.execute(f"SELECT {OPEN_JOBS}", (owner,)).fetchone()
        if count >= limit:
            raise LimitError(f"{count} jobs are kept, allowed are {limit}; delete some first")

    def add(self, job: NewJob, limit: int) -> str:
        """Take a job and return its id; that of an earlier one under the same key.

        Args:
            job: job whose samples are kept.
            limit: most jobs that may be open to its owner.

        Raises:
            LimitError: there are as many of these as may be kept.
            JobStateError: the key belongs to another request.
        """
        now = time.time()
        content = job.content.model_dump_json()
        taken = (
            job.id, JobState.QUEUED, content, now, now, job.steps, job.key, job.digest, job.owner,
        )  # fmt: skip
        with self.connected() as connection:
            done = connection.execute(
                "INSERT INTO jobs (id, state, content, created, queued, steps, idempotency_key, "
                "digest, owner) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? "
                f"WHERE {OPEN_JOBS} < ? "
                "ON CONFLICT (idempotency_key) DO NOTHING",
                (*taken, job.owner, limit),
            )
            if done.rowcount == 1:
                return job.id
        earlier = None if job.key is None else self.known(job.key, job.digest)
        if earlier is not None:
            return earlier
        raise LimitError(f"as many jobs are kept as are allowed, {limit}; delete some first")

    def cancel(self, job_id: str) -> None:
        """Tell a job to stop: a queued one at once, a running one as soon as its worker looks.

        Raises:
            UnknownJobError: there is none of that id.
            JobStateError: it is neither queued nor running.
        """
        with self.connected() as connection:
            done = connection.execute(
                "UPDATE jobs SET wants_cancel = 1, "
                "finished = CASE state WHEN 'queued' THEN ? ELSE finished END, "
                "state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END "
                "WHERE id = ? AND state IN (?, ?)",
                (time.time(), job_id, *ACTIVE),
            )
        if done.rowcount == 0:
            state = self.find(job_id).state
            raise JobStateError(
                f"the job is {state}; only queued and running jobs can be cancelled"
            )

    def resume(self, job_id: str) -> None:
        """Queue a job again that did not come to its end.

        Raises:
            UnknownJobError: there is none of that id.
            JobStateError: it is done, or has not stopped.
        """
        with self.connected() as connection:
            done = connection.execute(
                "UPDATE jobs SET state = ?, queued = ?, wants_cancel = 0, error = NULL, "
                "finished = NULL WHERE id = ? AND state IN (?, ?, ?)",
                (JobState.QUEUED, time.time(), job_id, *RESUMABLE),
            )
        if done.rowcount == 0:
            state = self.find(job_id).state
            raise JobStateError(f"the job is {state}; there is nothing to resume")

    def delete(self, job_id: str) -> None:
        """Forget a job.

        Raises:
            UnknownJobError: there is none of that id.
            JobStateError: it is queued or running.
        """
        with self.connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            done = connection.execute(
                "DELETE FROM jobs WHERE id = ? AND state NOT IN (?, ?)", (job_id, *ACTIVE)
            )
            if done.rowcount:
                connection.execute("DELETE FROM steps WHERE job = ?", (job_id,))
            connection.execute("COMMIT")
        if done.rowcount == 0:
            raise JobStateError(f"the job is {self.find(job_id).state}; cancel it first")

    def claim(self) -> Job | None:
        """Return the job that has waited longest, which is now running; None if none waits."""
        with self.connected() as connection:
            row = connection.execute(
                "UPDATE jobs SET state = ?, started = ?, paced = NULL WHERE id = ("
                "SELECT id FROM jobs WHERE state = ? ORDER BY queued, number LIMIT 1) RETURNING id",
                (JobState.RUNNING, time.time(), JobState.QUEUED),
            ).fetchone()
        return None if row is None else self.find(row["id"])

    def advance(
        self, job_id: str, step: str, progress: float, queries: int = 0, votes: int = 0
    ) -> bool:
        """Note how far a running job has come; return whether it has been told to stop.

        Args:
            job_id: id of the job.
            step: name of the step under way.
            progress: share of all work that is done.
            queries: inputs sent since the last call.
            votes: cast on them.
        """
        with self.connected() as connection:
            row = connection.execute(
                "UPDATE jobs SET step = ?, progress = ?, queries = queries + ?, votes = votes + ?, "
                "progress_from = CASE WHEN paced IS NULL THEN ? ELSE progress_from END, "
                "paced = coalesce(paced, ?) WHERE id = ? RETURNING wants_cancel",
                (step, progress, queries, votes, progress, time.time(), job_id),
            ).fetchone()
        return row is None or bool(row["wants_cancel"])

    def finish_step(self, job_id: str, name: str, seconds: float | None) -> None:
        """Note that a step is done and kept, and how long it took if that is known."""
        with self.connected() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO steps VALUES (?, ?, ?)", (job_id, name, seconds)
            )

    def keep_results(self, job_id: str, results: PartialResults) -> None:
        """Note what is known so far."""
        with self.connected() as connection:
            connection.execute(
                "UPDATE jobs SET results = ? WHERE id = ?", (results.model_dump_json(), job_id)
            )

    def finish(self, job_id: str, state: JobState, error: str | None = None) -> None:
        """Note how the worker left a job."""
        with self.connected() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, finished = ?, error = ?, "
                "progress = CASE ? WHEN 'done' THEN 1 ELSE progress END WHERE id = ?",
                (state, time.time(), error, state, job_id),
            )

    def interrupt(self, error: str, *states: JobState) -> int:
        """Declare all jobs in some states interrupted; return how many there were."""
        marks = ", ".join("?" * len(states))
        with self.connected() as connection:
            done = connection.execute(
                f"UPDATE jobs SET state = ?, finished = ?, error = ? WHERE state IN ({marks})",
                (JobState.INTERRUPTED, time.time(), error, *states),
            )
        return done.rowcount

    def fail_next(self, error: str) -> None:
        """Let the job fail that has waited longest."""
        job = self.claim()
        if job is not None:
            self.finish(job.id, JobState.FAILED, error)
