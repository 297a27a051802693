"""``POST /predict``."""

from fastapi import APIRouter

from service.dependencies import PredictorDep, PredictRequestDep
from service.errors import ErrorBody
from service.schemas import PredictRequest, PredictResponse, inlined_schema

router = APIRouter(tags=["predictions"])

REFUSALS: dict[int | str, dict[str, object]] = {
    400: {"model": ErrorBody, "description": "The body is not JSON."},
    404: {"model": ErrorBody, "description": "No such checkpoint."},
    413: {"model": ErrorBody, "description": "The body is too large."},
    422: {"model": ErrorBody, "description": "A field is wrong; the message says what is allowed."},
    503: {"model": ErrorBody, "description": "The checkpoint's files are damaged."},
}


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
async def predict(request: PredictRequestDep, predictor: PredictorDep) -> PredictResponse:
    """Cast noisy votes on the inputs and answer with their mode, counts and statistics."""
    return await predictor.predict(request)
