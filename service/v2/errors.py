"""Errors as the Open Inference Protocol shapes them: ``{"error": text}``, 400 for a bad request.

``service/wire/errors.py`` makes them.
"""

from typing import Any

from service.v2.schemas import ErrorText

REFUSALS: dict[int | str, dict[str, Any]] = {
    "default": {"model": ErrorText, "description": "Any error; the text says what is allowed."}
}
