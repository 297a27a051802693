"""The line of each request in the log.

It holds what was asked for and how it went, never what was sent: no body, no query, no header but
the request's id, no path beyond the template of its route.
"""

import logging
from http import HTTPStatus

from starlette.types import Scope

from service.log.request_record import RequestRecord

log = logging.getLogger("noisevote.requests")

PROBED = {"/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/metrics"}
"""Asked every few seconds by machines: of interest only when they fail."""


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
            "votes_requested": record.votes_requested,
            "votes_cast": record.votes_cast,
            "stopped_by": dict(record.stopped_by) or None,
        }
    return {name: value for name, value in fields.items() if value is not None}
