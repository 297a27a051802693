"""From errors to HTTP: the only table of status codes, and the one shape of every error body."""

import logging
import math
from collections.abc import Iterable
from http import HTTPMethod, HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from noisevote.models.errors import (
    CancelledError,
    CheckpointError,
    DataError,
    DeadlineError,
    ExportError,
    ImportingError,
    InputError,
    JobStateError,
    LimitError,
    MissingExtraError,
    NoisevoteError,
    NoSlotError,
    OverloadedError,
    PictureError,
    StorageError,
    TrainingError,
    UnknownCheckpointError,
    UnknownDeviceError,
    UnknownJobError,
    UnknownStudyError,
)
from noisevote.service.log.request_record import current_record
from noisevote.service.wire.reply import Reply
from noisevote.service.wire.shortened import shortened

log = logging.getLogger("noisevote")


class NotJsonError(NoisevoteError):
    """The body is not JSON."""


class BodyTooLargeError(NoisevoteError):
    """The body is larger than the limit."""


class BodyTimeoutError(NoisevoteError):
    """The body did not arrive in time."""


class UnsupportedMediaError(NoisevoteError):
    """The body is compressed, or said to be no JSON."""


class ForeignOriginError(NoisevoteError):
    """A page of another origin asked, or the service was called by a name that is not its own."""


class DrainingError(NoisevoteError):
    """The service is shutting down."""


class UnauthorisedError(NoisevoteError):
    """The request needs an API key, as `Authorization: Bearer KEY`."""


class RateLimitedError(OverloadedError):
    """More votes were asked for than the rate limit allows; `Retry-After` says when to return."""


class NotReadyError(NoisevoteError):
    """The service has not warmed up, or failed to."""


STATUS: dict[type[NoisevoteError], tuple[int, str]] = {
    NotJsonError: (400, "not_json"),
    UnauthorisedError: (401, "unauthorized"),
    ForeignOriginError: (403, "foreign_origin"),
    UnknownCheckpointError: (404, "unknown_checkpoint"),
    UnknownDeviceError: (404, "unknown_device"),
    UnknownJobError: (404, "unknown_job"),
    UnknownStudyError: (404, "unknown_study"),
    BodyTimeoutError: (408, "body_timeout"),
    JobStateError: (409, "job_state"),
    BodyTooLargeError: (413, "body_too_large"),
    UnsupportedMediaError: (415, "unsupported_media"),
    PictureError: (422, "invalid_picture"),
    LimitError: (422, "limit_exceeded"),
    InputError: (422, "invalid_input"),
    OverloadedError: (429, "overloaded"),
    RateLimitedError: (429, "rate_limited"),
    MissingExtraError: (501, "missing_extra"),
    CheckpointError: (503, "checkpoint_refused"),
    NotReadyError: (503, "not_ready"),
    NoSlotError: (503, "not_ready"),
    DrainingError: (503, "draining"),
    DeadlineError: (504, "deadline"),
    StorageError: (507, "storage"),
    DataError: (500, "internal"),
    TrainingError: (500, "internal"),
    ExportError: (500, "internal"),
    ImportingError: (500, "internal"),
    CancelledError: (500, "internal"),
    NoisevoteError: (500, "internal"),
}
"""Status and code of each error; of an error's classes the nearest one counts."""

ROUTER_STATUS: dict[int, str] = {404: "not_found", 405: "method_not_allowed"}
"""What the router refuses: no such path, no such method on it."""

CHALLENGE = 'Bearer realm="noisevote"'
"""How a request that lacks a key is to show one (RFC 6750, section 3)."""

V2 = "/v2"
"""Where the Open Inference Protocol begins."""

IDENTITY = "identity"
"""The one encoding of bodies that is read."""

CLIENT_LEFT = 499
"""Status of requests whose client is gone; nobody reads it but the log."""


class ErrorDetail(Reply):
    """What went wrong."""

    code: str
    """Code for programs; one of those in ``docs/http-api.md``."""
    message: str
    """Message for people: what was got, what is allowed."""
    field: str | None = None
    """Name of the offending field of the request, if there is one."""
    request_id: str
    """Id of the request, as in ``X-Request-Id`` of the reply and in the log."""


class ErrorBody(Reply):
    """The body of every reply that is not a success."""

    error: ErrorDetail
    """What went wrong, for programs and for people."""


def status_and_code(error: type[NoisevoteError]) -> tuple[int, str]:
    """Return the row of the table that holds for a class of errors."""
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def responses_for(*errors: type[NoisevoteError]) -> dict[int | str, dict[str, Any]]:
    """Return the error replies of a route as OpenAPI shows them; any other has the same shape."""
    described: dict[int, list[str]] = {}
    for error in errors:
        status, code = status_and_code(error)
        described.setdefault(status, []).append(f"`{code}`: {meaning_of(error)}")
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": " ".join(texts)}
        for status, texts in sorted(described.items())
    }
    return responses | {"default": {"model": ErrorBody, "description": "Any other error."}}


def table_of_codes() -> str:
    """Return all codes and their meaning as a Markdown table."""
    rows = [(status, code, meaning_of(error)) for error, (status, code) in STATUS.items()]
    rows = [row for row in rows if row[1] != "internal"]
    rows += [(status, code, HTTPStatus(status).phrase + ".") for status, code in router_codes()]
    rows += [(500, "internal", "An unexpected error; the log has it under the request's id.")]
    lines = [f"| {status} | `{code}` | {meaning} |" for status, code, meaning in sorted(rows)]
    return "\n".join(["| status | code | meaning |", "|---|---|---|", *lines])


def router_codes() -> Iterable[tuple[int, str]]:
    """Return status and code of what the router refuses."""
    return ROUTER_STATUS.items()


def meaning_of(error: type[NoisevoteError]) -> str:
    """Return the first line of what a class of errors says about itself."""
    return (error.__doc__ or error.__name__).splitlines()[0]  # python -OO drops docstrings


def input_error_from(error: ValidationError) -> InputError:
    """Turn the first complaint of pydantic into an error of ours."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] not in {"value_error", "missing"}:  # ours say themselves what they got
        message += f"; got {shortened(first['input'])}"
    return InputError(f"{path}: {message}" if path else message, field=path or None)


def install_error_handlers(app: FastAPI) -> None:
    """Give every error of ``app`` the one shape."""
    app.add_exception_handler(NoisevoteError, on_noisevote_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_router_exception)
    app.add_exception_handler(ClientDisconnect, on_client_left)
    app.add_exception_handler(Exception, on_unexpected)


async def on_noisevote_error(request: Request, error: Exception) -> JSONResponse:
    """Answer an error raised on purpose by the table."""
    status, code = status_and_code(type(error)) if isinstance(error, NoisevoteError) else (500, "")
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return await on_unexpected(request, error)
    response = error_response(request, status, code, str(error), getattr(error, "field", None))
    if isinstance(error, OverloadedError):
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, UnauthorisedError):
        response.headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, UnsupportedMediaError):
        response.headers["Accept-Encoding"] = IDENTITY
    return response


async def on_validation_error(request: Request, error: Exception) -> JSONResponse:
    """Answer a path or query parameter that FastAPI refused."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    where = ".".join(str(part) for part in first.get("loc", ()))
    return error_response(request, 422, "invalid_input", f"{where}: {first.get('msg', '')}", where)


async def on_router_exception(request: Request, error: Exception) -> JSONResponse:
    """Answer what the router raises, which names the methods of one route of the path only."""
    response = await on_http_exception(request, error)
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(allowed_methods(request))
    return response


def allowed_methods(request: Request) -> Iterable[str]:
    """Yield the methods that a path takes, over all its routes.

    A path with routes of its own takes no others, though its end could be somebody's name.
    """
    own = request.app.state.methods_of_paths.get(request.scope["path"])
    if own is not None:
        yield from sorted(own)
        return
    for method in HTTPMethod:
        scope = {**request.scope, "method": method.value}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            yield method.value


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Answer what a router raises: no such path, no such method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    phrase = HTTPStatus(status).phrase.lower()
    code = ROUTER_STATUS.get(status, phrase.replace(" ", "_"))
    # Not request.url, which is built from whatever Host header the client sent.
    message = f"{request.method} {shortened(request.scope['path'])}: {phrase}"
    response = error_response(request, status, code, message)
    response.headers.update(headers or {})
    return response


async def on_client_left(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Say nothing to a client that is gone; it is no error of the service."""
    current_record().code = "client_left"
    log.info("the client of request %s left", request_id_of(request))
    return Response(status_code=CLIENT_LEFT)


async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
    """Answer a bug without a word of its insides; the log has them."""
    log.error("unexpected error in request %s", request_id_of(request), exc_info=error)
    response = error_response(request, 500, "internal", "an unexpected error; it has been logged")
    response.headers["X-Request-Id"] = request_id_of(request)
    return response


def error_response(
    request: Request, status: int, code: str, message: str, field: str | None = None
) -> JSONResponse:
    """Return the one shape of an error; under ``/v2`` that of the protocol, where 422 is 400."""
    current_record().code = code
    if is_v2(request.scope["path"]):
        return JSONResponse({"error": message}, 400 if status == 422 else status)
    detail = ErrorDetail(code=code, message=message, field=field, request_id=request_id_of(request))
    return JSONResponse(ErrorBody(error=detail).model_dump(exclude_none=True), status)


def is_v2(path: str) -> bool:
    """Return whether a path is one of the Open Inference Protocol, whose errors are shaped so."""
    return path == V2 or path.startswith(V2 + "/")


def request_id_of(request: Request) -> str:
    """Return the id that the middleware gave the request."""
    return str(request.scope.get("state", {}).get("request_id", ""))
