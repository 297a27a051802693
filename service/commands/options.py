"""Options of a command from the fields of a model: their names, meanings and defaults."""

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from noisevote.models.errors import InputError


def with_options_of(
    model: type[BaseModel], leaving_out: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of a model, after those of its own.

    The command gets the values as further keyword arguments. What is a tuple of numbers in the
    model is given as numbers with commas between.

    Args:
        model: has the fields.
        leaving_out: fields that are no options.
    """
    types = get_type_hints(model)  # without the bounds, which the model itself checks
    fields = {name: f for name, f in model.model_fields.items() if name not in leaving_out}
    numbers = {n: get_args(types[n])[0] for n in fields if get_origin(types[n]) is tuple}

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**values: Any) -> None:
            lists = {name: numbers_in(values[name], name, kind) for name, kind in numbers.items()}
            command(**values | lists)

        own = inspect.signature(command).parameters.values()
        parameters = [
            *(
                each.replace(kind=each.KEYWORD_ONLY)
                for each in own
                if each.kind != each.VAR_KEYWORD
            ),
            *(
                option_of(name, field, str if name in numbers else types[name])
                for name, field in fields.items()
            ),
        ]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in parameters}
        return called

    return decorated


def option_of(name: str, field: FieldInfo, kind: Any) -> inspect.Parameter:
    """Return the option of a field, which is given as a value of some type."""
    default = inspect.Parameter.empty if field.is_required() else field.default
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    annotation = Annotated[kind, typer.Option(help=field.description)]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def numbers_in(text: str, name: str, kind: type[int] | type[float]) -> tuple[float, ...]:
    """Return the numbers of a list with commas.

    Raises:
        InputError: one is no number of this kind.
    """
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError:
        numbers = "whole numbers" if kind is int else "numbers"
        raise InputError(f"{name} is {text!r}; it must be {numbers} with commas between") from None
