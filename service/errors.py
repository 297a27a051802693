"""From errors to HTTP: the only table of status codes, and the one shape of every error body."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from models.errors import (
    CheckpointError,
    InputError,
    LimitError,
    NoisevoteError,
    PictureError,
    UnknownCheckpointError,
)

log = logging.getLogger("noisevote")


class NotJsonError(NoisevoteError):
    """The body is not JSON."""


class BodyTooLargeError(NoisevoteError):
    """The body is larger than the limit."""


class NotReadyError(NoisevoteError):
    """The service has not warmed up, or failed to."""


STATUS: dict[type[NoisevoteError], tuple[int, str]] = {
    NotJsonError: (400, "not_json"),
    UnknownCheckpointError: (404, "unknown_checkpoint"),
    BodyTooLargeError: (413, "body_too_large"),
    PictureError: (422, "invalid_picture"),
    LimitError: (422, "limit_exceeded"),
    InputError: (422, "invalid_input"),
    CheckpointError: (503, "checkpoint_refused"),
    NotReadyError: (503, "not_ready"),
    NoisevoteError: (500, "internal"),
}
"""Status and code of each error; of an error's classes the first one listed counts."""


class ErrorDetail(BaseModel):
    """What went wrong.

    Attributes:
        code: for programs; one of the codes in the README.
        message: for people: what was got, what is allowed.
        field: the offending field of the request, if there is one.
        request_id: stands in the reply's ``X-Request-Id`` and in the log.
    """

    code: str
    message: str
    field: str | None = None
    request_id: str


class ErrorBody(BaseModel):
    """The body of every reply that is not a success."""

    error: ErrorDetail


def input_error_from(error: ValidationError) -> NoisevoteError:
    """Turn the first complaint of pydantic into an error of ours."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return NotJsonError(f"the body is not JSON: {first.get('ctx', {}).get('error', '')}")
    path = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "this field is not known"
    return InputError(f"{path}: {message}" if path else message, field=path or None)


def install_error_handlers(app: FastAPI) -> None:
    """Give every error of ``app`` the one shape."""
    app.add_exception_handler(NoisevoteError, on_noisevote_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_unexpected)


async def on_noisevote_error(request: Request, error: Exception) -> JSONResponse:
    """Answer an error raised on purpose by the table."""
    status, code = next(row for kind, row in STATUS.items() if isinstance(error, kind))
    return error_response(request, status, code, str(error), getattr(error, "field", None))


async def on_validation_error(request: Request, error: Exception) -> JSONResponse:
    """Answer a path or query parameter that FastAPI refused."""
    assert_type = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    where = ".".join(str(part) for part in assert_type.get("loc", ()))
    return error_response(
        request, 422, "invalid_input", f"{where}: {assert_type.get('msg', '')}", where
    )


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Answer what the router raises: no such path, no such method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    phrase = HTTPStatus(status).phrase
    message = f"{request.method} {request.url.path}: {phrase.lower()}"
    response = error_response(request, status, phrase.lower().replace(" ", "_"), message)
    response.headers.update(headers or {})
    return response


async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
    """Answer a bug without a word of its insides; the log has them."""
    log.error("unexpected error in request %s", request_id_of(request), exc_info=error)
    response = error_response(request, 500, "internal", "an unexpected error; it has been logged")
    response.headers["X-Request-Id"] = request_id_of(request)
    return response


def error_response(
    request: Request, status: int, code: str, message: str, field: str | None = None
) -> JSONResponse:
    """Return the one shape of an error."""
    detail = ErrorDetail(
        code=code, message=message, field=field, request_id=request_id_of(request)
    )
    return JSONResponse(ErrorBody(error=detail).model_dump(exclude_none=True), status)


def request_id_of(request: Request) -> str:
    """Return the id that the middleware gave the request."""
    return str(request.scope.get("state", {}).get("request_id", ""))
