"""Sees every request from its head to the end of its reply, and every prediction in between.

Pure ASGI: a ``BaseHTTPMiddleware`` would hide the client's disconnect.
"""

import time
from http import HTTPStatus
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.configuration.keys import INTERNAL, KEY_OWNER
from service.log.request_line import log_request
from service.log.request_record import CURRENT, RequestRecord, current_record
from service.operations.drift import DriftMonitor
from service.operations.metrics import Metrics
from service.operations.rate_limit import RateLimit, known_address, network_of
from service.prediction.predictor import Prepared
from service.prediction.preparation import Took, untold
from service.prediction.sizes import votes_of_work
from service.wire.bodies import read_on
from service.wire.replies import PredictResponse

UNMATCHED = "unmatched"
"""Stands for all paths that are no route."""

REFUSED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
"""Status of requests that were turned away before their first vote."""

INTERNAL_ERROR = 500


class Tracer(Protocol):
    """Belongs to a system of traces."""

    def trace_id(self) -> str | None:
        """Return the id of the trace that the running request belongs to."""

    def answered(self, record: RequestRecord, answer: PredictResponse) -> None:
        """Hear of the answer to a prediction."""


class PredictionWatch:
    """Adds predictions to the record of their request and to what is counted.

    Args:
        metrics: that count.
        limit: of the votes that clients may ask for; None if there is none.
        drift: compares votes with what cards say.
        tracer: None if nothing is traced.
    """

    def __init__(
        self,
        metrics: Metrics,
        drift: DriftMonitor,
        limit: RateLimit | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._metrics = metrics
        self._drift = drift
        self._limit = limit
        self._tracer = tracer

    def began(self, record: RequestRecord) -> None:
        """Note to which trace a request belongs."""
        if self._tracer is not None:
            record.trace_id = self._tracer.trace_id()

    def prepares(self, work_s: float) -> Took:
        """Charge the preparing of a picture or a drawing.

        Args:
            work_s: that it may take in seconds, judged by its size.

        Returns:
            What charges the rest when it has taken longer.

        Raises:
            RateLimitedError: it is more than the client may ask for now.
        """
        record, limit = current_record(), self._limit
        if limit is None or not is_charged(record):
            return untold
        client, votes = client_of(record), votes_of_work(work_s)
        limit.take(client, votes)
        return lambda seconds: limit.owe(client, max(0, votes_of_work(seconds) - votes))

    def asked(self, prepared: Prepared) -> None:
        """Note what is asked for.

        Raises:
            RateLimitedError: it is more than the client may ask for now.
        """
        record, votes = current_record(), prepared.votes
        record.checkpoint = prepared.checkpoint.name
        record.votes = votes.votes
        record.votes_requested = votes.votes * votes.count
        if self._limit is not None and is_charged(record):
            # Without noise one forward pass stands for all votes.
            charged = votes.count if votes.noise.is_silent else record.votes_requested
            self._limit.take(client_of(record), charged)
            record.votes_charged = charged

    def answered(self, prepared: Prepared, answer: PredictResponse) -> None:
        """Note what was answered."""
        record = current_record()
        record.is_answered = True
        record.votes_cast = sum(one.votes_cast for one in answer.predictions)
        record.stopped_by.update(str(one.stopped_by) for one in answer.predictions)
        self._metrics.answered(prepared, answer)
        if record.key != INTERNAL:
            self._drift.answered(prepared, answer)
        if self._tracer is not None:
            self._tracer.answered(record, answer)

    def ended(self, record: RequestRecord, status: int) -> None:
        """Give back votes that were charged and not cast, unless the client left or was too slow.

        What those asked for may have been computed.
        """
        if self._limit is None or not record.votes_charged:
            return
        if record.is_answered or status in REFUSED:
            uncast = max(0, record.votes_charged - record.votes_cast)
            self._limit.give_back(client_of(record), uncast)


class ObservingMiddleware:
    """Keeps the record of each request, and at its end counts and logs it.

    Args:
        app: what runs the requests.
        metrics: that count.
        watch: sees the predictions.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, watch: PredictionWatch) -> None:
        self.app = app
        self._metrics = metrics
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request under a fresh record."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        client = scope.get("client")
        record = RequestRecord(client=known_address(client[0]) if client else None)
        status = INTERNAL_ERROR  # unless there is a reply

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif status >= HTTPStatus.BAD_REQUEST and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await read_on(scope, receive)
                message = {"type": "http.response.body"}
            await send(message)

        self._watch.began(record)
        token = CURRENT.set(record)
        try:
            await self.app(scope, receive, send_and_note)
        except Exception:
            record.code = "internal"  # answered further out, where nobody keeps records
            raise
        finally:
            CURRENT.reset(token)
            seconds = time.perf_counter() - began
            route = record.route or route_of(scope)
            self._metrics.replied(route, status, seconds, record)
            self._watch.ended(record, status)
            log_request(scope, route, status, seconds, record)


def is_charged(record: RequestRecord) -> bool:
    """Return whether a rate limit holds: of the service's own requests for those of a job."""
    return record.key != INTERNAL or record.charged_to is not None


def client_of(record: RequestRecord) -> str:
    """Return whom votes are charged to: a key, or an address; the two are never the same."""
    if record.charged_to is not None:
        return record.charged_to
    if record.key is not None:
        return KEY_OWNER + record.key
    return network_of(record.client or "")


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request took."""
    route = scope.get("route")
    return UNMATCHED if route is None else str(route.path)
