"""What stands around every request: its record, its id, and who is turned away unread.

Pure ASGI: a ``BaseHTTPMiddleware`` would hide the client's disconnect.
"""

import re
import secrets
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from noisevote.models.errors import NoisevoteError, OverloadedError
from noisevote.service.configuration.keys import INTERNAL
from noisevote.service.log.request_record import CURRENT, RequestRecord, current_record
from noisevote.service.operations.observer import RequestObserver
from noisevote.service.operations.rate_limit import known_address
from noisevote.service.service import Service
from noisevote.service.wire.bodies import is_still_sent, read_on
from noisevote.service.wire.errors import on_noisevote_error

ID_HEADER = "X-Request-Id"
ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

VOTED_ON = {"/predict", "/predict/stream"}
"""Paths of requests that are refused while the queue is full."""

Guard = Callable[[Scope, Headers], None]
"""Raises a ``NoisevoteError`` for a request that may not be run."""


class RequestMiddleware:
    """Runs each request under a record and an id, unless a guard refuses it; tells of its end.

    Args:
        app: what runs the requests.
        observer: is told of each request.
        guards: see its head, one after the other.
    """

    def __init__(self, app: ASGIApp, observer: RequestObserver, guards: Sequence[Guard]) -> None:
        self.app = app
        self._observer = observer
        self._guards = guards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers, client = Headers(scope=scope), scope.get("client")
        request_id = scope.setdefault("state", {})["request_id"] = id_for(headers)
        record = RequestRecord(client=known_address(client[0]) if client else None)
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR  # unless there is a reply
        listened_s = 0.0
        is_sending = False

        async def send_and_note(message: Message) -> None:
            nonlocal status, listened_s, is_sending
            if message["type"] == "http.response.start":
                status = message["status"]
                head = MutableHeaders(scope=message)
                head[ID_HEADER] = request_id
                if status >= HTTPStatus.BAD_REQUEST:
                    is_sending = await is_still_sent(scope, receive)
                if is_sending:
                    head["Connection"] = "close"
            elif is_sending and not message.get("more_body", False):
                await send({**message, "more_body": True})
                replied = time.perf_counter()
                await read_on(receive)
                listened_s = time.perf_counter() - replied
                message = {"type": "http.response.body"}
            await send(message)

        self._observer.began(record)
        token = CURRENT.set(record)
        try:
            await self._run(scope, headers, receive, send_and_note)
        except Exception:
            record.code = "internal"  # answered further out, where nobody keeps records
            raise
        finally:
            CURRENT.reset(token)
            seconds = time.perf_counter() - began - listened_s
            self._observer.ended(scope, status, seconds, record)

    async def _run(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """Run a request that no guard refuses."""
        try:
            for guard in self._guards:
                guard(scope, headers)
        except NoisevoteError as error:
            response = await on_noisevote_error(Request(scope), error)
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def id_for(headers: Headers) -> str:
    """Return the id that a request came with, or a new one; one that could forge log lines goes."""
    asked = headers.get(ID_HEADER, "")
    return asked if ACCEPTED_ID.fullmatch(asked) else secrets.token_hex(16)


def refuse_while_full(service: Service, scope: Scope, headers: Headers) -> None:  # noqa: ARG001 - a guard
    """Refuse predictions while the queue is all but full, before anything of them is read.

    Reading, parsing and checking a request costs several times as much as refusing it, and under
    overload most requests are refused: what is saved is left for votes.

    Which priority a request has stands in its body, so a full queue of normal requests turns away
    those of low priority too, which would wait behind it. Only the service's own jobs, which are of
    low priority and known by their token, pass. A service that shuts down says so instead.

    Raises:
        OverloadedError: there is no room; it says when to come back.
    """
    if scope["path"] not in VOTED_ON or scope["method"] != "POST":
        return
    record = current_record()
    if record.key == INTERNAL or service.closing.is_set():
        return
    wait_s = service.predictor.backend.wait_for_room_s
    if wait_s > 0:
        record.route = scope["path"]
        raise OverloadedError(
            f"too many votes are waiting; there should be room in {wait_s:.1f} s", wait_s
        )
