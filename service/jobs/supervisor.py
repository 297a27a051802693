"""Starts the worker when a job waits, and stops it with the server."""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from pydantic import BaseModel

from noisevote.models.errors import NoisevoteError
from noisevote.service.configuration.settings import Settings
from noisevote.service.jobs.folder import JobFolder
from noisevote.service.jobs.http_target import RequestLimits
from noisevote.service.jobs.store import JobStore
from noisevote.service.log.output import LogFormat, LogLevel
from noisevote.service.wire.attack import JobState

log = logging.getLogger("noisevote")

LOOKS_EVERY_S = 5.0
"""For jobs that another process of the server left behind."""

STOPS_WITHIN_S = 5.0
"""Then the worker is killed, which costs it no more than the running step."""


class WorkerStart(BaseModel):
    """What the server tells its worker.

    Attributes:
        folder: folder of the jobs.
        checkpoints: folders of the checkpoints.
        url: url of the server that is asked.
        token: token by which the server knows its worker; sent as a bearer token.
        log_format: form of the worker's log, which is the server's.
        log_level: level of that log.
        limits: limits of a request.
        threads: threads of its gradients.
        noise_scheme: scheme of all the server's noise; None leaves it to the cards.
    """

    folder: Path
    checkpoints: tuple[Path, ...]
    url: str
    token: str
    log_format: LogFormat
    log_level: LogLevel
    limits: RequestLimits
    threads: int = 1
    noise_scheme: str | None = None


class Supervisor:
    """Looks after the worker of one process of the server.

    Args:
        settings: settings of the server.
        folder: folder of the jobs.
        store: store of the jobs.

    Attributes:
        url: url of this server, for its worker; None until it is known.
    """

    def __init__(self, settings: Settings, folder: JobFolder, store: JobStore) -> None:
        self.url = settings.attack_url
        self._settings = settings
        self._folder = folder
        self._store = store
        self._wake = asyncio.Event()
        self._process: Process | None = None
        self._complaint = ""

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def run(self, closing: asyncio.Event) -> None:
        """Look after the worker until the server closes or this is cancelled."""
        closed = asyncio.create_task(closing.wait())
        try:
            while not closing.is_set():
                await self._look()
                await self._pause(closed)
        finally:
            closed.cancel()
            await self._stop()

    async def _look(self) -> None:
        """Take note of a worker that has ended, and start one if there is work."""
        self._wake.clear()
        try:
            if self._process is not None and self._process.returncode is not None:
                code, self._process = self._process.returncode, None
                await asyncio.to_thread(self._take_note, code)
            if self._process is None and await asyncio.to_thread(self._is_needed):
                await self._start()
        except Exception as error:  # whatever it is, the next look may be better
            if str(error) != self._complaint:  # not every few seconds
                log.exception("the worker of assessments cannot be looked after")
            self._complaint = str(error)

    async def _pause(self, closed: asyncio.Task[bool]) -> None:
        """Wait for news, but not for ever."""
        news: list[asyncio.Task[object]] = [asyncio.create_task(self._wake.wait())]
        if self._process is not None:
            news.append(asyncio.create_task(self._process.wait()))
        try:
            await asyncio.wait(
                {closed, *news}, timeout=LOOKS_EVERY_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in news:
                task.cancel()

    def _is_needed(self) -> bool:
        """Return whether a job waits and no worker lives; a job of a dead one is interrupted."""
        if not self._folder.is_there:
            return False
        self.interrupt_abandoned("its worker ended unexpectedly")
        if self.url is None or JobState.QUEUED not in self._store.counts():
            return False
        lock = self._folder.worker_lock()
        is_free = lock.acquire(waits=False)
        lock.release()
        return is_free

    def interrupt_abandoned(self, error: str) -> int:
        """Declare running jobs without a worker interrupted; return how many there were."""
        if JobState.RUNNING not in self._store.counts():
            return 0
        lock = self._folder.worker_lock()
        if not lock.acquire(waits=False):
            return 0
        try:
            return self._store.interrupt(error, JobState.RUNNING)
        finally:
            lock.release()

    def _take_note(self, code: int) -> None:
        """Note that the worker has ended; one that fails before any job must not be tried again."""
        if code == 0:
            return
        log.error("the worker of assessments ended with exit code %s", code)
        error = f"its worker ended unexpectedly, with exit code {code}"
        if self.interrupt_abandoned(error) == 0:
            self._store.fail_next(error)

    async def _start(self) -> None:
        settings = self._settings
        start = WorkerStart(
            folder=self._folder.path.absolute(),
            checkpoints=tuple(folder.absolute() for folder in settings.checkpoints),
            url=self.url or "",
            token=settings.internal_token.get_secret_value(),
            log_format=settings.log_format,
            log_level=settings.log_level,
            limits=RequestLimits.model_validate(settings, from_attributes=True),
            threads=settings.attack_threads,
            noise_scheme=settings.preference.noise_scheme,
        )
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",  # its threads are beside each other, none waits for another
            "MKL_NUM_THREADS": "1",
            "NO_PROXY": "*",  # the server is this one
            "no_proxy": "*",
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "noisevote.service.jobs.worker",
            stdin=PIPE, stdout=DEVNULL, env=environment, start_new_session=True,
        )  # fmt: skip
        if self._process.stdin is not None:
            self._process.stdin.write(start.model_dump_json().encode() + b"\n")

    async def _stop(self) -> None:
        """Stop the worker, and say so of its job if it could not."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOPS_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        try:
            await asyncio.to_thread(self.interrupt_abandoned, "the server was stopped")
        except NoisevoteError:
            log.exception("an interrupted job cannot be noted as such")
