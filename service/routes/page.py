"""The pages: ``/``, ``/networks``, ``/assessments``, ``/status``, ``/docs``; all need nothing else.

Their files are kept in memory, once for all: a client that reads slowly holds neither an open file
nor a copy.
"""

import asyncio
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from noisevote.models.report_page import STYLE_SOURCE
from noisevote.service.service import ServiceDep

router = APIRouter(include_in_schema=False)

OURS = Path(__file__).parents[1] / "static"
SWAGGER = Path(fastapi_offline.__file__).parent / "static"

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

ASSESSMENTS_POLICY = POLICY.replace("style-src 'self'", f"style-src 'self' '{STYLE_SOURCE}'")
"""With a key the page fetches a report and opens it, under this policy: a link sends no key."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent.

    Attributes:
        content: content of the file.
        headers: headers that say what it is, and which version.
    """

    content: bytes
    headers: dict[str, str]


@lru_cache(maxsize=64)
def read_asset(path: Path, changed_ns: int) -> Asset:  # noqa: ARG001 - another time, another file
    """Read a file."""
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Asset(content, HEADERS | {"Content-Type": kind, "ETag": tag})


async def asset(folder: Path, name: str, request: Request) -> Response:
    """Return a file, or 304 if the client has it; one that does not exist is a 404."""
    path = folder / name
    try:
        found = read_asset(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        raise HTTPException(404) from None
    if found.headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=found.headers)
    return Response(found.content, headers=found.headers)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """Return the try-it page."""
    return await asset(OURS, "index.html", request)


@router.api_route("/networks", methods=["GET", "HEAD"])
async def networks(request: Request) -> Response:
    """Return the page of the checkpoints and their cards."""
    return await asset(OURS, "cards.html", request)


@router.api_route("/status", methods=["GET", "HEAD"])
async def status(request: Request) -> Response:
    """Return the page of how the service does."""
    return await asset(OURS, "status.html", request)


@router.api_route("/assessments", methods=["GET", "HEAD"])
async def assessments(request: Request) -> Response:
    """Return the page of robustness assessments."""
    response = await asset(OURS, "assessments.html", request)
    response.headers["Content-Security-Policy"] = ASSESSMENTS_POLICY
    return response


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
async def static(name: str, request: Request) -> Response:
    """Return what the pages consist of."""
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


@router.api_route("/openapi.json", methods=["GET", "HEAD"])
async def openapi(request: Request, service: ServiceDep) -> Response:
    """Return the description of the HTTP interface, which is made once, off the event loop."""
    app = request.app
    if service.openapi_json is None:
        making = asyncio.to_thread(lambda: bytes(JSONResponse(app.openapi()).body))
        service.openapi_json = asyncio.create_task(making)
    # Whoever leaves meanwhile does not stop it for others.
    content = await asyncio.shield(service.openapi_json)
    return Response(content, media_type="application/json")
