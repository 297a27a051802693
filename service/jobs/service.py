"""All that can be asked about jobs; what the routes of ``/attack`` call."""

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from noisevote.models.checkpoint import CheckpointStore
from noisevote.models.errors import (
    JobStateError,
    NoisevoteError,
    OverloadedError,
    StorageError,
    UnknownJobError,
)
from noisevote.service.configuration.keys import KEY_OWNER
from noisevote.service.configuration.settings import Settings
from noisevote.service.jobs.choices import choices_of
from noisevote.service.jobs.folder import FileLock, JobFolder, new_job_id
from noisevote.service.jobs.job import is_open_to, status_of, summary_of
from noisevote.service.jobs.store import JobStore, NewJob
from noisevote.service.jobs.submit import check_installed, is_installed, request_from, submission_of
from noisevote.service.jobs.supervisor import Supervisor
from noisevote.service.wire.attack import JobList, JobState, JobStatus
from noisevote.service.wire.attack_choices import AttackChoices

log = logging.getLogger("noisevote")

MOST_STREAMS = 32
"""Each looks into the database again and again."""

MOST_TAKEN = 8
"""Requests whose samples are read, one after the other; a data set takes most of a second."""

RETRY_AFTER_S = 10.0

Result = TypeVar("Result")


class Places:
    """Places for something that only so many may do at the same time.

    Args:
        most: number of places.
        what: is done, for a message.
    """

    def __init__(self, most: int, what: str) -> None:
        self._most, self._what = most, what
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place inside the block.

        Raises:
            OverloadedError: none is free.
        """
        if self._taken >= self._most:
            raise OverloadedError(
                f"as many {self._what} as are allowed, {self._most}", RETRY_AFTER_S
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class JobService:
    """Takes jobs, shows, cancels, resumes and deletes them.

    What is asked about one job raises UnknownJobError if none of that id is open to who asks, and
    JobStateError if its state does not allow it.

    Args:
        settings: folder and limits.
        checkpoints: checkpoints that can be assessed.

    Attributes:
        streams: places of those that look after a job.
    """

    def __init__(self, settings: Settings, checkpoints: CheckpointStore) -> None:
        self._settings = settings
        self._checkpoints = checkpoints
        self._folder = JobFolder(settings.jobs_dir)
        self._store = JobStore(self._folder.database)
        self._supervisor = Supervisor(settings, self._folder, self._store)
        self._taking = asyncio.Lock()
        self._joining = threading.Lock()
        self._presence: FileLock | None = None
        self._takers = Places(MOST_TAKEN, "assessments are being taken")
        self.streams = Places(MOST_STREAMS, "streams of jobs are open")

    @asynccontextmanager
    async def open(self, closing: asyncio.Event) -> AsyncIterator[None]:
        """Look after the worker inside the block.

        Args:
            closing: set when the process is told to stop.
        """
        try:
            if self._folder.is_there:
                await asyncio.to_thread(self._join)
            elif is_installed() and not self._folder.is_writable:
                log.warning("no assessments: %s cannot be written", self._folder.path)
        except Exception:  # whatever it is, predictions are served
            log.exception("no assessments: their folder cannot be used")
        supervising = asyncio.create_task(self._supervisor.run(closing))
        try:
            yield
        finally:
            supervising.cancel()
            with suppress(asyncio.CancelledError):
                await supervising
            if self._presence is not None:
                self._presence.release()

    def reached_at(self, server: tuple[str, int | None] | None) -> None:
        """Learn where this server is reached, for the worker, unless a setting says so.

        Args:
            server: address and port at which a request came in, as ASGI has them.
        """
        if self._supervisor.url is None and server is not None and server[1] is not None:
            host, port = server
            self._supervisor.url = (
                f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            )

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state; nothing if that cannot be read now."""
        none = dict.fromkeys(JobState, 0)
        try:
            found = self._store.counts() if self._folder.is_there else {}
        except StorageError:
            return {}
        return {state.value: count for state, count in (none | found).items()}

    async def choices(self) -> AttackChoices:
        """Return what assessments can be of."""
        return await asyncio.to_thread(choices_of, self._settings, self._checkpoints)

    async def submit(
        self, body: bytes | bytearray, owner: str, key: str | None = None
    ) -> JobStatus:
        """Take a job.

        Args:
            body: body of the request.
            owner: whom its votes are charged to.
            key: key by which the same request is known when it is sent again.

        Raises:
            NoisevoteError: it cannot be carried out; see ``models.errors``.
        """
        check_installed()
        with self._takers.one():
            return await self._submit(body, owner, key)

    async def _submit(self, body: bytes | bytearray, owner: str, key: str | None) -> JobStatus:
        async with self._taking:  # one at a time, for the memory of the samples
            job_id = await asyncio.to_thread(self._take, body, owner, key)
        self._wake()
        return await self.status(job_id, owner)

    async def all(self, asker: str) -> JobList:
        """Return all jobs that are open to who asks."""
        if not self._folder.is_there:
            return JobList(jobs=[])
        jobs = await self._with(self._store.jobs)
        now = time.time()
        return JobList(jobs=[summary_of(job, now) for job in jobs if is_open_to(job.owner, asker)])

    async def status(self, job_id: str, asker: str) -> JobStatus:
        """Return all that is known of a job."""
        job = await self._with(lambda: self._store.find(job_id))
        if not is_open_to(job.owner, asker):
            raise UnknownJobError("there is no job of that id; GET /attack lists yours")
        return status_of(job, time.time())

    async def cancel(self, job_id: str, asker: str) -> JobStatus:
        """Tell a job to stop."""
        await self.status(job_id, asker)
        await self._with(lambda: self._store.cancel(job_id))
        return await self.status(job_id, asker)

    async def resume(self, job_id: str, asker: str) -> JobStatus:
        """Queue a job again that did not come to its end."""
        check_installed()
        await self.status(job_id, asker)
        await self._with(lambda: self._store.resume(job_id))
        self._wake()
        return await self.status(job_id, asker)

    async def delete(self, job_id: str, asker: str) -> None:
        """Forget a job and all that it left."""
        await self.status(job_id, asker)
        await self._with(lambda: self._store.delete(job_id))
        await asyncio.to_thread(self._folder.remove, job_id)

    async def file(self, job_id: str, asker: str, name: str) -> bytes:
        """Return a file that a job left.

        Raises:
            JobStateError: it has not left it yet.
        """
        await self.status(job_id, asker)
        content = await asyncio.to_thread(self._folder.read, job_id, name)
        if content is None:
            raise JobStateError("no step of the job is finished yet, so there is nothing to report")
        return content

    async def _with(self, work: Callable[[], Result]) -> Result:
        """Do something with a job that may exist."""
        if not self._folder.is_there:
            raise UnknownJobError("there is no job of that id; there are no jobs at all")

        def joined() -> Result:
            self._join()
            return work()

        return await asyncio.to_thread(joined)

    def _wake(self) -> None:
        if self._supervisor.url is None:
            log.warning("a job waits: set NOISEVOTE_ATTACK_URL, this service has no address")
        self._supervisor.wake()

    def _take(self, body: bytes | bytearray, owner: str, key: str | None) -> str:
        digest = hashlib.sha256(body).hexdigest()
        if key is not None and owner.startswith(KEY_OWNER):
            key = hashlib.sha256(f"{owner}\n{key}".encode()).hexdigest()  # each has its own
        if self._folder.is_there:
            if key is not None and (earlier := self._store.known(key, digest)) is not None:
                return earlier
            self._store.check_room(owner, self._settings.max_jobs)
        submission = submission_of(request_from(body), self._settings, self._checkpoints)
        self._join()
        job_id = new_job_id()
        try:
            self._folder.keep_samples(job_id, submission.samples, submission.results_bytes)
            job = NewJob(job_id, owner, submission.content, submission.steps, digest, key)
            taken = self._store.add(job, self._settings.max_jobs)
        except NoisevoteError:
            self._folder.remove(job_id)
            raise
        if taken != job_id:
            self._folder.remove(job_id)
        return taken

    def _join(self) -> None:
        """Make the folder if it is absent, and hold a place among those that serve from it.

        The first one there finds what all others have left behind.

        Raises:
            StorageError: the folder cannot be used.
        """
        with self._joining:
            if self._presence is not None:
                return
            self._folder.make()
            presence = self._folder.server_lock()
            try:
                if presence.acquire(waits=False):
                    self._store.make()
                    self._tidy()
                presence.acquire(shared=True)
            except NoisevoteError:
                presence.release()
                raise
            self._presence = presence

    def _tidy(self) -> None:
        self._store.interrupt("the server was stopped before its turn", JobState.QUEUED)
        self._supervisor.interrupt_abandoned("the server ended unexpectedly")
        self._folder.remove_all_but({job.id for job in self._store.jobs()})
