"""Notices that a client has left, so that nothing is computed for nobody."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

Result = TypeVar("Result")


async def unless_client_leaves(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of ``work``; it is cancelled as soon as nobody waits for it any more.

    Args:
        request: request whose body has been read.
        work: what its client waits for.

    Raises:
        ClientDisconnect: the client left before the result was there.
    """
    working, is_over, has_left = asyncio.current_task(), False, False

    def leave(_: asyncio.Task[None]) -> None:
        nonlocal has_left
        if working is not None and not is_over:
            has_left = working.cancel()

    leaving = asyncio.create_task(client_leaves(request))
    leaving.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if has_left and working is not None and not working.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        is_over = True
        leaving.cancel()  # the loop ends it; it holds nothing that must be waited for


async def client_leaves(request: Request) -> None:
    """Return once the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
