"""From the bytes of a body to a validated request, at a bounded cost in time and memory."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from noisevote.models.errors import InputError, LimitError
from noisevote.service.wire.errors import NotJsonError, input_error_from
from noisevote.service.wire.requests import PredictRequest
from noisevote.service.wire.shortened import shortened

Body = TypeVar("Body", bound=BaseModel)

MAX_BRACKETS = 2**17
"""Most arrays and objects in a body: each empty array of 2 bytes would take 64 in memory."""

MAX_NAMES = 2**11
"""Most names in the objects of a body: Python is held while it reads one, ten times as long as for
a number."""


def parse(body: bytes | bytearray) -> PredictRequest:
    """Validate a body.

    Raises:
        NotJsonError: it is not JSON, or nested too deeply.
        InputError: a field is unknown or out of range.
    """
    return validated(object_in(body))


def object_in(body: bytes | bytearray) -> dict[str, Any]:
    """Return the JSON object that a body holds.

    Raises:
        NotJsonError: it is not JSON, or nested too deeply.
        InputError: it is no object, or holds too many arrays, objects or names.
    """
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise LimitError(f"the body holds more than the allowed {MAX_BRACKETS} arrays and objects")
    if body.count(b":") > MAX_NAMES:
        raise LimitError(f"the body holds more than the allowed {MAX_NAMES} names and colons")
    try:
        content = from_json(body)
    except ValueError as error:
        raise NotJsonError(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"the body is {shortened(content)}; it must be an object")
    return content


def parse_as(model: type[Body], body: bytes | bytearray) -> Body:
    """Validate the body of another kind of request; raises as :func:`parse` does."""
    return validated_as(model, object_in(body))


def validated(content: dict[str, Any]) -> PredictRequest:
    """Turn fields by name into a request.

    Raises:
        InputError: a field is unknown or out of range.
    """
    return validated_as(PredictRequest, content)


def validated_as(model: type[Body], content: dict[str, Any]) -> Body:
    """Turn fields by name into a request of another kind; raises as :func:`validated` does."""
    check_names(content, model)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise input_error_from(error) from None


def check_names(content: dict[str, Any], model: type[BaseModel]) -> None:
    """Refuse a field that a request does not have.

    Raises:
        InputError: there is one; it says which there are.
    """
    fields = model.model_fields
    unknown = next((name for name in content if name not in fields), None)
    if unknown is not None:
        raise InputError(
            f"there is no field {shortened(unknown)}; there are: {', '.join(fields)}",
            field=unknown[:80],
        )


def whole_number(text: str, most: int) -> int | None:
    """Return the number that a header holds; None if it is none from 0 to ``most``.

    Zeros before it are no reason to convert digits without end.
    """
    digits = text.lstrip("0") or "0"
    if not (text.isascii() and text.isdecimal()) or len(digits) > len(str(most)):
        return None
    return int(digits) if int(digits) <= most else None
