"""Nested lists of numbers become the arrays that a network takes, or an error that says where.

The walk is directed by the shape that the network takes and ends at the first fault, so its cost
is bounded by that shape whatever was sent. NumPy alone would not do: it reads strings and booleans
as numbers, and one long string in a list makes it allocate that length for every item.
"""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.errors import InputError
from noisevote.service.wire.requests import shortened

NUMBERS = {int, float}

SHOWN_AXES = 8
"""Axes of a wrong shape that a message shows."""


def arrays_of(values: list[Any], card: Card) -> NDArray[np.float32]:
    """Return nested lists of numbers as inputs ``[inputs, *input_shape]``.

    Leading axes of length 1 of an input may be left out.

    Raises:
        InputError: ragged, not numbers, of another shape, not finite or out of range.
    """
    return np.stack(
        [array_of(value, card, f"inputs[{position}]") for position, value in enumerate(values)]
    ).astype(np.float32)


def array_of(value: object, card: Card, where: str) -> NDArray[np.float64]:
    """Return one input ``[*input_shape]``."""
    if isinstance(value, np.ndarray):
        return checked(value.astype(np.float64), value, card, where)
    shape = card.input.shape
    found = shape_of(value)
    optional = len(list(takewhile(lambda length: length == 1, shape)))
    if not len(shape) - optional <= len(found) <= len(shape):
        got = f"has the shape {list(found)}" if found else f"is {shortened(value)}"
        raise refusal(f"{where} {got}; {taken(card)}")
    check_lists(value, shape[len(shape) - len(found) :], card, where)
    try:
        array = np.array(value, np.float64).reshape(shape)
    except OverflowError:  # an integer beyond any float
        array = np.full(shape, np.inf)
    return checked(array, value, card, where)


def checked(array: NDArray[np.float64], value: Any, card: Card, where: str) -> NDArray[np.float64]:
    """Return an input whose numbers are all in the allowed range.

    Args:
        array: ``[*input_shape]``.
        value: what it was made of, to say where a number stands that is not.
        card: card of the checkpoint.
        where: the input stands.
    """
    low, high = card.input.limits
    if not ((array >= low) & (array <= high)).all():  # not for NaN, too
        numbers = numbers_in(value.tolist() if isinstance(value, np.ndarray) else value, where)
        index, number = next((at, number) for at, number in numbers if not low <= number <= high)
        raise refusal(f"{index} is {shortened(number)}; allowed is {low:g} to {high:g}")
    return array


def shape_of(value: object) -> tuple[int, ...]:
    """Return the shape that nested lists have if they are not ragged."""
    shape: list[int] = []
    while isinstance(value, list) and len(shape) < SHOWN_AXES:
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def check_lists(value: object, shape: tuple[int, ...], card: Card, where: str) -> None:
    """Refuse nested lists that are not numbers in ``shape``."""
    length, *inner = shape
    if not isinstance(value, list):
        raise refusal(f"{where} is {shortened(value)} instead of an array; {taken(card)}")
    if len(value) != length:
        raise refusal(f"{where} has {len(value)} items instead of {length}; {taken(card)}")
    if inner:
        for index, item in enumerate(value):
            check_lists(item, tuple(inner), card, f"{where}[{index}]")
    elif not NUMBERS.issuperset(map(type, value)):
        index = next(i for i, item in enumerate(value) if type(item) not in NUMBERS)
        raise refusal(f"{where}[{index}] is {shortened(value[index])}; only numbers are allowed")


def numbers_in(value: Any, where: str) -> Iterator[tuple[str, int | float]]:
    """Yield the numbers of nested lists and where they stand."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from numbers_in(item, f"{where}[{index}]")
    else:
        yield where, value


def taken(card: Card) -> str:
    """Return what a checkpoint takes, for a message."""
    return f"checkpoint {card.name} takes [n, {', '.join(map(str, card.input.shape))}]"


def refusal(message: str) -> InputError:
    """Return the error that blames the field ``inputs``."""
    return InputError(message, "inputs")
