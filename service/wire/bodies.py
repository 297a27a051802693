"""Bodies of requests, read within limits: each alone, and all that are held at the same time."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from noisevote.models.errors import OverloadedError
from noisevote.service.log.request_record import RequestRecord, current_record
from noisevote.service.wire.errors import (
    IDENTITY,
    BodyTimeoutError,
    BodyTooLargeError,
    UnsupportedMediaError,
)
from noisevote.service.wire.parsing import whole_number
from noisevote.service.wire.shortened import shortened

JSON_TYPES = ("application/json", "application/octet-stream")
"""Of bodies; the second is JSON and tensors. A page may send others to a foreign service without
asking it first."""

BYTES_A_REQUEST = 16 * 1024
"""Taken up by a request beside its body, while it is read and prepared."""

BODY_WITHIN_S = 30.0
"""Seconds that the largest body takes at 2 Mbit/s."""

LINGER_S = 5.0
LINGER_BYTES = 32 * 2**20
"""How long and how far a body is read on after a refusal."""

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

    def room(self) -> "Room":
        """Return room for one body; it is taken inside a ``with`` block."""
        return Room(self)

    def take(self, size: int) -> None:
        """Count bytes.

        Raises:
            OverloadedError: they would exceed the limit.
        """
        if self._held + size > self._limit:
            raise OverloadedError("too many bodies are being read", RETRY_AFTER_S)
        self._held += size

    def free(self, size: int) -> None:
        """Count bytes no more."""
        self._held -= size


class Room:
    """What one body takes up inside a ``with`` block.

    Attributes:
        size: size in bytes.
        within_s: seconds in which the body must have arrived.
    """

    def __init__(self, held: HeldBytes) -> None:
        self._held = held
        self.within_s = held.within_s
        self.size = 0

    def __enter__(self) -> "Room":
        """Take up what a request does beside its body.

        Raises:
            OverloadedError: there is no room for it.
        """
        self.add(BYTES_A_REQUEST)
        return self

    def __exit__(self, *_: object) -> None:
        """Give all of it back."""
        self._held.free(self.size)

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
        request: request whose body nobody has read.
        limit: limit of this body, in bytes.
        room: room for this body among all.

    Raises:
        UnsupportedMediaError: it is compressed, or said to be no JSON.
        BodyTooLargeError: it is longer than ``limit``.
        BodyTimeoutError: it did not arrive in time.
        OverloadedError: too much is held already.
        ClientDisconnect: the client left before the end of the body.
    """
    too_large = BodyTooLargeError(f"the body is longer than the allowed {limit} bytes")
    refuse_other_media(request)
    promised = request.headers.get("content-length", "0")
    if whole_number(promised, limit) is None:
        raise too_large
    body, record = bytearray(), current_record()
    try:
        async with asyncio.timeout(room.within_s):
            while not record.has_read_body:
                part = await next_part(request.receive, record)
                if len(body) + len(part) > limit:
                    raise too_large
                room.add(len(part))
                body += part
    except TimeoutError:
        raise BodyTimeoutError(
            f"the body did not arrive within {room.within_s:g} s; {len(body)} bytes of it did"
        ) from None
    return body


async def next_part(receive: Receive, record: RequestRecord) -> bytes:
    """Return the next part of a body, and note whether it is the last one.

    Raises:
        ClientDisconnect: the client left before the end of the body.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    record.has_read_body = not message.get("more_body", False)
    part: bytes = message.get("body", b"")
    return part


async def is_still_sent(scope: Scope, receive: Receive) -> bool:
    """Return whether more is to come of a body whose request is refused; what is there is dropped.

    The connection of such a request must take no other one: its client would send that as soon as
    it has the reply, behind a body that nobody wanted.
    """
    headers, record = Headers(scope=scope), current_record()
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    if record.has_read_body or not has_body or "expect" in headers:
        return False
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            record.has_read_body = not (await receive()).get("more_body", False)
    return not record.has_read_body


async def read_on(receive: Receive) -> None:
    """Read and drop what is left of a body whose request was refused, for a while.

    A connection that is closed before is reset, and the client that still sends never sees why.
    """
    left = LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while left > 0:
                message = await receive()
                if not message.get("more_body", False):
                    return
                left -= len(message["body"])


def refuse_other_media(request: Request) -> None:
    """Refuse a body that would have to be unpacked, or that is said to be no JSON.

    Raises:
        UnsupportedMediaError: it is such a body.
    """
    encoding = request.headers.get("content-encoding", IDENTITY)
    if encoding.lower() != IDENTITY:
        raise UnsupportedMediaError(
            f"the body is compressed ({shortened(encoding)}); send it as it is"
        )
    media = request.headers.get("content-type", JSON_TYPES[0])
    if media.split(";")[0].strip().lower() not in JSON_TYPES:
        raise UnsupportedMediaError(f"the body is {shortened(media)}; send JSON as {JSON_TYPES[0]}")
