"""Bounds on what a connection may make the process hold, in bytes and in time.

Uvicorn waits for ever for the head of a request and for a reply to be read, keeps whatever comes as
head, trailers and pipelined requests, takes any number of connections, and drops the body of a
request that asks for another protocol. Bodies have bounds of their own: ``service/wire/bodies.py``.
"""

import asyncio
import json
import math
import resource
import socket
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_WITHIN_S = 10.0
"""Seconds in which the head of a request must have arrived, from the opening of the connection or
from the end of the last reply."""

WRITE_WITHIN_S = 20.0
"""Seconds for which replies may wait for a client that reads none of them."""

SLOWEST_READER = 32 * 1024
"""Bytes a second; a large reply may wait so much longer."""

UNSENT_BYTES = 16 * 1024
"""Of replies, waiting for the client to read: from then on no more is written."""

SYSTEM_BYTES = 128 * 1024
"""Of replies that the system takes over until the client reads them; by default it takes 4 MiB."""

ALL_UNSENT_BYTES = 32 * 2**20
"""Of all replies that wait for their clients to read."""

MAX_HEAD_BYTES = 16 * 1024
"""Of the request line and all headers; of all trailers; of requests that wait for the answers to
earlier ones on their connection."""

MAX_FIELDS = 100
"""Headers of a request, its trailers included: short ones take up ten times their bytes."""

MAX_PIPELINED = 8
"""Requests that wait for the answers to earlier ones on their connection."""

MAX_CONNECTIONS = 256
"""Open at the same time in a process, at most half of the files that it may open."""

SETTLED_S = 0.5
"""For which a client must have kept the service waiting before its connection may be broken off for
another one."""

LINGER_S = 5.0
LINGER_BYTES = 4 * 2**20
"""How long and how far a client is read that has been refused: closing at once would reset the
connection, and what it was told would be lost."""

LOOKS_EVERY_S = 1.0

GRACE_S = 20
"""Seconds that open requests have when the server is told to stop; then they are broken off.
Containers are given 30 before they are killed."""

CONNECTION_FIELDS = {b"connection", b"upgrade", b"http2-settings"}
"""Headers of a request for another protocol, which may be ignored: RFC 9110, section 7.8."""


class RefusedRequestError(Exception):
    """The parser must stop: what comes is refused.

    Args:
        status: of the reply.
        message: says what is allowed.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection, within all bounds.

    Attributes:
        head_within_s: as :data:`HEAD_WITHIN_S`.
        write_within_s: as :data:`WRITE_WITHIN_S`.
        looks_every_s: seconds between two looks at the clock.
    """

    head_within_s = HEAD_WITHIN_S
    write_within_s = WRITE_WITHIN_S
    looks_every_s = LOOKS_EVERY_S
    _looked_at_all = -math.inf  # one connection of the process looks at all of them

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._heard = self._idle_since = self.loop.time()
        self._unsent_since: float | None = None
        self._unsent_until = 0.0
        self._is_in_lines = False  # of a head, or of what stands between chunks and behind them
        self._line_bytes = self._raw_line_bytes = self._fields = self._queued_bytes = 0
        self._cycle_before: Any = None
        self._running: Any = None
        self._is_over = False
        self._discarded = 0
        self._looking: asyncio.TimerHandle | None = None

    @property
    def waits_since(self) -> float | None:
        """Since when only its client can go on with this connection; None if the service can."""
        if self._unsent_since is not None:
            return self._unsent_since
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return self._heard
        return None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, if there is room for a connection."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(UNSENT_BYTES)
        if (line := transport.get_extra_info("socket")) is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BYTES)
        self._looking = self.loop.call_later(self.looks_every_s, self._look)
        if len(self.connections) > most_connections() and self._break_off(self._others()) is None:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open")

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        if self._looking is not None:
            self._looking.cancel()
        self._is_over = True
        self._leave_running()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of requests; after a refusal they are read and dropped for a while."""
        self._heard = self.loop.time()
        self._unset_keepalive_if_required()
        if self._is_over:
            self._discard(len(data))
            return
        was_in_lines = self._is_in_lines
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse_for(error)
        if was_in_lines and self._is_in_lines and not self._is_over:
            self._raw_line_bytes += len(data)
            if self._raw_line_bytes > MAX_HEAD_BYTES:
                self._refuse_for(too_long())

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._is_in_lines = True
        self._line_bytes = self._raw_line_bytes = self._fields = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._fields += 1
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head, and run the request or let it wait for its turn."""
        self._is_in_lines = False
        if self.parser.should_upgrade():
            return  # data_received has its turn
        if self.cycle is None or self.cycle.response_complete:
            self._queued_bytes = 0
        else:
            self._queue(self._line_bytes)
        self._cycle_before = self.cycle
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Begin a chunk, or the trailers."""
        self._is_in_lines = True

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._is_in_lines = False
        self._raw_line_bytes = 0
        if self.pipeline:
            self._queue(len(body), requests=0)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._is_in_lines = False
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """End a reply, and wait for the next head unless it is there."""
        super().on_response_complete()
        self._idle_since = self.loop.time()

    def pause_writing(self) -> None:
        """Hear that the client does not read as fast as is written."""
        super().pause_writing()
        self._note_unsent()

    def resume_writing(self) -> None:
        """Hear that the client reads."""
        super().resume_writing()
        self._unsent_since = None

    def _count(self, size: int) -> None:
        """Count bytes of head or trailers.

        Raises:
            RefusedRequestError: there are too many.
        """
        self._line_bytes += size
        if self._line_bytes > MAX_HEAD_BYTES or self._fields > MAX_FIELDS:
            raise too_long()

    def _queue(self, size: int, requests: int = 1) -> None:
        """Count what waits for the answers to earlier requests.

        Raises:
            RefusedRequestError: it is too much.
        """
        self._queued_bytes += size
        if len(self.pipeline) + requests > MAX_PIPELINED or self._queued_bytes > MAX_HEAD_BYTES:
            raise RefusedRequestError(HTTPStatus.TOO_MANY_REQUESTS, "too much waits for its turn")

    def _look(self) -> None:
        """Look whether a time is up."""
        now = self.loop.time()
        if now - self._looked_at_all > self.looks_every_s:
            self._look_at_all()
        self._looking = self.loop.call_later(self.looks_every_s, self._look)
        if not self.transport.get_write_buffer_size():
            self._unsent_since = None
        elif self._unsent_since is None:
            self._note_unsent()
        elif now > self._unsent_until:
            self._abort()
        is_idle = self.cycle is None or self.cycle.response_complete
        within_s = LINGER_S if self._is_over else self.head_within_s
        if is_idle and now - self._idle_since > within_s:
            self.transport.close()

    def _look_at_all(self) -> None:
        """Break off the connections that have waited longest if all together wait for too much."""
        BoundedHttpProtocol._looked_at_all = self.loop.time()
        sizes = {other: other.transport.get_write_buffer_size() for other in self._others()}
        while sum(sizes.values()) > ALL_UNSENT_BYTES:
            slowest = self._break_off({other for other, size in sizes.items() if size})
            if slowest is None:
                return
            del sizes[slowest]

    def _note_unsent(self) -> None:
        """Begin to wait for the client to read."""
        if self._unsent_since is None:
            self._unsent_since = self.loop.time()
            size = self.transport.get_write_buffer_size()
            self._unsent_until = self._unsent_since + self.write_within_s + size / SLOWEST_READER

    def _abort(self) -> None:
        """Break the connection off."""
        self.connections.discard(self)
        self._is_over = True
        self._leave_running()
        self.transport.abort()

    def _leave_running(self) -> None:
        """Tell the request that runs that its client is gone, and run none that waits."""
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Run a request; with pipelining it need not be the last one that came."""
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _others(self) -> set["BoundedHttpProtocol"]:
        """Return all other connections of the process."""
        return {
            other
            for other in self.connections
            if isinstance(other, BoundedHttpProtocol) and other is not self
        }

    def _break_off(self, others: set["BoundedHttpProtocol"]) -> "BoundedHttpProtocol | None":
        """Break off the one whose client has kept the service waiting longest, and return it."""
        before = self.loop.time() - SETTLED_S
        waiting = {
            since: other
            for other in others
            if (since := other.waits_since) is not None and since < before
        }
        if not waiting:
            return None
        slowest = waiting[min(waiting)]
        slowest._abort()
        return slowest

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read a request again without its wish for another protocol.

        The parser takes all behind such a head for the other protocol.

        Args:
            rest: what has come behind the head.
        """
        method = self.scope["method"] = self.parser.get_method().decode("ascii")
        if method == "CONNECT":
            self._refuse(HTTPStatus.BAD_REQUEST, "CONNECT is for proxies; this is none")
            return
        head = plain_head(method.encode(), self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(head + rest)

    def _refuse_for(self, error: Exception) -> None:
        """Refuse what the parser has stumbled over."""
        cause = error.__context__ if isinstance(error, httptools.HttpParserError) else error
        if isinstance(cause, RefusedRequestError):
            self._refuse(cause.status, str(cause))
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, "what was sent is no valid HTTP request")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Parse nothing more, and say why unless a reply is under way, which ends then."""
        self._is_over = True
        self._idle_since = self.loop.time()
        if self.pipeline and self.cycle.more_body:  # it will never be whole
            self.pipeline.popleft()
            self.cycle = self._cycle_before
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self.pipeline or cycle.response_started or not cycle.more_body:
                cycle.keep_alive = False
                return
            cycle.disconnected = cycle.response_complete = True
            cycle.message_event.set()
        if not self.transport.is_closing():
            self.transport.write(refusal(status, message))
            if self.transport.can_write_eof():
                self.transport.write_eof()

    def _discard(self, size: int) -> None:
        """Count what comes after a refusal."""
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self.transport.close()


def too_long() -> RefusedRequestError:
    """Return the refusal of a head or of trailers."""
    message = (
        f"the request line and headers, or the trailers, are longer than the allowed "
        f"{MAX_HEAD_BYTES} bytes, or more than {MAX_FIELDS}"
    )
    return RefusedRequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, message)


def most_connections() -> int:
    """Return how many connections may be open in a process."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, files // 2)


def plain_head(
    method: bytes, url: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """Return the head of a request that asks for no other protocol."""
    tokens = [value.lower() for name, value in headers if name == b"connection"]
    kept = [pair for pair in headers if pair[0] not in CONNECTION_FIELDS]
    if any(b"close" in value for value in tokens):
        kept.append((b"connection", b"close"))
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    lines += [b"%s: %s" % pair for pair in kept]
    return b"\r\n".join([*lines, b"", b""])


def refusal(status: HTTPStatus, message: str) -> bytes:
    """Return a whole reply in the shape of all errors; the connection is closed after it."""
    request_id, code = uuid.uuid4().hex, status.phrase.lower().replace(" ", "_")
    error = {"code": code, "message": message, "request_id": request_id}
    body = json.dumps({"error": error}).encode()
    head = (
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[status] + head.encode() + body


BOUNDS: dict[str, Any] = {
    "http": BoundedHttpProtocol,
    "ws": "none",  # no route speaks it: such a request is answered as if it did not ask
    "proxy_headers": False,  # the settings say whom to believe
    "timeout_graceful_shutdown": GRACE_S,
    "timeout_worker_healthcheck": 30,  # a worker that is busy is not dead
}
"""Options of ``uvicorn.run``."""
