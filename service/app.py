"""The composition root: settings become an app."""

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from noisevote.service.configuration.keys import KeyRing
from noisevote.service.configuration.settings import Settings
from noisevote.service.middleware import RequestMiddleware, refuse_while_full
from noisevote.service.operations.authentication import KeyGuard, describe_keys
from noisevote.service.operations.origin import OriginGuard
from noisevote.service.processes.connections import MAX_CONNECTIONS
from noisevote.service.routes import (
    attack,
    checkpoints,
    devices,
    operations,
    page,
    plan,
    predict,
    stream,
    v2,
)
from noisevote.service.service import Service
from noisevote.service.wire.errors import install_error_handlers, table_of_codes

GARBAGE_AFTER = 20_000
"""Objects made and not freed after which garbage is looked for; by default 700 or 2,000, a few
requests."""

DESCRIPTION = f"""
Neural networks served as if they ran on noisy analog hardware: every answer is the mode of N
independent noisy forward passes ("votes"), with their counts and honest statistics.

Every error has the body `{{"error": {{"code", "message", "field"?, "request_id"}}}}`:

{table_of_codes()}
"""


def create_app(settings: Settings) -> FastAPI:
    """Build the app; checkpoints are read and warmed up when it starts.

    Raises:
        MissingExtraError: traces are asked for, and the extra ``otel`` is not installed.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, int]]:
        async with service.running():
            yield {MAX_CONNECTIONS: settings.max_connections}

    app = FastAPI(
        title="noisevote",
        description=DESCRIPTION,
        version=version("noisevote"),
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # see operations/traces.py
        docs_url=None,  # service/routes/page.py serves it without outside requests
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # a redirect would be built from whatever Host the client sent
    )
    app.state.service = service
    surround(app, service)
    install_error_handlers(app)
    for direct in (predict, stream):  # an included router would look for them twice
        app.router.routes.extend(direct.router.routes)
    included = (checkpoints, plan, devices, attack, operations, v2, page)
    for routes in included:
        app.include_router(routes.router)
    app.state.methods_of_paths = methods_of_paths(
        [route for routes in (predict, stream, *included) for route in routes.router.routes]
    )
    app.openapi = lambda: (  # type: ignore[method-assign]
        app.openapi_schema or describe_keys(FastAPI.openapi(app))
    )
    return app


def methods_of_paths(routes: Sequence[BaseRoute]) -> dict[str, set[str]]:
    """Return the methods of each path that takes no name for a part of it."""
    found: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, Route) and not route.param_convertors:
            found.setdefault(route.path, set()).update(route.methods or ())
    return found


def lasting_app(settings: Settings) -> FastAPI:
    """Build the app of a process that serves it until it ends; see :func:`create_app`.

    What is there now stays; looking through it for garbage would stall the event loop for 60 ms.
    """
    app = create_app(settings)
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    return app


def surround(app: FastAPI, service: Service) -> None:
    """Add the middleware to an app, the innermost first."""
    settings, observer = service.settings, service.observer
    keys = KeyRing(settings.api_keys, settings.internal_token.get_secret_value())
    origins = OriginGuard(names_in(settings.allowed_hosts), has_keys=not keys.is_open)
    guards = (origins.check, KeyGuard(keys).check, partial(refuse_while_full, service))
    app.add_middleware(RequestMiddleware, observer=observer, guards=guards)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=names_in(settings.trusted_proxies))
    if observer.traces is not None:
        observer.traces.surround(app)


def names_in(text: str | None) -> list[str]:
    """Return the names that a setting lists, separated by commas."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]
