"""What is wrong with plain data that are to be a model, in words."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError


def what_is_wrong(error: ValidationError, data: Mapping[str, Any]) -> str:
    """Say in one line which fields of ``data`` are wrong and what is allowed."""
    reasons: dict[str, list[str]] = {}
    for entry in error.errors(include_url=False):
        value: Any = data
        beside: Mapping[str, Any] = {}
        path = []
        for key in entry["loc"]:
            # Behind the last key of the data, pydantic names the type that it tried.
            if isinstance(value, Mapping) and (key in value or entry["type"] == "missing"):
                beside, value = value, value.get(key)
                path.append(str(key))
        is_about_value = entry["type"] not in {"missing", "unexpected_keyword_argument"}
        where = ".".join(path) + (f" is {value!r}" if is_about_value else "")
        told = entry["msg"]
        if entry["type"] == "unexpected_keyword_argument":
            others = ", ".join(name for name in beside if name != path[-1])
            told = f"{told}; beside it there are: {others}"
        reasons.setdefault(where, []).append(told)
    return "; ".join(f"{where}: {' or '.join(msgs)}" for where, msgs in reasons.items())
