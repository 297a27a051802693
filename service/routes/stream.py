"""``POST /predict/stream``: the votes of a prediction as they are counted, then its answer."""

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from service.prediction.streaming import VoteStream
from service.routes.dependencies import PredictorDep, PreparedDep
from service.routes.predict import REFUSALS
from service.wire.errors import ErrorBody
from service.wire.events import EventStream, one_of_events
from service.wire.replies import PredictResponse, VotesEvent
from service.wire.requests import PredictRequest, inlined_schema

router = APIRouter(tags=["predictions"])

DESCRIPTION = """
The same request as for `/predict`, answered by server-sent events:

* `votes`: further votes of one input were counted; the data are a `VotesEvent`. Votes come in vote
  order, several in an event when they were computed together.
* `result`: the body that `/predict` would have answered with; the last event.
* `error`: instead of `result`, if something went wrong after the first event: the body of an error.

Lines that start with a colon keep the connection open and mean nothing. Errors before the first
event have a status of their own, as with `/predict`.
"""

EVENTS: dict[str, type[BaseModel]] = {
    "votes": VotesEvent,
    "result": PredictResponse,
    "error": ErrorBody,
}


@router.post(
    "/predict/stream",
    response_class=StreamingResponse,
    description=DESCRIPTION,
    responses={
        200: {
            "description": "Server-sent events; this is one of them.",
            "content": {"text/event-stream": {"schema": one_of_events(EVENTS)}},
        },
        **REFUSALS,
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": inlined_schema(PredictRequest)}},
        }
    },
)
async def stream_predict(
    prepared: PreparedDep, predictor: PredictorDep, request: Request
) -> EventStream:
    """Cast noisy votes and send them as they are counted; the last event is the answer."""
    return await VoteStream(predictor, prepared, request, request.app.state.closing).begun()
