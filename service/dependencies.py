"""What routes ask for: the predictor, and a body that is read within its limits."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from service.errors import BodyTooLargeError, DrainingError
from service.parsing import parse
from service.predictor import Predictor
from service.schemas import PredictRequest

PARSED_ON_A_SLOT_BYTES = 64 * 1024
"""Larger bodies are parsed on a slot, so that the event loop stays free."""

Result = TypeVar("Result")


def predictor_of(request: Request) -> Predictor:
    """Return the app's predictor."""
    predictor: Predictor = request.app.state.predictor
    return predictor


PredictorDep = Annotated[Predictor, Depends(predictor_of)]


async def predict_request_of(request: Request, predictor: PredictorDep) -> PredictRequest:
    """Read and validate the body of a prediction.

    Raises:
        DrainingError: the process has been told to stop.
        BodyTooLargeError: it is longer than the limit; no more than that is kept.
        ClientDisconnect: the client left before the end of the body.
        NotJsonError: it is not JSON, or nested too deeply.
        InputError: a field is unknown or out of range.
    """
    if request.app.state.closing.is_set():
        raise DrainingError("the service is shutting down; send the request again")
    body = await read_body(request, predictor.settings.max_body_bytes)
    if len(body) <= PARSED_ON_A_SLOT_BYTES:
        return parse(body)
    return await predictor.backend.run(lambda: parse(body))


PredictRequestDep = Annotated[PredictRequest, Depends(predict_request_of)]


async def read_body(request: Request, limit: int) -> bytearray:
    """Return the request's body, reading no further than the part that exceeds ``limit`` bytes."""
    too_large = BodyTooLargeError(f"the body is longer than the allowed {limit} bytes")
    promised = request.headers.get("content-length", "")
    if promised.isdecimal() and int(promised[:20]) > limit:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        if len(body) + len(part) > limit:
            raise too_large
        body += part
    return body


async def unless_client_leaves(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of ``work``; it is cancelled as soon as nobody waits for it any more.

    Args:
        request: whose body has been read.
        work: what its client waits for.

    Raises:
        ClientDisconnect: the client left before the result was there.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(client_leaves(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def client_leaves(request: Request) -> None:
    """Return once the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
