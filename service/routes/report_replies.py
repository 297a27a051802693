"""How routes send the page of a report: it may run nothing, and tells nobody where it came from."""

from typing import Any

from fastapi.responses import HTMLResponse

from noisevote.models.report_page import POLICY

HEADERS = {
    "Content-Security-Policy": f"{POLICY}; sandbox",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

PAGE_REPLY: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The page.",
        "content": {"text/html": {"schema": {"type": "string"}}},
    },
}
"""The reply as OpenAPI shows it."""


def page_reply(content: bytes | str) -> HTMLResponse:
    """Return the page of a report as it is sent."""
    return HTMLResponse(content, headers=HEADERS)
