"""Server-sent events as clients receive them, until the service ends the stream."""

import json
from collections.abc import AsyncGenerator, Iterator

import httpx

from service.client.exchange import ServiceError, broken_off

Event = tuple[str, str]
"""Name and data."""


class EventReader:
    """Reads the lines of a stream one by one."""

    def __init__(self) -> None:
        self._name = ""

    def take(self, line: str) -> Event | None:
        """Return the event that a line completes, if it does.

        Raises:
            ServiceError: the event is an error.
        """
        field, _, value = line.partition(": ")
        if field == "event":
            self._name = value
        if field != "data":
            return None
        if self._name == "error":
            detail = json.loads(value)["error"]
            raise ServiceError(detail["message"], None, detail)
        return self._name, value


def events_of(response: httpx.Response) -> Iterator[Event]:
    """Yield the events of a reply, and close it.

    Raises:
        ServiceError: one of them is an error, or the stream broke off.
    """
    reader = EventReader()
    try:
        for line in response.iter_lines():
            if (event := reader.take(line)) is not None:
                yield event
    except httpx.TransportError as error:
        raise broken_off(error) from error
    finally:
        response.close()


async def events_of_async(response: httpx.Response) -> AsyncGenerator[Event]:
    """Yield the events of a reply; see :func:`events_of`."""
    reader = EventReader()
    try:
        async for line in response.aiter_lines():
            if (event := reader.take(line)) is not None:
                yield event
    except httpx.TransportError as error:
        raise broken_off(error) from error
    finally:
        await response.aclose()
