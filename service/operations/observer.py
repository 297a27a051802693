"""Is told of every request and prediction: metrics, log, rate limit, drift and traces."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.types import Scope

from noisevote.models.engines.arithmetic import arithmetic_in
from noisevote.models.errors import MissingExtraError, how_to_install
from noisevote.service.configuration.keys import INTERNAL, KEY_OWNER
from noisevote.service.configuration.settings import Settings
from noisevote.service.log.request_record import RequestRecord, current_record, log_request
from noisevote.service.operations.drift import DriftMonitor
from noisevote.service.operations.metrics import Metrics
from noisevote.service.operations.rate_limit import RateLimit, network_of
from noisevote.service.prediction.preparation import Took, untold
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.prediction.sizes import votes_of_work
from noisevote.service.wire.replies import PredictResponse

if TYPE_CHECKING:
    from noisevote.service.operations.traces import Traces

UNMATCHED = "unmatched"
"""Stands for all paths that are no route."""

REFUSED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
"""Status of requests that were turned away before their first vote."""


class RequestObserver:
    """Adds what it is told to the record of the request and to what is counted.

    Args:
        settings: say whether there is a rate limit and whether traces are sent.

    Attributes:
        metrics: the metrics that count.
        drift: compares votes with what cards say.
        traces: None if nothing is traced.

    Raises:
        MissingExtraError: traces are asked for, and the extra ``otel`` is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.drift = DriftMonitor(self.metrics.drifted)
        self.traces = traces_of(settings)
        self._limit = rate_limit_of(settings)

    def began(self, record: RequestRecord) -> None:
        """Note to which trace a request belongs."""
        if self.traces is not None:
            record.trace_id = self.traces.trace_id()

    def prepares(self, work_s: float) -> Took:
        """Charge the preparing of a picture or a drawing.

        Args:
            work_s: seconds that it may take, judged by its size.

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
        record, request = current_record(), prepared.request
        record.checkpoint = prepared.checkpoint.name
        record.device = prepared.device_name
        record.votes = request.votes
        record.votes_requested = request.votes * request.count
        if self._limit is not None and is_charged(record):
            # Without noise one forward pass stands for all votes.
            charged = request.count if request.noise.is_silent else record.votes_requested
            self._limit.take(client_of(record), charged + prepared.chip_votes)
            record.votes_charged = charged
            record.chip_votes_charged = prepared.chip_votes

    def answered(self, prepared: Prepared, answer: PredictResponse) -> None:
        """Note what was answered."""
        record = current_record()
        record.is_answered = True
        record.arithmetic = arithmetic_in(answer.fingerprint)
        record.votes_cast = sum(one.votes_cast for one in answer.predictions)
        for one in answer.predictions:
            record.stopped_by[str(one.stopped_by)] += 1
        self.metrics.answered(prepared, answer)
        if record.key != INTERNAL:
            self.drift.answered(prepared, answer)
        if self.traces is not None:
            self.traces.answered(record, answer)

    def ended(self, scope: Scope, status: int, seconds: float, record: RequestRecord) -> None:
        """Count and log a request that has ended.

        Votes that were charged and not cast are given back, unless the client left or was too slow:
        what those asked for may have been computed.
        """
        route = record.route or route_of(scope)
        self.metrics.replied(route, status, seconds, record)
        if record.is_answered or status in REFUSED:
            self._give_back(record)
        log_request(scope, route, status, seconds, record)

    def _give_back(self, record: RequestRecord) -> None:
        uncast = max(0, record.votes_charged - record.votes_cast)
        if not record.is_answered:
            uncast += record.chip_votes_charged
        if self._limit is not None and uncast:
            self._limit.give_back(client_of(record), uncast)

    def close(self) -> None:
        """Send the traces that have not been sent."""
        if self.traces is not None:
            self.traces.close()


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
        from noisevote.service.operations.traces import Traces
    except ImportError as error:
        raise MissingExtraError(
            f"traces_endpoint is set, and traces need an extra; {how_to_install('otel')}"
        ) from error
    return Traces(str(settings.traces_endpoint))


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
