"""Nested lists of numbers become the arrays that a network takes, or an error that says where.

Lists are opened axis by axis as the shape that the network takes has them, up to the first axis
with a fault, so the cost is bounded by that shape whatever was sent. NumPy alone would not do: it
reads strings and booleans as numbers, and one long string in a list makes it allocate that length
for every item.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, takewhile
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.errors import InputError
from noisevote.models.specs import InputSpec
from noisevote.service.wire.shortened import shortened

NUMBERS = {int, float}

SHOWN_AXES = 8
"""Axes of a wrong shape that a message shows."""


def arrays_of(values: Sequence[Any], card: Card) -> dict[str, NDArray[Any]]:
    """Return inputs by the names of the network's tensors, each ``[inputs, *shape]``.

    Leading axes of length 1 of an array may be left out.

    Args:
        values: an array each, as nested lists of numbers, or an object of such arrays by name
            where the network takes several.
        card: of the checkpoint.

    Raises:
        InputError: ragged, not numbers, of another shape, not finite or out of range; a name is
            missing or none of the network's.
    """
    arrays: dict[str, list[NDArray[np.float64]]] = {tensor.name: [] for tensor in card.inputs}
    for position, value in enumerate(values):
        where = f"inputs[{position}]"
        for tensor, (place, part) in zip(card.inputs, parts_of(value, card, where), strict=True):
            arrays[tensor.name].append(array_of(part, tensor, card, place))
    return {tensor.name: np.array(arrays[tensor.name], tensor.dtype) for tensor in card.inputs}


def parts_of(value: object, card: Card, where: str) -> list[tuple[str, object]]:
    """Return what is given for each tensor of one input, and where it stands."""
    if len(card.inputs) == 1:
        return [(where, value)]
    names = [tensor.name for tensor in card.inputs]
    if not isinstance(value, Mapping):
        raise refusal(f"{where} is {shortened(value)} instead of an object; {taken(card)}")
    if missing := next((name for name in names if name not in value), None):
        raise refusal(f"{where} lacks {missing}; {taken(card)}")
    if unknown := next((name for name in value if name not in names), None):
        raise refusal(f"{where} has {shortened(unknown)}; {taken(card)}")
    return [(f"{where}.{name}", value[name]) for name in names]


def array_of(value: object, tensor: InputSpec, card: Card, where: str) -> NDArray[np.float64]:
    """Return one array ``[*shape]`` of what a tensor takes."""
    if isinstance(value, np.ndarray):
        return checked(value.astype(np.float64), value, tensor, where)
    shape = tensor.shape
    found = shape_of(value)
    optional = len(list(takewhile(lambda length: length == 1, shape[:-1])))
    if not len(shape) - optional <= len(found) <= len(shape):
        got = f"has the shape {list(found)}" if found else f"is {shortened(value)}"
        raise refusal(f"{where} {got}; {taken(card)}")
    numbers = numbers_of(value, shape[len(shape) - len(found) :], card, where)
    try:
        flat = np.frombuffer(array("d", numbers))
    except OverflowError:  # an integer beyond any float
        flat = np.full(prod(shape), np.inf)
    return checked(flat.reshape(shape), value, tensor, where)


def checked(
    numbers: NDArray[np.float64], value: Any, tensor: InputSpec, where: str
) -> NDArray[np.float64]:
    """Return an array whose numbers are all allowed.

    Args:
        numbers: ``[*shape]``; whole numbers of the ranges that cards may have are exact in it.
        value: what it was made of, to say where a number stands that is not.
        tensor: spec of the tensor that it is for.
        where: place in which it stands.
    """
    low, high = tensor.limits
    is_allowed = low <= numbers.min() and numbers.max() <= high  # both are NaN if any number is
    if tensor.is_integer:
        is_allowed &= (numbers == np.floor(numbers)).all()
    if not is_allowed:
        placed = numbers_in(value.tolist() if isinstance(value, np.ndarray) else value, where)
        index, number = next(
            (at, number)
            for at, number in placed
            if not low <= number <= high or (tensor.is_integer and number % 1)
        )
        raise refusal(f"{index} is {shortened(number)}; allowed is {tensor.allowed}")
    return numbers


def shape_of(value: object) -> tuple[int, ...]:
    """Return the shape that nested lists have if they are not ragged."""
    shape: list[int] = []
    while isinstance(value, list) and len(shape) < SHOWN_AXES:
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def numbers_of(
    value: object, shape: tuple[int, ...], card: Card, where: str
) -> Sequence[int | float]:
    """Return the numbers of nested lists in ``shape``, in C order."""
    items: list[Any] = [value]
    for length in shape:
        if {*map(type, items)} != {list} or {*map(len, items)} != {length}:
            check_lists(value, shape, card, where)
        items = list(chain.from_iterable(items))
    if not NUMBERS.issuperset(map(type, items)):
        check_lists(value, shape, card, where)
    return items


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
    if len(card.inputs) == 1:
        shape = ", ".join(map(str, card.input.shape))
        return f"checkpoint {card.name} takes [n, {shape}]"
    tensors = " and ".join(f"{tensor.name} {list(tensor.shape)}" for tensor in card.inputs)
    return f"checkpoint {card.name} takes objects of {tensors}"


def refusal(message: str) -> InputError:
    """Return the error that blames the field ``inputs``."""
    return InputError(message, "inputs")
