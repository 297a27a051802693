"""Robustness assessments, asked for with a client of ``service/client/clients.py``.

::

    with Client("http://127.0.0.1:8000") as client:
        attacks = Attacks(client)
        job = attacks.submit(AttackRequest(surrogate="other", epsilon=0.2, dataset="mnist"))
        for status in attacks.watch(job.id):
            print(status.state, status.progress)
        report = attacks.report(job.id)
"""

import json
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import httpx

from models.robustness.report import Report
from service.client.clients import AsyncClient, Client
from service.client.exchange import ServiceError, broken_off
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
        try:
            yield from statuses_in(response.iter_lines())
        except httpx.TransportError as error:
            raise broken_off(error) from error
        finally:
            response.close()

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
        try:
            lines: list[str] = []
            async for line in response.aiter_lines():
                lines.append(line)
                if line == "":
                    for found in statuses_in(lines):
                        yield found
                    lines.clear()
        except httpx.TransportError as error:
            raise broken_off(error) from error
        finally:
            await response.aclose()

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


def statuses_in(lines: Iterable[str]) -> Iterator[JobStatus]:
    """Yield what a stream of events holds.

    Raises:
        ServiceError: one of them is an error.
    """
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data" and name == "error":
            detail = json.loads(value)["error"]
            raise ServiceError(detail["message"], None, detail)
        elif field == "data":
            yield JobStatus.model_validate_json(value)
