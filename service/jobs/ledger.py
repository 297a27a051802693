"""Jobs as their worker deals with them: claimed, advanced, left in some state.

Every change is one transaction; what a killed worker has not written is the running step.
"""

import time

from service.jobs.database import JobDatabase
from service.jobs.records import Job
from service.wire.attack import JobState, PartialResults


class JobLedger(JobDatabase):
    """All jobs of a folder, and what becomes of them."""

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
            job_id: of the job.
            step: under way.
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
