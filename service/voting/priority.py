"""Whose votes come first; apart from the queue, so that a client needs no runtime."""

from enum import StrEnum


class Priority(StrEnum):
    """Whose votes come first."""

    NORMAL = "normal"
    LOW = "low"
