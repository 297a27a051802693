"""Sees every request from its head to the end of its reply, and every prediction in between.

Pure ASGI: a ``BaseHTTPMiddleware`` would hide the client's disconnect.
"""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access_log import log_request
from service.metrics import Metrics
from service.predictor import Prepared
from service.replies import PredictResponse
from service.request_record import CURRENT, RequestRecord, current_record

UNMATCHED = "unmatched"
"""Stands for all paths that are no route."""

OPENAPI_PATH = "/openapi.json"
INTERNAL_ERROR = 500


class PredictionWatch:
    """Adds predictions to the record of their request and to what is counted.

    Args:
        metrics: that count.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def asked(self, prepared: Prepared) -> None:
        """Note what is asked for."""
        record, votes = current_record(), prepared.votes
        record.checkpoint = prepared.checkpoint.name
        record.votes = votes.votes
        record.votes_requested = votes.votes * len(votes.inputs)

    def answered(self, prepared: Prepared, answer: PredictResponse) -> None:
        """Note what was answered."""
        record = current_record()
        record.is_answered = True
        record.votes_cast = sum(one.votes_cast for one in answer.predictions)
        record.stopped_by.update(one.stopped_by.value for one in answer.predictions)
        self._metrics.answered(prepared, answer)


class ObservingMiddleware:
    """Keeps the record of each request, and at its end counts and logs it.

    Args:
        app: what runs the requests.
        metrics: that count.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request under a fresh record."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        record = RequestRecord()
        status = INTERNAL_ERROR  # unless there is a reply

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = CURRENT.set(record)
        try:
            await self.app(scope, receive, send_and_note)
        except Exception:
            record.code = "internal"  # answered further out, where nobody keeps records
            raise
        finally:
            CURRENT.reset(token)
            seconds = time.perf_counter() - began
            route = route_of(scope)
            self._metrics.replied(route, status, seconds, record)
            log_request(scope, route, status, seconds, record)


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request took."""
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    return OPENAPI_PATH if "endpoint" in scope and scope["path"] == OPENAPI_PATH else UNMATCHED
