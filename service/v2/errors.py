"""Errors as the Open Inference Protocol shapes them: ``{"error": text}``, 400 for a bad request."""

import json
from collections.abc import Callable, Coroutine, Iterable
from http import HTTPMethod
from typing import Any, NoReturn

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match

from models.errors import NoisevoteError
from service.v2.schemas import ErrorText
from service.wire.errors import on_http_exception, on_noisevote_error, on_unexpected

REFUSALS: dict[int | str, dict[str, Any]] = {
    "default": {"model": ErrorText, "description": "Any error; the text says what is allowed."}
}

METHODS = [method.value for method in HTTPMethod if method is not HTTPMethod.CONNECT]
"""Of calls that are refused in the protocol's shape, known or not."""

UNPROCESSABLE, BAD_REQUEST = 422, 400


class V2Route(APIRoute):
    """A route whose errors have the shape of the protocol; which there are stands in one table."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, its errors reshaped."""
        handle = super().get_route_handler()

        async def handle_in_shape(request: Request) -> Response:
            try:
                return await handle(request)
            except ClientDisconnect:
                raise
            except NoisevoteError as error:
                return reshaped(await on_noisevote_error(request, error))
            except HTTPException as error:
                return reshaped(await on_http_exception(request, error))
            except Exception as error:  # noqa: BLE001 - logged, and answered without its insides
                return reshaped(await on_unexpected(request, error))

        return handle_in_shape


def refuse_unknown(request: Request, routes: Iterable[BaseRoute]) -> NoReturn:
    """Answer a call that is not part of the protocol.

    Args:
        request: that none of the protocol's calls takes.
        routes: of the protocol.

    Raises:
        HTTPException: 405 if the path has other methods, else 404.
    """
    known = [route for route in routes if route.matches(request.scope)[0] is Match.PARTIAL]
    methods = {method for route in known for method in getattr(route, "methods", ())}
    if methods:
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
    raise HTTPException(404)


def reshaped(response: JSONResponse) -> JSONResponse:
    """Return one of our error replies as the protocol wants it."""
    message = json.loads(bytes(response.body))["error"]["message"]
    status = BAD_REQUEST if response.status_code == UNPROCESSABLE else response.status_code
    kept = {
        name: value
        for name, value in response.headers.items()
        if name not in {"content-length", "content-type"}
    }
    return JSONResponse(ErrorText(error=message).model_dump(), status, kept)
