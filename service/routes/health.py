"""``GET /health/live`` and ``GET /health/ready``."""

from fastapi import APIRouter, Request

from service.errors import ErrorBody, NotReadyError
from service.schemas import Health

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> Health:
    """Answer as long as the event loop turns."""
    return Health(status="live")


@router.get(
    "/ready",
    responses={503: {"model": ErrorBody, "description": "Still warming up, or failed to."}},
)
async def ready(request: Request) -> Health:
    """Answer 200 once the default checkpoint has passed its warm-up and self-test."""
    reason: str | None = request.app.state.not_ready
    if reason is not None:
        raise NotReadyError(reason)
    return Health(status="ready")
