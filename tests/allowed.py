"""What the keys of a device profile may be, in words, for the tables of the documentation."""

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

Schema = dict[str, Any]
ANY = 1e12
"""A bound that is so large, or larger, is none for people."""


def allowed_in(model: type[BaseModel], name: str) -> str:
    """Return what a key may be, and what it is where it is left out."""
    schema = model.model_json_schema()
    allowed = words_for(schema["properties"][name], schema.get("$defs", {}))
    field = model.model_fields[name]
    if field.is_required():
        return f"{allowed}; needed"
    default = None if field.default is PydanticUndefined else field.default
    if default is None or isinstance(default, BaseModel) or default in ("", ()):
        return allowed
    return f"{allowed}; default {shown(default)}"


def words_for(schema: Schema, others: Schema) -> str:
    """Return what a JSON schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return (
            f"table `{name}`" if "properties" in others[name] else words_for(others[name], others)
        )
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        if any(branch.get("$ref", "").endswith("/Piece") for branch in branches):
            return "number or curve"
        words = [words_for(each, others) for each in branches if each.get("type") != "null"]
        return " or ".join(words)
    if "const" in schema:
        return shown(schema["const"])
    if "enum" in schema:
        return ", ".join(map(shown, schema["enum"]))
    return OF_TYPE[schema["type"]](schema, others)


def number(schema: Schema, _: Schema) -> str:
    """Return between which bounds a number lies."""
    kind = "whole number" if schema["type"] == "integer" else "number"
    above, low = (schema.get(key) for key in ("exclusiveMinimum", "minimum"))
    high = schema.get("maximum", ANY)
    if low is not None and low <= -ANY:
        return kind
    first = shown(low) if above is None else f"above {shown(above)}"
    if high >= ANY:
        return f"{kind} from {first} on"
    return f"{'whole, ' if kind != 'number' else ''}{first} to {shown(high)}"


def text(schema: Schema, _: Schema) -> str:
    """Return how long a text may be."""
    most = f"text, {schema['maxLength']} letters at most" if "maxLength" in schema else "text"
    return f"{most}, `{schema['pattern']}`" if "pattern" in schema else most


def array(schema: Schema, others: Schema) -> str:
    """Return what stands in a list."""
    if "prefixItems" in schema:
        return f"[{', '.join(words_for(each, others) for each in schema['prefixItems'])}]"
    most = f", {schema['maxItems']} at most" if "maxItems" in schema else ""
    each = re.sub(r"^(number|table)\b", r"\1s", words_for(schema["items"], others))
    return f"list of {each}{most}"


def mapping(schema: Schema, others: Schema) -> str:
    """Return what stands in a table of any keys."""
    return f"map to {words_for(schema['additionalProperties'], others)}"


def truth(_: Schema, __: Schema) -> str:
    """Return the two truth values."""
    return "`true`, `false`"


OF_TYPE: dict[str, Callable[[Schema, Schema], str]] = {
    "number": number,
    "integer": number,
    "string": text,
    "array": array,
    "boolean": truth,
    "object": mapping,
}


def shown(value: object) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        plain = f"{value}" if isinstance(value, int) else f"{value:g}"
        return re.sub(r"e([+-])0*", lambda sign: "e" + sign[1].strip("+"), plain)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(shown, value))}]"
    return f"`{value}`"
