"""The progress of a job as server-sent events."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack

from fastapi import Request

from noisevote.service.jobs.service import JobService
from noisevote.service.wire.attack import ACTIVE, JobStatus
from noisevote.service.wire.events import KEEP_ALIVE, KEEP_ALIVE_S, EventStream, Listener, event

LOOKS_EVERY_S = 0.5
"""The worker is another process, perhaps of another server: the database has its news."""


class JobStream:
    """The events of one job.

    Args:
        jobs: knows the job.
        job_id: id of the job.
        asker: who asks; the job must be open to them.
        request: request whose client waits.
        closing: set when the process is told to stop.
    """

    def __init__(
        self, jobs: JobService, job_id: str, asker: str, request: Request, closing: asyncio.Event
    ) -> None:
        self._jobs = jobs
        self._asker = asker
        self._job_id = job_id
        self._request = request
        self._closing = closing
        self._told = time.monotonic()

    async def begun(self) -> EventStream:
        """Return the reply."""
        status = await self._jobs.status(self._job_id, self._asker)
        with ExitStack() as counted:
            counted.enter_context(self._jobs.streams.one())
            return EventStream(self._request, self._events(status), counted.pop_all())

    async def _events(self, status: JobStatus) -> AsyncGenerator[bytes, None]:
        """Yield events until the job has stopped."""
        listener = Listener(self._request, self._closing, "ask again later")
        try:
            while status.state in ACTIVE:
                yield event("status", status.model_dump_json().encode())
                while (news := await self._news(status)) is None:
                    if self._is_quiet():
                        yield KEEP_ALIVE
                    await listener.wait(LOOKS_EVERY_S)
                    listener.check()
                status = news
            yield event("end", status.model_dump_json().encode())
        finally:
            await listener.stop()

    def _is_quiet(self) -> bool:
        """Return whether nothing was said for long; it counts from now on again."""
        is_quiet = time.monotonic() - self._told >= KEEP_ALIVE_S
        if is_quiet:
            self._told = time.monotonic()
        return is_quiet

    async def _news(self, known: JobStatus) -> JobStatus | None:
        """Return the status if it is another than the known one, whatever the time."""
        status = await self._jobs.status(self._job_id, self._asker)
        same_time = {"eta_s": known.eta_s}
        return None if status.model_copy(update=same_time) == known else status
