"""What all pages of reports have in common: their style and their policy."""

import base64
import hashlib
from pathlib import Path

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What the page of a report may load."""

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")

STYLE_SOURCE = f"sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"
"""Of the Content-Security-Policy of a page that opens a report it has fetched: what it opens is
under its own policy. Source: https://www.w3.org/TR/CSP3/, grammar of ``hash-source``."""
