"""Turns predictions away at the door while the queue is full, before anything of them is read.

Reading, parsing and checking a request costs several times as much as refusing it, and under
overload most requests are refused: what is saved is left for votes. Pure ASGI: a
``BaseHTTPMiddleware`` would hide the client's disconnect.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import OverloadedError
from service.configuration.keys import INTERNAL
from service.log.request_record import current_record
from service.voting.backend import VotingBackend
from service.wire.errors import on_noisevote_error

PATHS = {"/predict", "/predict/stream"}


class DoorMiddleware:
    """Refuses predictions while the queue is all but full.

    Which priority a request has stands in its body, so a full queue of normal requests turns away
    those of low priority too, which would wait behind it. Only the service's own jobs, which are of
    low priority and known by their token, pass. A service that shuts down says so instead.

    Args:
        app: what runs the requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request for which there may be room."""
        if scope["type"] == "http" and scope["path"] in PATHS and scope["method"] == "POST":
            record = current_record()
            state = scope["app"].state
            backend: VotingBackend = state.predictor.backend
            passes = record.key == INTERNAL or state.closing.is_set()
            wait_s = 0.0 if passes else backend.wait_at_door_s
            if wait_s > 0:
                record.route = scope["path"]
                error = OverloadedError(
                    f"too many votes are waiting; there should be room in {wait_s:.1f} s", wait_s
                )
                await (await on_noisevote_error(Request(scope), error))(scope, receive, send)
                return
        await self.app(scope, receive, send)
