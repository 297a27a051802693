"""``POST /predict``."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from noisevote.models.errors import (
    CheckpointError,
    DeadlineError,
    InputError,
    LimitError,
    NoSlotError,
    OverloadedError,
    PictureError,
    UnknownCheckpointError,
    UnknownDeviceError,
)
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.routes.prediction_body import body_of, room_in
from noisevote.service.service import Service, service_of
from noisevote.service.wire.disconnect import unless_client_leaves
from noisevote.service.wire.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    DrainingError,
    ForeignOriginError,
    NotJsonError,
    RateLimitedError,
    UnsupportedMediaError,
    responses_for,
)
from noisevote.service.wire.parsing import parse
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest, inlined_schema

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectRoute(APIRoute):
    """Hands the request to its endpoint as it is, and sends back the response that this returns.

    FastAPI would look for parameters and dependencies first, which takes longer than a vote. What
    goes wrong is answered by the handlers of the app, as on any route.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)

        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = run


router = APIRouter(tags=["predictions"], route_class=DirectRoute)

REFUSALS = responses_for(
    NotJsonError,
    UnknownCheckpointError,
    UnknownDeviceError,
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


PREDICTION_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": inlined_schema(PredictRequest)}},
    }
}


@router.post(
    "/predict", response_model=PredictResponse, responses=REFUSALS, openapi_extra=PREDICTION_BODY
)
async def predict(request: Request) -> Response:
    """Cast noisy votes on the inputs and answer with their mode, counts and statistics."""
    service = service_of(request.app)
    prepared = await prepared_of(request, service)
    answer = await unless_client_leaves(request, service.answer(prepared))
    return Response(answer.model_dump_json(), media_type="application/json")


async def prepared_of(request: Request, service: Service) -> Prepared:
    """Read and prepare the body of a prediction; see :func:`room_in`."""
    with room_in(service) as room:
        body = await body_of(request, service, room)
        return await body.prepare(await body.read(parse))
