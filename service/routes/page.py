"""``GET /``, the try-it page, and ``GET /docs``, the reference; both need nothing from outside."""

from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

OURS = StaticFiles(directory=Path(__file__).parents[1] / "static")
SWAGGER = StaticFiles(directory=Path(fastapi_offline.__file__).parent / "static")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-cache",  # asks whether it is still the same
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
SWAGGER_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI writes styles into its elements."""


async def asset(files: StaticFiles, name: str, request: Request) -> Response:
    """Return a file, or 304 if the client has it; one that does not exist is a 404."""
    response = await files.get_response(name, request.scope)
    response.headers.update(HEADERS)
    return response


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """Return the try-it page."""
    return await asset(OURS, "index.html", request)


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
async def static(name: str, request: Request) -> Response:
    """Return what the page consists of."""
    return await asset(OURS, name, request)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs(request: Request) -> Response:
    """Return the reference of the HTTP interface."""
    response = await asset(OURS, "docs.html", request)
    response.headers["Content-Security-Policy"] = SWAGGER_POLICY
    return response


@router.api_route("/docs/{name}", methods=["GET", "HEAD"])
async def docs_part(name: str, request: Request) -> Response:
    """Return what the reference consists of."""
    return await asset(SWAGGER, name, request)
