"""What is known of a request while it runs; its line in the log and its metrics are made of it.

The middleware begins a record, whoever learns something adds it. A prediction may run in a task of
its own, so the record travels in the context and not through every function.

The line holds what was asked for and how it went, never what was sent: no body, no query, no header
but the request's id, no path beyond the template of its route.
"""

import logging
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.types import Scope

from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic

log = logging.getLogger("noisevote.requests")

PROBED = {"/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/metrics"}
"""Asked every few seconds by machines: of interest only when they fail."""


@dataclass(slots=True)
class RequestRecord:
    """One request.

    Attributes:
        client: address of the client.
        route: its path, if it was turned away before a route had it.
        key: name of the API key that it came with.
        checkpoint: checkpoint that votes.
        device: device of the votes: its name, or ``inline`` or ``by point`` if it has none here.
        arithmetic: engine and precision of the votes.
        votes: asked for, per input.
        votes_requested: votes asked for, of all inputs.
        votes_charged: votes of these that were charged to whoever asked, under a rate limit.
        chip_votes_charged: votes that were charged for chips that had to be made.
        is_answered: whether there was an answer to a prediction.
        votes_cast: votes that counted, of all inputs.
        stopped_by: how many inputs each reason ended the voting of.
        trace_id: id of the trace that it belongs to, if there are traces.
        code: code of the error, if there was one.
        has_read_body: whether nothing of its body is to come.
        charged_to: whom a job of the service's own workers asks for, as rate limits know it.
    """

    client: str | None = None
    route: str | None = None
    key: str | None = None
    checkpoint: str | None = None
    device: str | None = None
    arithmetic: Arithmetic = REFERENCE
    votes: int = 0
    votes_requested: int = 0
    votes_charged: int = 0
    chip_votes_charged: int = 0
    is_answered: bool = False
    votes_cast: int = 0
    stopped_by: Counter[str] = field(default_factory=Counter)
    trace_id: str | None = None
    code: str | None = None
    has_read_body: bool = False
    charged_to: str | None = None


CURRENT: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)


def current_record() -> RequestRecord:
    """Return the record of the request that runs; one that nobody reads outside of any."""
    return CURRENT.get() or RequestRecord()


def log_request(
    scope: Scope, route: str, status: int, seconds: float, record: RequestRecord
) -> None:
    """Write the line of a request."""
    is_routine = route in PROBED and status < HTTPStatus.BAD_REQUEST
    level = logging.DEBUG if is_routine else logging.INFO
    if not log.isEnabledFor(level):
        return
    log.log(
        level,
        "%s %s %d",
        scope["method"],
        route,
        status,
        extra={"fields": fields_of(scope, route, status, seconds, record)},
    )


def fields_of(
    scope: Scope, route: str, status: int, seconds: float, record: RequestRecord
) -> dict[str, object]:
    """Return what the line holds by name; what a request has nothing of is left out."""
    fields: dict[str, object | None] = {
        "request_id": scope.get("state", {}).get("request_id"),
        "method": scope["method"],
        "route": route,
        "status": status,
        "code": record.code,
        "duration_ms": round(1000 * seconds, 3),
        "client": record.client,
        "key": record.key,
        "trace_id": record.trace_id,
    }
    if record.checkpoint is not None:
        fields |= {
            "checkpoint": record.checkpoint,
            "device": record.device,
            "engine": record.arithmetic.engine.value if record.is_answered else None,
            "precision": record.arithmetic.precision.value if record.is_answered else None,
            "votes_requested": record.votes_requested,
            "votes_cast": record.votes_cast,
            "stopped_by": dict(record.stopped_by) or None,
        }
    return {name: value for name, value in fields.items() if value is not None}
