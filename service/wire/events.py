"""Server-sent events: how they look on the wire, a reply of them, and who still waits for it.

Source: WHATWG HTML, section 9.2, "Server-sent events".
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from noisevote.models.errors import NoisevoteError
from noisevote.service.wire.disconnect import client_leaves
from noisevote.service.wire.errors import (
    DrainingError,
    on_client_left,
    on_noisevote_error,
    on_unexpected,
)
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


class Listener:
    """Listens whether events are still waited for.

    Args:
        request: request whose client waits.
        closing: set when the process is told to stop.
        advice: what a client is told to do then.
    """

    def __init__(self, request: Request, closing: asyncio.Event, advice: str) -> None:
        self._leaving = asyncio.create_task(client_leaves(request))
        self._closing = asyncio.create_task(closing.wait())
        self._advice = advice

    async def wait(self, timeout_s: float, *news: asyncio.Future[Any]) -> None:
        """Wait for one of ``news``, for the end of all waiting, or for some time."""
        await asyncio.wait(
            {self._leaving, self._closing, *news},
            timeout=timeout_s,
            return_when=asyncio.FIRST_COMPLETED,
        )

    def check(self) -> None:
        """Return if somebody still waits.

        Raises:
            ClientDisconnect: the client has left.
            DrainingError: the process has been told to stop.
        """
        if self._leaving.done():
            raise ClientDisconnect
        if self._closing.done():
            raise DrainingError(f"the service is shutting down; {self._advice}")

    async def stop(self, *others: asyncio.Task[Any]) -> None:
        """Listen no more, and cancel other tasks, too."""
        tasks = (self._leaving, self._closing, *others)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class EventStream(StreamingResponse):
    """A reply of events; whoever makes them also listens for the client to leave.

    Args:
        request: request that is answered.
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
