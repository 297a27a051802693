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
from contextlib import aclosing
from typing import Any

import httpx

from models.robustness.report import Report
from service.client.clients import AsyncClient, Client
from service.client.received import events_of, events_of_async
from service.wire.attack import AttackRequest, JobList, JobStatus


class Attacks:
    """The assessments of a service.

    Args:
        client: of the service.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, asked: AttackRequest) -> JobStatus:
        """Ask for an assessment and return its job.

        However often it has to be sent, one job comes of it.

        Raises:
            ServiceError: it was refused, or the service cannot be reached.
        """
        return status_in(self._client.send("POST", "/attack", **posted(asked)))

    def jobs(self) -> JobList:
        """Return all jobs."""
        return JobList.model_validate_json(self._client.send("GET", "/attack").content)

    def status(self, job_id: str) -> JobStatus:
        """Return how far a job has come."""
        return status_in(self._client.send("GET", f"/attack/{job_id}"))

    def watch(self, job_id: str) -> Iterator[JobStatus]:
        """Yield how far a job has come whenever that changes; the last one has stopped.

        Raises:
            ServiceError: there is no such job, or the stream broke off.
        """
        response = self._client.send("GET", f"/attack/{job_id}/events", is_streamed=True)
        for _, data in events_of(response):
            yield JobStatus.model_validate_json(data)

    def cancel(self, job_id: str) -> JobStatus:
        """Stop a job."""
        return status_in(self._client.send("POST", f"/attack/{job_id}/cancel"))

    def resume(self, job_id: str) -> JobStatus:
        """Go on with a job that has stopped before its end."""
        return status_in(self._client.send("POST", f"/attack/{job_id}/resume"))

    def delete(self, job_id: str) -> None:
        """Delete a job that has stopped, with its results."""
        self._client.send("DELETE", f"/attack/{job_id}")

    def report(self, job_id: str) -> Report:
        """Return the report of a job, of all steps that are finished."""
        response = self._client.send("GET", f"/attack/{job_id}/report")
        return Report.model_validate_json(response.content)

    def report_page(self, job_id: str) -> str:
        """Return the report of a job as a page."""
        return self._client.send("GET", f"/attack/{job_id}/report.html").text


class AsyncAttacks:
    """The same for asynchronous code.

    Args:
        client: of the service.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def submit(self, asked: AttackRequest) -> JobStatus:
        """Ask for an assessment; see :meth:`Attacks.submit`."""
        return status_in(await self._client.send("POST", "/attack", **posted(asked)))

    async def jobs(self) -> JobList:
        """Return all jobs."""
        response = await self._client.send("GET", "/attack")
        return JobList.model_validate_json(response.content)

    async def status(self, job_id: str) -> JobStatus:
        """Return how far a job has come."""
        return status_in(await self._client.send("GET", f"/attack/{job_id}"))

    async def watch(self, job_id: str) -> AsyncIterator[JobStatus]:
        """Yield how far a job has come; see :meth:`Attacks.watch`."""
        response = await self._client.send("GET", f"/attack/{job_id}/events", is_streamed=True)
        async with aclosing(events_of_async(response)) as events:
            async for _, data in events:
                yield JobStatus.model_validate_json(data)

    async def cancel(self, job_id: str) -> JobStatus:
        """Stop a job."""
        return status_in(await self._client.send("POST", f"/attack/{job_id}/cancel"))

    async def resume(self, job_id: str) -> JobStatus:
        """Go on with a job that has stopped before its end."""
        return status_in(await self._client.send("POST", f"/attack/{job_id}/resume"))

    async def delete(self, job_id: str) -> None:
        """Delete a job that has stopped, with its results."""
        await self._client.send("DELETE", f"/attack/{job_id}")

    async def report(self, job_id: str) -> Report:
        """Return the report of a job, of all steps that are finished."""
        response = await self._client.send("GET", f"/attack/{job_id}/report")
        return Report.model_validate_json(response.content)

    async def report_page(self, job_id: str) -> str:
        """Return the report of a job as a page."""
        return (await self._client.send("GET", f"/attack/{job_id}/report.html")).text


def posted(asked: AttackRequest) -> dict[str, Any]:
    """Return a request as it is sent, under a key by which the service knows it again."""
    return {
        "content": asked.model_dump_json(exclude_unset=True),
        "headers": {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex},
    }


def status_in(response: httpx.Response) -> JobStatus:
    """Return the job that a reply holds."""
    return JobStatus.model_validate_json(response.content)
