"""``GET /health/live`` and ``GET /health/ready``."""

from fastapi import APIRouter, Request

from service.operations.readiness import why_not_ready
from service.wire.errors import NotReadyError, responses_for
from service.wire.replies import Health

router = APIRouter(prefix="/health", tags=["health"])


@router.head("/live", include_in_schema=False)
@router.get("/live", responses=responses_for())
async def live() -> Health:
    """Answer as long as the event loop turns."""
    return Health(status="live")


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses=responses_for(NotReadyError))
async def ready(request: Request) -> Health:
    """Answer 200 once the default checkpoint has passed its warm-up and self-test."""
    if (reason := why_not_ready(request.app)) is not None:
        raise NotReadyError(reason)
    return Health(status="ready")
