"""The composition root: settings become an app."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import FastAPI

from models.errors import NoisevoteError
from service.configuration.settings import Settings
from service.jobs.service import JobService
from service.operations.assembly import Operations
from service.operations.checkpoint_watch import CheckpointWatch, look_for_changes
from service.prediction.predictor import Predictor
from service.processes.shutdown import told_to_stop
from service.routes import attack, checkpoints, health, page, predict, stream, v2
from service.routes import metrics as metrics_routes
from service.v2.statistics import V2Statistics
from service.voting.backend import VotingBackend
from service.wire.bodies import HeldBytes
from service.wire.errors import install_error_handlers, table_of_codes

log = logging.getLogger("noisevote")

DESCRIPTION = f"""
Neural networks served as if they ran on noisy analog hardware: every answer is the mode of N
independent noisy forward passes ("votes"), with their counts and honest statistics.

Every error has the body `{{"error": {{"code", "message", "field"?, "request_id"}}}}`:

{table_of_codes()}
"""


def create_app(settings: Settings) -> FastAPI:
    """Build the app; checkpoints are read and warmed up when it starts."""
    operations = Operations(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        backend = VotingBackend(settings.slots, settings.max_queue_gmacs, operations.metrics)
        checkpoint_watch = CheckpointWatch(settings.checkpoints, settings.default_checkpoint)
        predictor = Predictor(settings, checkpoint_watch.store, backend, operations.watch)
        app.state.predictor = predictor
        app.state.checkpoint_watch = checkpoint_watch
        app.state.jobs = jobs = JobService(settings, checkpoint_watch.store)
        operations.metrics.count_jobs_by(jobs.counts)
        app.state.not_ready = "warming up"
        app.state.warming_up = asyncio.create_task(warm_up(app, predictor))
        looking = asyncio.create_task(keep_looking(app, settings.checkpoint_poll_s))
        try:
            with told_to_stop(app.state.closing):
                async with jobs.open(app.state.closing):
                    yield
        finally:
            for task in (looking, app.state.warming_up):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            predictor.close()
            backend.close()
            operations.close()

    app = FastAPI(
        title="noisevote",
        description=DESCRIPTION,
        version=version("noisevote"),
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # see service/traces.py
        docs_url=None,  # service/routes/page.py serves it without outside requests
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # a redirect would be built from whatever Host the client sent
    )
    app.state.held_bytes = HeldBytes(settings.max_held_bytes, settings.max_body_s)
    app.state.closing = asyncio.Event()
    app.state.v2_statistics = V2Statistics()
    operations.surround(app)
    install_error_handlers(app)
    for routes in (predict, stream, checkpoints, attack, health, metrics_routes, v2, page):
        app.include_router(routes.router)
    return app


async def warm_up(app: FastAPI, predictor: Predictor) -> None:
    """Make the default checkpoint ready; a failure keeps the app alive but not ready."""
    try:
        checkpoint = predictor.default()
        kind = checkpoint.card.noise.kind
        await predictor.backend.run(lambda: checkpoint.runtime(kind))
    except NoisevoteError as error:
        log.exception("not ready")
        app.state.not_ready = str(error)
    except Exception:
        log.exception("not ready")
        app.state.not_ready = "the warm-up failed unexpectedly; it has been logged"
    else:
        app.state.not_ready = None


async def keep_looking(app: FastAPI, pause_s: float) -> None:
    """Bring the checkpoints up to date again and again, unless there is to be no pause."""
    while pause_s > 0:
        await asyncio.sleep(pause_s)
        try:
            await look_for_changes(app)
        except Exception:
            log.exception("the checkpoints could not be looked after")
