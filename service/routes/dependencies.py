"""What routes ask for: the predictor, and a body that is read and prepared within its limits."""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from models.errors import DeadlineError
from service.prediction.predictor import Predictor, Prepared, deadline_of
from service.prediction.sizes import QUICK_S, work_s_of
from service.wire.bodies import HeldBytes, read_body
from service.wire.disconnect import unless_client_leaves
from service.wire.errors import DrainingError
from service.wire.parsing import parse
from service.wire.requests import PredictRequest

PREPARED_AT_ONCE_BYTES = 64 * 1024
"""Larger bodies are parsed on a thread of their own, so that the event loop stays free."""


async def predictor_of(request: Request) -> Predictor:
    """Return the app's predictor; asynchronous, since FastAPI hands others to a thread."""
    predictor: Predictor = request.app.state.predictor
    return predictor


PredictorDep = Annotated[Predictor, Depends(predictor_of)]


async def prepared_from(
    request: Request, predictor: Predictor, read: Callable[[bytearray], PredictRequest]
) -> Prepared:
    """Read, validate and prepare the body of a prediction.

    From the first byte to the finished arrays it counts among the bytes held, so that the memory
    for bodies and what they are parsed into stays bounded whatever arrives.

    Args:
        request: whose body nobody has read.
        predictor: prepares it.
        read: makes a request of a body.

    Raises:
        DrainingError: the process has been told to stop.
        BodyTooLargeError: it is longer than the limit; no more than that is kept.
        OverloadedError: too many bodies are held.
        ClientDisconnect: the client left before the end of the body.
        NotJsonError: it is not JSON, or nested too deeply.
        NoisevoteError: the request cannot be answered; see ``models.errors``.
    """
    if request.app.state.closing.is_set():
        raise DrainingError("the service is shutting down; send the request again")
    began = time.monotonic()
    held: HeldBytes = request.app.state.held_bytes
    with held.room() as room:
        body = await read_body(request, predictor.settings.max_body_bytes, room)
        if len(body) <= PREPARED_AT_ONCE_BYTES:
            asked = read(body)
            if (work_s := work_s_of(asked)) <= QUICK_S:
                return predictor.prepare(asked, began)
            preparing = predictor.prepared(asked, work_s, began)
        else:
            preparing = prepared_apart(lambda: read(body), predictor, began)
        return await unless_client_leaves(request, preparing)


async def prepared_apart(
    read: Callable[[], PredictRequest], predictor: Predictor, began: float
) -> Prepared:
    """Read and prepare a large body off the event loop; see :func:`prepared_from`."""

    def read_and_judge() -> tuple[PredictRequest, float]:
        asked = read()
        return asked, work_s_of(asked)

    asked, work_s = await predictor.backend.run(read_and_judge)
    if time.monotonic() > deadline_of(asked, began):
        raise DeadlineError("the time was up before the body was read")
    if asked.inputs is None:
        return await predictor.prepared(asked, work_s, began)
    return await predictor.backend.run(lambda: predictor.prepare(asked, began))


async def prepared_of(request: Request, predictor: PredictorDep) -> Prepared:
    """Prepare the body of ``/predict``; see :func:`prepared_from`."""
    return await prepared_from(request, predictor, parse)


PreparedDep = Annotated[Prepared, Depends(prepared_of)]
