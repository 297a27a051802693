"""Jobs as their askers deal with them: taken, cancelled, resumed, deleted.

Every change is one transaction.
"""

import time
from dataclasses import dataclass

from models.errors import JobStateError, LimitError
from service.jobs.database import JobDatabase
from service.jobs.records import Order
from service.wire.attack import ACTIVE, RESUMABLE, JobState

OPEN_JOBS = "(SELECT count(*) FROM jobs WHERE is_open_to(owner, ?))"
"""How many jobs there are that somebody sees and may delete."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is to be taken.

    Attributes:
        id: of the job.
        owner: whom its votes are charged to.
        order: what is to be done.
        steps: in how many steps.
        digest: of the request.
        key: by which the same request is known again.
    """

    id: str
    owner: str
    order: Order
    steps: int
    digest: str
    key: str | None


class JobStore(JobDatabase):
    """All jobs of a folder, and what can be done to them from outside."""

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
            job: whose samples are kept.
            limit: of the number of jobs that are open to its owner.

        Raises:
            LimitError: there are as many of these as may be kept.
            JobStateError: the key belongs to another request.
        """
        now = time.time()
        content = job.order.model_dump_json()
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
