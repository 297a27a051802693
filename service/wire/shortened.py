"""Values of strangers in messages."""

import json

LONGEST_SHOWN_BITS = 14_000
"""Python refuses to write out integers of more than 4,300 digits."""


def shortened(value: object, length: int = 80) -> str:
    """Return a value as JSON for an error message, cut to a length."""
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "an object"
    if isinstance(value, int) and value.bit_length() > LONGEST_SHOWN_BITS:
        return "a whole number of very many digits"
    if isinstance(value, str):
        value = value[: length + 1]  # before it is escaped: it may be megabytes long
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= length else text[:length] + "..."
