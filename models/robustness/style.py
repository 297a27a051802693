"""The style of the page of a report, and what a policy names that allows it."""

import base64
import hashlib
from pathlib import Path

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")

STYLE_SOURCE = f"sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"
"""Of the Content-Security-Policy of a page that opens a report it has fetched: what it opens is
under its own policy. Source: https://www.w3.org/TR/CSP3/, grammar of ``hash-source``."""
