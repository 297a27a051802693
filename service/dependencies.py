"""What routes ask for: the predictor, and a body that is read within its limits."""

from typing import Annotated

from fastapi import Depends, Request
from pydantic import ValidationError

from service.errors import BodyTooLargeError, input_error_from
from service.predictor import Predictor
from service.schemas import PredictRequest

PARSED_ON_A_SLOT_BYTES = 64 * 1024
"""Larger bodies are parsed on a slot, so that the event loop stays free."""


def predictor_of(request: Request) -> Predictor:
    """Return the app's predictor."""
    predictor: Predictor = request.app.state.predictor
    return predictor


PredictorDep = Annotated[Predictor, Depends(predictor_of)]


async def predict_request_of(request: Request, predictor: PredictorDep) -> PredictRequest:
    """Read and validate the body of a prediction.

    Raises:
        BodyTooLargeError: it is longer than the limit; no more than that is kept.
        NotJsonError: it is not JSON, or nested too deeply.
        InputError: a field is unknown or out of range.
    """
    body = await read_body(request, predictor.settings.max_body_bytes)
    if len(body) <= PARSED_ON_A_SLOT_BYTES:
        return parse(body)
    return await predictor.backend.run(lambda: parse(body))


PredictRequestDep = Annotated[PredictRequest, Depends(predict_request_of)]


async def read_body(request: Request, limit: int) -> bytes:
    """Return the request's body, reading no more than ``limit`` bytes of it."""
    promised = request.headers.get("content-length", "")
    parts = []
    size = int(promised) if promised.isdecimal() and int(promised) > limit else 0
    if size <= limit:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > limit:
                break
            parts.append(part)
    if size > limit:
        raise BodyTooLargeError(f"the body is longer than the allowed {limit} bytes")
    return b"".join(parts)


def parse(body: bytes) -> PredictRequest:
    """Validate a body."""
    try:
        return PredictRequest.model_validate_json(body)
    except ValidationError as error:
        raise input_error_from(error) from None
