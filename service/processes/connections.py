"""Bounds on connections that uvicorn does not set itself.

Uvicorn waits for ever for the head of a request, takes one of any length, and waits for ever for
open replies when it is told to stop. Bodies have bounds of their own: ``service/wire/bodies.py``.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN_S = 10.0
"""Seconds in which the head of a request must have arrived, from the opening of the connection or
from the first byte after the last reply."""

MAX_HEAD_BYTES = 64 * 1024
"""Of the request line and all headers."""

GRACE_S = 20
"""Seconds that open requests have when the server is told to stop; then they are broken off.
Containers are given 30 before they are killed."""

TOO_LONG = b"the request line and headers are longer than the allowed %d bytes" % MAX_HEAD_BYTES


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes connections on which the head of a request is slow or long.

    Attributes:
        head_within_s: as :data:`HEAD_WITHIN_S`.
    """

    head_within_s = HEAD_WITHIN_S

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes = 0
        self._in_head = False
        self._closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a head that is not complete are counted."""
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_head()
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(
                    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"
                    b"content-type: text/plain\r\ncontent-length: %d\r\n\r\n"
                    % len(TOO_LONG)
                    + TOO_LONG
                )
                self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._in_head = False
        self._head_is_there()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        if self._closing is None:
            self._closing = self.loop.call_later(self.head_within_s, self.transport.close)

    def _head_is_there(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None


BOUNDS: dict[str, Any] = {
    "http": BoundedHttpProtocol,
    "timeout_graceful_shutdown": GRACE_S,
    "timeout_worker_healthcheck": 30,  # a worker that is busy is not dead
}
"""Options of ``uvicorn.run``."""
