"""Bodies of requests, read within limits: each alone, and all that are held at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from models.errors import OverloadedError
from service.errors import BodyTooLargeError

BYTES_A_REQUEST = 16 * 1024
"""Taken up by a request beside its body, while it is read and prepared."""

RETRY_AFTER_S = 1.0
"""Bodies are read and prepared in well under this."""


class HeldBytes:
    """Counts the bytes of all bodies that are being read and prepared.

    Args:
        limit: no more than this is held; what would exceed it is refused.
    """

    def __init__(self, limit: int) -> None:
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
    """

    def __init__(self, held: HeldBytes) -> None:
        self._held = held
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
        OverloadedError: too much is held already.
        ClientDisconnect: the client left before the end of the body.
    """
    too_large = BodyTooLargeError(f"the body is longer than the allowed {limit} bytes")
    promised = request.headers.get("content-length", "")
    if promised.isdecimal() and int(promised[:20]) > limit:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        if len(body) + len(part) > limit:
            raise too_large
        room.add(len(part))
        body += part
    return body
