"""The body of a prediction: read within its limits, and prepared."""

import time
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request

from noisevote.models.errors import DeadlineError
from noisevote.service.prediction.predictor import deadline_of
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.prediction.sizes import QUICK_S, work_s_of
from noisevote.service.service import Service
from noisevote.service.wire.bodies import Room, read_body
from noisevote.service.wire.disconnect import unless_client_leaves
from noisevote.service.wire.requests import PredictRequest

Result = TypeVar("Result")

AT_ONCE_BYTES = 64 * 1024
"""Larger bodies are parsed on a thread of their own, so that the event loop stays free."""


class PredictionBody:
    """The body of a prediction, which is read and prepared: at once, or on threads if it is much.

    Args:
        request: request whose body it is.
        service: prepares it.
        content: content of the body.
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
        card = service.predictor.checkpoint_of(asked).card
        work_s = await self._do(lambda: work_s_of(asked, card))
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


def room_in(service: Service) -> Room:
    """Return room for the body of a prediction, which is to be read and prepared inside.

    From the first byte to the finished arrays it counts among the bytes held, so that the memory
    for bodies and what they are parsed into stays bounded whatever arrives.

    Raises:
        DrainingError: the process has been told to stop.
    """
    service.refuse_if_draining()
    return service.bodies.room()


async def body_of(request: Request, service: Service, room: Room) -> PredictionBody:
    """Read the body of a prediction.

    Raises:
        BodyTooLargeError: it is longer than the limit; no more than that is kept.
        OverloadedError: too many bodies are held.
        ClientDisconnect: the client left before the end of the body.
    """
    began = time.monotonic()
    content = await read_body(request, service.settings.max_body_bytes, room)
    return PredictionBody(request, service, content, began)
