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
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(client_leaves(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        leaving.cancel()  # the loop ends it; it holds nothing that must be waited for
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def client_leaves(request: Request) -> None:
    """Return once the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
