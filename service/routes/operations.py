"""What machines ask about the service: ``GET /health/live``, ``/health/ready``, ``/metrics``."""

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from noisevote.service.service import ServiceDep
from noisevote.service.wire.errors import NotReadyError, responses_for
from noisevote.service.wire.replies import Health

router = APIRouter()


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", tags=["health"], responses=responses_for())
async def live() -> Health:
    """Answer as long as the event loop turns."""
    return Health(status="live")


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", tags=["health"], responses=responses_for(NotReadyError))
async def ready(service: ServiceDep) -> Health:
    """Answer 200 once the default checkpoint has passed its warm-up and self-test."""
    if (reason := service.why_not_ready) is not None:
        raise NotReadyError(reason)
    return Health(status="ready")


@router.get("/metrics", include_in_schema=False)
async def metrics(service: ServiceDep) -> Response:
    """Return everything that is counted, of all worker processes."""
    # Off the event loop: the files of several processes take milliseconds to read.
    text = await asyncio.to_thread(service.observer.metrics.text)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
