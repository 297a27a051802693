"""The composition root: settings become an app."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from models.checkpoint import CheckpointStore
from models.errors import NoisevoteError
from service.authentication import KeyMiddleware, describe_keys
from service.backend import VotingBackend
from service.bodies import HeldBytes
from service.errors import install_error_handlers, table_of_codes
from service.keys import KeyRing
from service.metrics import Metrics
from service.observing import ObservingMiddleware, PredictionWatch
from service.predictor import Predictor
from service.rate_limit import RateLimit
from service.request_id import RequestIdMiddleware
from service.routes import checkpoints, health, page, predict, stream, v2
from service.routes import metrics as metrics_routes
from service.settings import Settings
from service.shutdown import told_to_stop
from service.v2_statistics import V2Statistics

log = logging.getLogger("noisevote")

DESCRIPTION = f"""
Neural networks served as if they ran on noisy analog hardware: every answer is the mode of N
independent noisy forward passes ("votes"), with their counts and honest statistics.

Every error has the body `{{"error": {{"code", "message", "field"?, "request_id"}}}}`:

{table_of_codes()}
"""


def create_app(settings: Settings) -> FastAPI:
    """Build the app; checkpoints are read and warmed up when it starts."""
    metrics = Metrics()
    watch = PredictionWatch(metrics, rate_limit_of(settings))
    keys = KeyRing(settings.api_keys, settings.internal_token.get_secret_value())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        backend = VotingBackend(settings.slots, settings.max_queue_gmacs, metrics)
        store = CheckpointStore(settings.checkpoints)
        predictor = Predictor(settings, store, backend, watch)
        app.state.predictor = predictor
        app.state.not_ready = "warming up"
        app.state.warming_up = asyncio.create_task(warm_up(app, predictor))
        try:
            with told_to_stop(app.state.closing):
                yield
        finally:
            app.state.warming_up.cancel()
            with suppress(asyncio.CancelledError):
                await app.state.warming_up
            backend.close()

    app = FastAPI(
        title="noisevote",
        description=DESCRIPTION,
        version=version("noisevote"),
        lifespan=lifespan,
        docs_url=None,  # service/routes/page.py serves it without outside requests
        redoc_url=None,
        redirect_slashes=False,  # a redirect would be built from whatever Host the client sent
    )
    app.state.held_bytes = HeldBytes(settings.max_held_bytes)
    app.state.closing = asyncio.Event()
    app.state.v2_statistics = V2Statistics()
    app.state.metrics = metrics
    app.add_middleware(KeyMiddleware, keys=keys)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(ObservingMiddleware, metrics=metrics, watch=watch)  # the outermost
    install_error_handlers(app)
    for routes in (predict, stream, checkpoints, health, metrics_routes, v2, page):
        app.include_router(routes.router)
    app.openapi = lambda: document_of(app)  # type: ignore[method-assign]
    return app


def document_of(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document."""
    return app.openapi_schema or describe_keys(FastAPI.openapi(app))


def rate_limit_of(settings: Settings) -> RateLimit | None:
    """Return the rate limit that the settings ask for, if any."""
    if settings.rate_limit_votes_per_s is None:
        return None
    return RateLimit(settings.rate_limit_votes_per_s, settings.rate_limit_burst_votes)


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
