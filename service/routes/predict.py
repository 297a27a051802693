"""``POST /predict``."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from models.errors import (
    CheckpointError,
    DeadlineError,
    InputError,
    LimitError,
    NoSlotError,
    OverloadedError,
    PictureError,
    UnknownCheckpointError,
)
from service.routes.dependencies import predictor_of, prepared_of
from service.wire.disconnect import unless_client_leaves
from service.wire.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    DrainingError,
    ForeignOriginError,
    NotJsonError,
    RateLimitedError,
    UnsupportedMediaError,
    responses_for,
)
from service.wire.replies import PredictResponse
from service.wire.requests import PredictRequest, inlined_schema


class DirectRoute(APIRoute):
    """Hands the request to its endpoint as it is, and sends back the response that this returns.

    FastAPI would look for parameters and dependencies first, which takes longer than a vote.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint."""
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


router = APIRouter(tags=["predictions"], route_class=DirectRoute)

REFUSALS = responses_for(
    NotJsonError,
    UnknownCheckpointError,
    BodyTimeoutError,
    BodyTooLargeError,
    ForeignOriginError,
    UnsupportedMediaError,
    InputError,
    PictureError,
    LimitError,
    OverloadedError,
    RateLimitedError,
    CheckpointError,
    NoSlotError,
    DrainingError,
    DeadlineError,
)


@router.post(
    "/predict",
    response_model=PredictResponse,
    responses=REFUSALS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": inlined_schema(PredictRequest)}},
        }
    },
)
async def predict(request: Request) -> Response:
    """Cast noisy votes on the inputs and answer with their mode, counts and statistics."""
    predictor = await predictor_of(request)
    prepared = await prepared_of(request, predictor)
    answer = await unless_client_leaves(request, predictor.answer(prepared))
    return Response(answer.model_dump_json(), media_type="application/json")
