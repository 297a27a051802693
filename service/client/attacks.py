"""Robustness assessments, asked for with a client of ``service/client/clients.py``.

::

    with Client("http://127.0.0.1:8000") as client:
        attacks = Attacks(client)
        job = attacks.submit(AttackRequest(surrogate="other", epsilon=0.2, dataset="mnist"))
        for status in attacks.watch(job.id):
            print(status.state, status.progress)
        report = attacks.report(job.id)
"""

import uuid
from collections.abc import AsyncIterator, Iterator

from noisevote.models.robustness.report import Report
from noisevote.service.client.clients import AsyncClient, Client
from noisevote.service.client.exchange import Call
from noisevote.service.wire.attack import AttackRequest, JobList, JobStatus

JOBS = Call("GET", "/attack", JobList.model_validate_json)


def submitting(asked: AttackRequest) -> Call[JobStatus]:
    """Return the call that asks for a job, with a key by which the service knows it again."""
    return Call(
        "POST",
        "/attack",
        JobStatus.model_validate_json,
        asked.model_dump_json(exclude_unset=True),
        {"Idempotency-Key": uuid.uuid4().hex},
    )


def of_job(job_id: str, what: str = "", method: str = "GET") -> Call[JobStatus]:
    """Return a call that is answered by the status of a job."""
    return Call(method, f"/attack/{job_id}{what}", JobStatus.model_validate_json)


def deleting(job_id: str) -> Call[None]:
    """Return the call that deletes a job; its reply is empty."""
    return Call("DELETE", f"/attack/{job_id}", lambda _: None)


def reporting(job_id: str) -> Call[Report]:
    """Return the call of a report."""
    return Call("GET", f"/attack/{job_id}/report", Report.model_validate_json)


def showing_report(job_id: str) -> Call[str]:
    """Return the call of a report as a page."""
    return Call("GET", f"/attack/{job_id}/report.html", bytes.decode)


class Attacks:
    """The assessments of a service.

    Args:
        client: client of the service.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, asked: AttackRequest) -> JobStatus:
        """Ask for an assessment and return its job.

        However often it has to be sent, one job comes of it.

        Raises:
            ServiceError: it was refused, or the service cannot be reached.
        """
        return self._client.call(submitting(asked))

    def jobs(self) -> JobList:
        """Return all jobs."""
        return self._client.call(JOBS)

    def status(self, job_id: str) -> JobStatus:
        """Return how far a job has come."""
        return self._client.call(of_job(job_id))

    def watch(self, job_id: str) -> Iterator[JobStatus]:
        """Yield how far a job has come whenever that changes; the last one has stopped.

        Raises:
            ServiceError: there is no such job, or the stream broke off.
        """
        return self._client.events(of_job(job_id, "/events"))

    def cancel(self, job_id: str) -> JobStatus:
        """Stop a job."""
        return self._client.call(of_job(job_id, "/cancel", "POST"))

    def resume(self, job_id: str) -> JobStatus:
        """Go on with a job that has stopped before its end."""
        return self._client.call(of_job(job_id, "/resume", "POST"))

    def delete(self, job_id: str) -> None:
        """Delete a job that has stopped, with its results."""
        self._client.call(deleting(job_id))

    def report(self, job_id: str) -> Report:
        """Return the report of a job, of all steps that are finished."""
        return self._client.call(reporting(job_id))

    def report_page(self, job_id: str) -> str:
        """Return the report of a job as a page."""
        return self._client.call(showing_report(job_id))


class AsyncAttacks:
    """The same for asynchronous code.

    Args:
        client: client of the service.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def submit(self, asked: AttackRequest) -> JobStatus:
        """Ask for an assessment; see :meth:`Attacks.submit`."""
        return await self._client.call(submitting(asked))

    async def jobs(self) -> JobList:
        """Return all jobs."""
        return await self._client.call(JOBS)

    async def status(self, job_id: str) -> JobStatus:
        """Return how far a job has come."""
        return await self._client.call(of_job(job_id))

    def watch(self, job_id: str) -> AsyncIterator[JobStatus]:
        """Yield how far a job has come; see :meth:`Attacks.watch`."""
        return self._client.events(of_job(job_id, "/events"))

    async def cancel(self, job_id: str) -> JobStatus:
        """Stop a job."""
        return await self._client.call(of_job(job_id, "/cancel", "POST"))

    async def resume(self, job_id: str) -> JobStatus:
        """Go on with a job that has stopped before its end."""
        return await self._client.call(of_job(job_id, "/resume", "POST"))

    async def delete(self, job_id: str) -> None:
        """Delete a job that has stopped, with its results."""
        await self._client.call(deleting(job_id))

    async def report(self, job_id: str) -> Report:
        """Return the report of a job, of all steps that are finished."""
        return await self._client.call(reporting(job_id))

    async def report_page(self, job_id: str) -> str:
        """Return the report of a job as a page."""
        return await self._client.call(showing_report(job_id))
