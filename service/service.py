"""What one app consists of, in one place and with types."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from noisevote.models.checkpoint import CheckpointStore
from noisevote.models.errors import NoisevoteError
from noisevote.models.study.folders import Studies
from noisevote.models.voting import Observer
from noisevote.service.configuration.settings import Settings
from noisevote.service.jobs.service import MOST_TAKEN, JobService
from noisevote.service.operations.observer import RequestObserver
from noisevote.service.operations.reload import CheckpointReloader
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.processes.shutdown import told_to_stop
from noisevote.service.v2.reply import V2Statistics
from noisevote.service.voting.backend import VotingBackend
from noisevote.service.wire.bodies import BYTES_A_REQUEST, HeldBytes
from noisevote.service.wire.errors import DrainingError
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest

log = logging.getLogger("noisevote")


class Service:
    """What routes and middleware work with.

    Predictor, reloader and jobs are there from the start of the app on: only then do threads start
    and are checkpoints read.

    Args:
        settings: settings of the app.

    Attributes:
        predictor: prepares and answers predictions.
        reloader: keeps the checkpoints as their folders are.
        jobs: the assessments.
        observer: is told of requests and predictions.
        bodies: the bodies that are being read and prepared.
        assessment_bodies: those of assessments, which take no room of predictions.
        studies: of the checkpoints.
        v2_statistics: what was asked over the Open Inference Protocol.
        closing: set when the process is told to stop.
        not_ready: why requests should not be sent here yet; None once the warm-up has succeeded.
        warming_up: ends when the default checkpoint is ready, or has failed to be.
        openapi_json: the description of the HTTP interface, once somebody has asked for it.

    Raises:
        MissingExtraError: traces are asked for, and the extra ``otel`` is not installed.
    """

    predictor: Predictor
    reloader: CheckpointReloader
    jobs: JobService
    warming_up: asyncio.Task[None]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.observer = RequestObserver(settings)
        self.bodies = HeldBytes(settings.max_held_bytes, settings.max_body_s)
        self.assessment_bodies = HeldBytes(
            2 * settings.max_body_bytes + MOST_TAKEN * BYTES_A_REQUEST, settings.max_body_s
        )
        self.studies = Studies(settings.study_folders)
        self.v2_statistics = V2Statistics()
        self.closing = asyncio.Event()
        self.not_ready: str | None = "warming up"
        self.openapi_json: asyncio.Task[bytes] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve inside the block: warm up, look after checkpoints and jobs; end all at its end."""
        settings, metrics = self.settings, self.observer.metrics
        backend = VotingBackend(
            settings.slots, settings.max_queue_gmacs, metrics, settings.max_chip_bytes
        )
        self.reloader = CheckpointReloader(
            settings.checkpoints, settings.default_checkpoint, settings.preference
        )
        self.predictor = predictor = Predictor(settings, self.reloader.store, backend)
        self.jobs = JobService(settings, self.reloader.store)
        metrics.count_jobs_by(self.jobs.counts)
        metrics.process.serves(settings.slots)
        self.warming_up = asyncio.create_task(self.warm_up())
        looking = asyncio.create_task(self._keep_looking(settings.checkpoint_poll_s))
        try:
            with told_to_stop(self.closing):
                async with self.jobs.open(self.closing):
                    yield
        finally:
            for task in (looking, self.warming_up):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            predictor.close()
            backend.close()
            self.observer.close()

    async def prepare(self, asked: PredictRequest, work_s: float, began: float) -> Prepared:
        """Prepare a prediction in its turn, charged to who asks; see ``Predictor.prepared``."""
        return await self.predictor.prepared(asked, work_s, began, self.observer.prepares)

    async def answer(self, prepared: Prepared, observer: Observer | None = None) -> PredictResponse:
        """Answer a prediction, and tell of it.

        Args:
            prepared: the request.
            observer: is told of every vote that counts, on the thread of a slot.

        Raises:
            RateLimitedError: it is more than the client may ask for now.
            NoisevoteError: it cannot be answered; see ``models.errors``.
        """
        self.observer.asked(prepared)
        answer = await self.predictor.answer(prepared, observer)
        self.observer.answered(prepared, answer)
        devices, checkpoint = self.predictor.backend.devices, prepared.checkpoint
        if prepared.device is not None and (runtime := devices.loaded(checkpoint)) is not None:
            self.observer.metrics.holds_chips(checkpoint.name, runtime, devices.held.bytes)
        return answer

    @property
    def store(self) -> CheckpointStore:
        """The checkpoints that serve."""
        return self.predictor.store

    @property
    def why_not_ready(self) -> str | None:
        """Why requests should not be sent here; None if they should."""
        if self.not_ready is None and not self.predictor.backend.computes:
            return "no thread is left that computes votes"
        return self.not_ready

    def refuse_if_draining(self) -> None:
        """Refuse new work once the process has been told to stop.

        Raises:
            DrainingError: it has.
        """
        if self.closing.is_set():
            raise DrainingError("the service is shutting down; send the request again")

    async def warm_up(self) -> None:
        """Make the default checkpoint ready; a failure keeps the app alive but not ready."""
        try:
            checkpoint = self.predictor.default()
            kind = checkpoint.card.noise.kind
            preferred = checkpoint.preferred
            await self.predictor.backend.run(lambda: checkpoint.runtime(kind, preferred))
        except NoisevoteError as error:
            log.exception("not ready")
            self.not_ready = str(error)
        except Exception:
            log.exception("not ready")
            self.not_ready = "the warm-up failed unexpectedly; it has been logged"
        else:
            self.not_ready = None

    async def look_for_changes(self) -> None:
        """Bring the checkpoints up to date with their folders.

        A service whose default checkpoint was not fit to serve becomes ready when a sound one
        appears.
        """
        anew = await self.predictor.backend.run(self.reloader.look)
        if self.settings.default_checkpoint in anew:
            self.not_ready = None

    async def _keep_looking(self, pause_s: float) -> None:
        """Bring the checkpoints up to date again and again, unless there is to be no pause."""
        while pause_s > 0:
            await asyncio.sleep(pause_s)
            try:
                await self.look_for_changes()
            except Exception:
                log.exception("the checkpoints could not be looked after")


def service_of(app: FastAPI) -> Service:
    """Return the service of an app."""
    service: Service = app.state.service
    return service


async def requested(request: Request) -> Service:
    """Return the app's service; asynchronous, since FastAPI hands others to a thread."""
    return service_of(request.app)


ServiceDep = Annotated[Service, Depends(requested)]
"""What an endpoint of FastAPI takes to work with the service."""
