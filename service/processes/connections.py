"""Bounds on what a connection may make the process hold.

Uvicorn keeps whatever comes as head, trailers and pipelined requests, takes any number of
connections, and drops the body of a request that asks for another protocol. h11 and granian bound
heads and trailers, take 1.2 to 1.5 times the CPU time for a short reply, and wait for ever for a
client that does not read, as uvicorn does: ``service/processes/waiting.py``. Bodies have bounds of
their own: ``service/wire/bodies.py``.
"""

import asyncio
import json
import math
import resource
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from noisevote.service.processes.waiting import GRACE_S, PatientHttpProtocol

MAX_HEAD_BYTES = 16 * 1024
"""Of the request line and all headers; of all trailers; of requests that wait for the answers to
earlier ones on their connection."""

MAX_FIELDS = 100
"""Headers of a request, its trailers included: short ones take up ten times their bytes."""

MAX_PIPELINED = 8
"""Requests that wait for the answers to earlier ones on their connection."""

MAX_CONNECTIONS = "max_connections"
"""Under which the state of the app's lifespan holds how many connections it wants at most."""

LINGER_BYTES = 4 * 2**20
"""How far a client is read that has been refused."""

CONNECTION_FIELDS = {b"connection", b"upgrade", b"http2-settings"}
"""Headers of a request for another protocol, which may be ignored: RFC 9110, section 7.8."""


class RefusedRequestError(Exception):
    """The parser must stop: what comes is refused.

    Args:
        status: status of the reply.
        message: says what is allowed.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class BoundedHttpProtocol(PatientHttpProtocol):
    """One connection, within all bounds."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_in_lines = False  # of a head, or of what stands between chunks and behind them
        self._line_bytes = self._raw_line_bytes = self._fields = self._queued_bytes = 0
        self._cycle_before: Any = None
        self._discarded = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, if there is room for a connection."""
        super().connection_made(transport)
        wanted = self.app_state.get(MAX_CONNECTIONS, math.inf)
        if len(self.connections) > most_connections(wanted) and not self.make_room():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open")

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
        self._line_bytes += len(url)
        if self._line_bytes > MAX_HEAD_BYTES:
            raise too_long()
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._fields += 1
        self._line_bytes += len(name) + len(value)
        if self._line_bytes > MAX_HEAD_BYTES or self._fields > MAX_FIELDS:
            raise too_long()
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

    def _queue(self, size: int, requests: int = 1) -> None:
        """Count what waits for the answers to earlier requests.

        Raises:
            RefusedRequestError: it is too much.
        """
        self._queued_bytes += size
        if len(self.pipeline) + requests > MAX_PIPELINED or self._queued_bytes > MAX_HEAD_BYTES:
            raise RefusedRequestError(HTTPStatus.TOO_MANY_REQUESTS, "too much waits for its turn")

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


def most_connections(wanted: float) -> float:
    """Return how many connections may be open: each is a file, and others are needed, too."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else min(wanted, files // 2)


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
    "timeout_worker_healthcheck": 120,  # a worker that is busy, or still imports, is not dead
}
"""Options of ``uvicorn.run``."""
