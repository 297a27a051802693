"""Bodies of requests, read within limits: each alone, and all that are held at the same time."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from models.errors import OverloadedError
from service.wire.errors import BodyTimeoutError, BodyTooLargeError

BYTES_A_REQUEST = 16 * 1024
"""Taken up by a request beside its body, while it is read and prepared."""

BODY_WITHIN_S = 30.0
"""Seconds that the largest body takes at 2 Mbit/s."""

RETRY_AFTER_S = 1.0
"""Bodies are read and prepared in well under this."""


class HeldBytes:
    """Counts the bytes of all bodies that are being read and prepared.

    Args:
        limit: no more than this is held; what would exceed it is refused.
        within_s: seconds in which each must have arrived; a slow one keeps others out.
    """

    def __init__(self, limit: int, within_s: float = BODY_WITHIN_S) -> None:
        self.within_s = within_s
        self._limit = limit
        self._held = 0

    @contextmanager
    def room(self) -> Iterator["Room"]:
        """Give room to one body; it is free again at the end of the block."""
        room = Room(self)
        try:
            room.add(BYTES_A_REQUEST)
            yield room
        finally:
            self._held -= room.size

    def take(self, size: int) -> None:
        """Count bytes.

        Raises:
            OverloadedError: they would exceed the limit.
        """
        if self._held + size > self._limit:
            raise OverloadedError("too many bodies are being read", RETRY_AFTER_S)
        self._held += size


class Room:
    """What one body takes up.

    Attributes:
        size: in bytes.
        within_s: seconds in which the body must have arrived.
    """

    def __init__(self, held: HeldBytes) -> None:
        self._held = held
        self.within_s = held.within_s
        self.size = 0

    def add(self, size: int) -> None:
        """Take up more bytes.

        Raises:
            OverloadedError: there is no room for them.
        """
        self._held.take(size)
        self.size += size


async def read_body(request: Request, limit: int, room: Room) -> bytearray:
    """Return the request's body, reading no further than the part that exceeds a limit.

    Args:
        request: whose body nobody has read.
        limit: of this body, in bytes.
        room: for this body among all.

    Raises:
        BodyTooLargeError: it is longer than ``limit``.
        BodyTimeoutError: it did not arrive in time.
        OverloadedError: too much is held already.
        ClientDisconnect: the client left before the end of the body.
    """
    too_large = BodyTooLargeError(f"the body is longer than the allowed {limit} bytes")
    promised = request.headers.get("content-length", "")
    if promised.isdecimal() and int(promised[:20]) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(room.within_s):
            async for part in request.stream():
                if len(body) + len(part) > limit:
                    raise too_large
                room.add(len(part))
                body += part
    except TimeoutError:
        raise BodyTimeoutError(
            f"the body did not arrive within {room.within_s:g} s; {len(body)} bytes of it did"
        ) from None
    return body
