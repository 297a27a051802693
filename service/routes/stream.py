"""``POST /predict/stream``: the votes of a prediction as they are counted, then its answer.

The prediction runs in a task of its own and tells of each vote through an observer. It is cancelled
as soon as nobody waits for it: the client has left, or the process is about to stop.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from numpy.typing import NDArray
from pydantic import BaseModel

from noisevote.models.anytime import running
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.routes.predict import PREDICTION_BODY, REFUSALS, DirectRoute, prepared_of
from noisevote.service.service import Service, service_of
from noisevote.service.wire.errors import ErrorBody
from noisevote.service.wire.events import (
    KEEP_ALIVE,
    KEEP_ALIVE_S,
    EventStream,
    Listener,
    event,
    one_of_events,
)
from noisevote.service.wire.replies import PredictResponse, VotesEvent, told_counts

router = APIRouter(tags=["predictions"], route_class=DirectRoute)

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
    openapi_extra=PREDICTION_BODY,
)
async def stream_predict(request: Request) -> EventStream:
    """Cast noisy votes and send them as they are counted; the last event is the answer."""
    service = service_of(request.app)
    return await VoteStream(service, await prepared_of(request, service), request).begun()


class VoteStream:
    """The events of one prediction.

    Args:
        service: answers it.
        prepared: the request.
        request: request whose client waits.
    """

    def __init__(self, service: Service, prepared: Prepared, request: Request) -> None:
        self._asked = prepared.request
        self._request = request
        self._labels = prepared.checkpoint.card.labels
        loop = asyncio.get_running_loop()

        def observe(position: int, fell_on: int, votes: int) -> None:
            # Votes are counted on the threads of the slots; the event loop keeps their order.
            loop.call_soon_threadsafe(self._observe, position, fell_on, votes)

        self._predicting = asyncio.create_task(service.answer(prepared, observe))
        self._listener = Listener(request, service.closing, "send the request again")
        self._counted = asyncio.Event()
        self._fresh: dict[int, list[int]] = defaultdict(list)
        self._vote_counts: dict[int, NDArray[np.int64]] = defaultdict(
            lambda: np.zeros(len(self._labels), np.int64)
        )

    def _observe(self, position: int, fell_on: int, votes: int) -> None:
        """Take votes of the input at ``position`` that were counted."""
        self._fresh[position].extend([fell_on] * votes)
        self._counted.set()

    async def begun(self) -> EventStream:
        """Return the reply once there is something to send, or it has taken long.

        Raises:
            NoisevoteError: the request was refused before the first vote.
            ClientDisconnect: the client left before it.
        """
        try:
            await self._next()
            if self._predicting.done():
                self._predicting.result()
        except BaseException:
            await self._listener.stop(self._predicting)
            raise
        return EventStream(self._request, self._events())

    async def _events(self) -> AsyncGenerator[bytes, None]:
        """Yield events until the answer.

        Raises:
            NoisevoteError: the prediction failed, or the process has been told to stop.
            ClientDisconnect: the client has left.
        """
        try:
            while not self._predicting.done():
                yield await self._votes() or KEEP_ALIVE
                await self._next()
            answer = self._predicting.result()
            yield await self._votes()
            yield event("result", answer.model_dump_json().encode())
        finally:
            await self._listener.stop(self._predicting)

    async def _next(self) -> None:
        """Wait for votes, the answer or :data:`KEEP_ALIVE_S`; raise if nobody waits any more."""
        counted = asyncio.create_task(self._counted.wait())
        await self._listener.wait(KEEP_ALIVE_S, counted, self._predicting)
        counted.cancel()
        if not self._predicting.done():
            self._listener.check()

    async def _votes(self) -> bytes:
        """Return the events of all votes that have been counted since the last call."""
        fresh, self._fresh = self._fresh, defaultdict(list)
        self._counted.clear()
        bodies = await asyncio.to_thread(lambda: list(self._bodies(fresh)))
        return b"".join(event("votes", body.model_dump_json().encode()) for body in bodies)

    def _bodies(self, fresh: dict[int, list[int]]) -> Iterator[VotesEvent]:
        """Yield what is to be said of fresh votes, input by input."""
        for position, fell_on in sorted(fresh.items()):
            state = running(
                self._vote_counts[position],
                np.array(fell_on, np.int64),
                self._asked.votes,
                self._asked.alpha,
            )
            self._vote_counts[position] = counts = state.vote_counts[-1]
            mode = int(state.modes[-1])
            vote_counts, top = told_counts(counts.tolist(), self._labels)
            yield VotesEvent(
                input=position,
                fell_on=fell_on,
                vote_counts=vote_counts,
                top=top,
                votes_cast=int(counts.sum()),
                mode=mode,
                label=self._labels[mode],
                agreement=float(counts[mode] / counts.sum()),
                intervals=list(zip(state.lower.tolist(), state.upper.tolist(), strict=True)),
                is_decided=state.is_decided.tolist(),
                is_sure=state.is_sure.tolist(),
            )
