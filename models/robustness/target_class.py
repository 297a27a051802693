"""How a plan says which class the attacker wants: one for all, one for each, or a rule."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidatorFunctionWrapHandler, WrapValidator

from noisevote.models.errors import InputError


class TargetRule(StrEnum):
    """Rules by which the class that is wanted follows from a sample.

    ``next`` is the class after the label, counted round; ``random`` any class but the label, each
    as likely, by the seed; ``least_likely`` the one, but for the label, that has the lowest output
    of the surrogate. Source: A. Kurakin, I. Goodfellow and S. Bengio, arXiv 1607.02533, section
    2.3, for the last.
    """

    NEXT = "next"
    RANDOM = "random"
    LEAST_LIKELY = "least_likely"


MOST = 2**31 - 1
"""Largest number of a class that is looked at; whether there is such a class is seen later."""

Class = Annotated[int, Field(ge=0, le=MOST)]
ONE_CLASS = TypeAdapter(Class)
CLASSES = TypeAdapter(Annotated[list[Class], Field(min_length=1, fail_fast=True)])
ALLOWED = f"a class, a list with a class for each sample, or one of {', '.join(TargetRule)}"


def one_many_or_rule(value: Any, _: ValidatorFunctionWrapHandler) -> Any:
    """Complain once instead of once for each way to say it."""
    if isinstance(value, str):
        if value not in set(TargetRule):
            raise ValueError(f"it is no rule; needed is {ALLOWED}")
        return TargetRule(value)
    if isinstance(value, list | tuple):
        return tuple(CLASSES.validate_python(list(value), strict=True))
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"needed is {ALLOWED}")  # noqa: TRY004 - pydantic's
    return ONE_CLASS.validate_python(value, strict=True)


TargetClass = Annotated[Class | tuple[Class, ...] | TargetRule, WrapValidator(one_many_or_rule)]
"""What a plan says."""


def parse_target_class(text: str, labels: Sequence[str] = ()) -> TargetRule | int | tuple[int, ...]:
    """Return what a command line says: a rule, a class, or classes with commas between.

    Args:
        text: of classes the numbers or, where they are none, the names.
        labels: names of the classes.

    Raises:
        InputError: it is none of these.
    """
    if text in set(TargetRule):
        return TargetRule(text)
    parts = text.split(",")
    try:
        classes = tuple(int(part) for part in parts)
    except ValueError:
        if set(parts) <= set(labels):
            return parse_target_class(",".join(str(list(labels).index(part)) for part in parts))
        known = "".join(f" or {name}" for name in labels[:1] if not name.isdecimal())
        raise InputError(
            f"target_class is {text!r}; write a class like 3{known}, classes with commas between, "
            f"one for each sample, or one of {', '.join(TargetRule)}",
            "target_class",
        ) from None
    return classes[0] if len(classes) == 1 else classes


def target_class_text(
    target_class: TargetRule | int | tuple[int, ...], labels: Sequence[str]
) -> str:
    """Return in words which class is wanted.

    Args:
        target_class: what a plan says.
        labels: names of the classes.
    """
    if isinstance(target_class, TargetRule):
        return {
            TargetRule.NEXT: "the class after the label",
            TargetRule.RANDOM: "a random class other than the label",
            TargetRule.LEAST_LIKELY: "the class that the surrogate finds least likely",
        }[target_class]
    if isinstance(target_class, int):
        name = labels[target_class]
        return f"class {target_class}" + ("" if name == str(target_class) else f" ({name})")
    return "a class that is given for each sample"
