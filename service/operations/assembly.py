"""What stands around the app to run it: metrics, log, keys, rate limit, traces."""

from typing import TYPE_CHECKING

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from models.errors import MissingExtraError, how_to_install
from service.configuration.keys import KeyRing
from service.configuration.settings import Settings
from service.operations.authentication import KeyMiddleware, describe_keys
from service.operations.door import DoorMiddleware
from service.operations.drift import DriftMonitor
from service.operations.metrics import Metrics
from service.operations.observing import ObservingMiddleware, PredictionWatch
from service.operations.origin import OriginMiddleware
from service.operations.rate_limit import RateLimit
from service.operations.request_id import RequestIdMiddleware

if TYPE_CHECKING:
    from service.operations.traces import Traces


class Operations:
    """Stands around one app.

    Args:
        settings: say what there is.

    Raises:
        MissingExtraError: traces are asked for, and the extra ``otel`` is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._traces = traces_of(settings)
        self._keys = KeyRing(settings.api_keys, settings.internal_token.get_secret_value())
        self.metrics = Metrics()
        self._drift = DriftMonitor(self.metrics.drifted)
        self.watch = PredictionWatch(
            self.metrics, self._drift, rate_limit_of(settings), self._traces
        )

    def surround(self, app: FastAPI) -> None:
        """Add the middleware to an app, the innermost first, and what it says about keys."""
        app.state.metrics = self.metrics
        app.state.drift = self._drift
        app.add_middleware(DoorMiddleware)
        app.add_middleware(KeyMiddleware, keys=self._keys)
        app.add_middleware(
            OriginMiddleware,
            allowed=names_in(self._settings.allowed_hosts),
            has_keys=not self._keys.is_open,
        )
        app.add_middleware(RequestIdMiddleware)
        app.add_middleware(ObservingMiddleware, metrics=self.metrics, watch=self.watch)
        if self._settings.trusted_proxies:
            app.add_middleware(
                ProxyHeadersMiddleware, trusted_hosts=names_in(self._settings.trusted_proxies)
            )
        if self._traces is not None:
            self._traces.surround(app)
        app.openapi = lambda: (  # type: ignore[method-assign]
            app.openapi_schema or describe_keys(FastAPI.openapi(app))
        )

    def close(self) -> None:
        """Send the traces that have not been sent."""
        if self._traces is not None:
            self._traces.close()


def names_in(text: str | None) -> list[str]:
    """Return the names that a setting lists, separated by commas."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def rate_limit_of(settings: Settings) -> RateLimit | None:
    """Return the rate limit that the settings ask for, if any."""
    if settings.rate_limit_votes_per_s is None:
        return None
    return RateLimit(settings.rate_limit_votes_per_s, settings.rate_limit_burst_votes)


def traces_of(settings: Settings) -> "Traces | None":
    """Return the traces that the settings ask for, if any.

    Raises:
        MissingExtraError: what they need is not installed.
    """
    if settings.traces_endpoint is None:
        return None
    try:
        from service.operations.traces import Traces
    except ImportError as error:
        raise MissingExtraError(
            f"traces_endpoint is set, and traces need an extra; {how_to_install('otel')}"
        ) from error
    return Traces(str(settings.traces_endpoint))
