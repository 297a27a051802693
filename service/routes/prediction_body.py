"""The service that a request is for, and its body, read and prepared within its limits."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from noisevote.models.errors import DeadlineError
from noisevote.service.prediction.predictor import Prepared, deadline_of
from noisevote.service.prediction.sizes import QUICK_S, work_s_of
from noisevote.service.service import Service, service_of
from noisevote.service.wire.bodies import read_body
from noisevote.service.wire.disconnect import unless_client_leaves
from noisevote.service.wire.errors import DrainingError
from noisevote.service.wire.requests import PredictRequest

Result = TypeVar("Result")

AT_ONCE_BYTES = 64 * 1024
"""Larger bodies are parsed on a thread of their own, so that the event loop stays free."""


async def requested(request: Request) -> Service:
    """Return the app's service; asynchronous, since FastAPI hands others to a thread."""
    return service_of(request.app)


ServiceDep = Annotated[Service, Depends(requested)]


def refuse_if_draining(service: Service) -> None:
    """Refuse new work of a process that has been told to stop.

    Raises:
        DrainingError: it has.
    """
    if service.closing.is_set():
        raise DrainingError("the service is shutting down; send the request again")


class PredictionBody:
    """The body of a prediction, which is read and prepared: at once, or on threads if it is much.

    Args:
        request: whose body it is.
        service: prepares it.
        content: of the body.
        began: when it began to arrive, by ``time.monotonic``.
    """

    def __init__(
        self, request: Request, service: Service, content: bytearray, began: float
    ) -> None:
        self._request = request
        self._service = service
        self._content = content
        self._began = began

    async def read(self, read: Callable[[bytearray], Result]) -> Result:
        """Return what the content says.

        Raises:
            NotJsonError: it is not JSON, or nested too deeply.
            InputError: a field is unknown or out of range.
            ClientDisconnect: the client left before it was read.
        """
        return await self._do(lambda: read(self._content))

    async def prepare(self, asked: PredictRequest) -> Prepared:
        """Return a request that was read as arrays.

        Raises:
            NoisevoteError: it cannot be answered; see ``models.errors``.
            ClientDisconnect: the client left before its turn.
        """
        service, began = self._service, self._began
        work_s = await self._do(lambda: work_s_of(asked))
        if self._is_large and time.monotonic() > deadline_of(asked, began):
            raise DeadlineError("the time was up before the body was read")
        if work_s <= QUICK_S or (self._is_large and asked.inputs is not None):
            return await self._do(lambda: service.predictor.prepare(asked, began))
        return await unless_client_leaves(self._request, service.prepare(asked, work_s, began))

    @property
    def _is_large(self) -> bool:
        return len(self._content) > AT_ONCE_BYTES

    async def _do(self, work: Callable[[], Result]) -> Result:
        if self._is_large:
            reading = self._service.predictor.backend.run(work)
            return await unless_client_leaves(self._request, reading)
        return work()


@asynccontextmanager
async def body_of(request: Request, service: Service) -> AsyncIterator[PredictionBody]:
    """Read the body of a prediction; it is to be prepared inside the block.

    From the first byte to the finished arrays it counts among the bytes held, so that the memory
    for bodies and what they are parsed into stays bounded whatever arrives.

    Raises:
        DrainingError: the process has been told to stop.
        BodyTooLargeError: it is longer than the limit; no more than that is kept.
        OverloadedError: too many bodies are held.
        ClientDisconnect: the client left before the end of the body.
    """
    refuse_if_draining(service)
    began = time.monotonic()
    with service.bodies.room() as room:
        content = await read_body(request, service.settings.max_body_bytes, room)
        yield PredictionBody(request, service, content, began)
