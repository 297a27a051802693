"""How the log looks: lines of text for people, lines of JSON for programs; both on stderr."""

import json
import logging
import re
import sys
import textwrap
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

ENCODER = json.JSONEncoder(default=str)

BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What ends a line, or moves the cursor of a terminal."""

PLAIN = re.compile(r"[^\s=\"\x00-\x1f\x7f-\x9f]+")
"""Values that need no quotes."""


class LogFormat(StrEnum):
    """What a line of the log is."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """What is left out of the log: whatever is less than this."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, process, message, the fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        content: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return ENCODER.encode(content)


class TextFormatter(logging.Formatter):
    """A line for people; the fields stand behind the message as ``name=value``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Return the line without the trace of an exception."""
        fields: dict[str, object] = getattr(record, "fields", {})
        shown = "".join(f" {name}={shown_value(value)}" for name, value in fields.items())
        return BREAKS.sub(escaped, super().formatMessage(record)) + shown

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """Return the trace of an exception; no line of it can be taken for one of the log."""
        return textwrap.indent(super().formatException(ei), "  ", lambda _: True)


def shown_value(value: object) -> str:
    """Return the value of a field; in quotes if it could be taken for more than one."""
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) else json.dumps(value)
    return BREAKS.sub(escaped, str(value))


def escaped(found: re.Match[str]) -> str:
    """Return a character that would break a line as Python writes it."""
    return found[0].encode("unicode_escape").decode()


def write_logs(form: LogFormat, level: LogLevel) -> None:
    """Send all that is logged to stderr in one form, uvicorn's lines too.

    Its access log is switched off: ``service/log/request_record.py`` replaces it. What no line says
    is not looked for: thread, kind of process, place in the code.
    """
    logging.logThreads = logging.logMultiprocessing = False
    logging._srcfile = None  # as the documentation of logging has it
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # of libraries
    for name in ("noisevote", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
