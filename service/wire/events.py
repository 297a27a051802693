"""Server-sent events: how they look on the wire, a reply that consists of them.

Source: WHATWG HTML, section 9.2, "Server-sent events".
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from noisevote.models.errors import NoisevoteError
from noisevote.service.wire.errors import on_client_left, on_noisevote_error, on_unexpected
from noisevote.service.wire.requests import inlined_schema

KEEP_ALIVE = b":\n\n"
"""A comment; proxies close connections on which nothing happens."""

KEEP_ALIVE_S = 10.0
"""Seconds without an event after which a comment is sent."""

UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Keeps proxies from holding events back."""


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
            "event": {"const": name, "description": "Name of the event."},
            "data": {
                "type": "string",
                "description": "What the event tells, as JSON text.",
                "contentMediaType": "application/json",
                "contentSchema": inlined_schema(data),
            },
        },
    }


async def ending_with_errors(
    request: Request, events: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """Yield events; what goes wrong while they are made is logged and is the last event.

    A client that has left is told nothing.
    """
    try:
        async with aclosing(events):
            async for one in events:
                yield one
    except ClientDisconnect as error:
        await on_client_left(request, error)
    except NoisevoteError as error:
        yield event("error", bytes((await on_noisevote_error(request, error)).body))
    except Exception as error:  # noqa: BLE001 - logged, and answered without its insides
        yield event("error", bytes((await on_unexpected(request, error)).body))


class EventStream(StreamingResponse):
    """A reply of events; whoever makes them also listens for the client to leave.

    Args:
        request: that is answered.
        events: closed when the reply ends, however it ends.
        held: closed then, too.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        request: Request,
        events: AsyncGenerator[bytes, None],
        held: ExitStack | None = None,
    ) -> None:
        self._held = held or ExitStack()
        self._events = ending_with_errors(request, events)
        super().__init__(self._events, headers=UNBUFFERED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the events."""
        try:
            with self._held:
                await self.stream_response(send)
        except OSError as error:
            raise ClientDisconnect from error
        finally:
            await self._events.aclose()
