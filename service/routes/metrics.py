"""``GET /metrics`` for Prometheus."""

import asyncio

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service.operations.metrics import Metrics

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return everything that is counted, of all worker processes."""
    counted: Metrics = request.app.state.metrics
    # Off the event loop: the files of several processes take milliseconds to read.
    return Response(await asyncio.to_thread(counted.text), media_type=CONTENT_TYPE_LATEST)
