"""``POST /predict``."""

from fastapi import APIRouter, Request

from models.errors import (
    CheckpointError,
    DeadlineError,
    InputError,
    LimitError,
    OverloadedError,
    PictureError,
    UnknownCheckpointError,
)
from service.dependencies import PredictorDep, PreparedDep, unless_client_leaves
from service.errors import (
    BodyTooLargeError,
    DrainingError,
    NotJsonError,
    RateLimitedError,
    responses_for,
)
from service.replies import PredictResponse
from service.schemas import PredictRequest, inlined_schema

router = APIRouter(tags=["predictions"])

REFUSALS = responses_for(
    NotJsonError,
    UnknownCheckpointError,
    BodyTooLargeError,
    InputError,
    PictureError,
    LimitError,
    OverloadedError,
    RateLimitedError,
    CheckpointError,
    DrainingError,
    DeadlineError,
)


@router.post(
    "/predict",
    responses=REFUSALS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": inlined_schema(PredictRequest)}},
        }
    },
)
async def predict(
    prepared: PreparedDep, predictor: PredictorDep, request: Request
) -> PredictResponse:
    """Cast noisy votes on the inputs and answer with their mode, counts and statistics."""
    return await unless_client_leaves(request, predictor.answer(prepared))
