"""Server-sent events: what they hold, how they look on the wire, a reply that consists of them.

Source: WHATWG HTML, section 9.2, "Server-sent events".
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.schemas import inlined_schema

KEEP_ALIVE = b":\n\n"
"""A comment; proxies close connections on which nothing happens."""

UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Keeps proxies from holding events back."""


class VotesEvent(BaseModel):
    """Further votes of one input were counted.

    Attributes:
        input: its position in the request.
        fell_on: class of each of these votes, in vote order.
        vote_counts: votes of each class so far.
        votes_cast: votes so far.
        mode: class with the most votes so far; of several, the lowest index.
        label: its name.
        agreement: share of the mode so far.
        intervals: after each of these votes, for the chance that one vote falls on the class that
            led then; they hold for whoever watches and stops at any time.
        is_decided: after each of these votes, whether no outcome of the votes left can change the
            mode.
    """

    input: int
    fell_on: list[int]
    vote_counts: list[int]
    votes_cast: int
    mode: int
    label: str
    agreement: float
    intervals: list[tuple[float, float]]
    is_decided: list[bool]


def event(name: str, data: bytes) -> bytes:
    """Return an event that holds JSON without line breaks."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def one_of_events(events: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the JSON schema of an event as OpenAPI describes it, its data as JSON text.

    Args:
        events: what their data are, by name.
    """
    return {"oneOf": [event_schema(name, data) for name, data in events.items()]}


def event_schema(name: str, data: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of the events of one name."""
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"const": name},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": inlined_schema(data),
            },
        },
    }


class EventStream(StreamingResponse):
    """A reply of events; whoever makes them also listens for the client to leave.

    Args:
        events: closed when the reply ends, however it ends.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(events, headers=UNBUFFERED)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the events."""
        try:
            await self.stream_response(send)
        except OSError as error:
            raise ClientDisconnect from error
        finally:
            await self._events.aclose()
