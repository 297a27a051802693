"""From what a request holds to what a network takes: arrays, pictures, noise."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.errors import InputError
from models.noise import NoiseKind, sigma_from_snr_db
from models.pictures import decode_base64, preprocess
from service.schemas import PredictRequest, shortened


def inputs_of(request: PredictRequest, card: Card) -> NDArray[np.float32]:
    """Return the request's inputs ``[inputs, *input_shape]``.

    Raises:
        InputError: they do not fit the checkpoint; the message says where and what would.
    """
    if request.image is not None:
        return preprocess(card.input.preprocessing, decode_base64(request.image))[np.newaxis]
    if request.strokes is not None:
        raise InputError(
            f"checkpoint {card.name} reads pictures, not strokes; send image or inputs", "strokes"
        )
    return arrays_of(request.inputs or [], card)


def arrays_of(values: list[Any], card: Card) -> NDArray[np.float32]:
    """Return nested lists of numbers as inputs ``[inputs, *input_shape]``.

    Raises:
        InputError: ragged, not numbers, of another shape, not finite or out of range.
    """
    shape = card.input.shape
    try:
        found = np.array(values)
    except (ValueError, OverflowError):  # ragged, or an integer too long for any type
        found = np.array(None)
    if found.dtype.kind not in "fiu":
        raise InputError(fault_in(values, len(shape) + 1), "inputs")
    short = tuple(length for length in shape if length != 1)
    squeezed = tuple(length for length in found.shape[1:] if length != 1)
    if squeezed != short or found.ndim > len(shape) + 1:
        raise InputError(
            f"inputs has the shape {list(found.shape)}; checkpoint {card.name} takes "
            f"[n, {', '.join(map(str, shape))}]",
            "inputs",
        )
    low, high = card.input.range
    outside = ~((found >= low) & (found <= high))  # written so that NaN is outside, too
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        where = "".join(f"[{i}]" for i in index)
        raise InputError(
            f"inputs{where} is {shortened(found[index].item())}; allowed is {low:g} to {high:g}",
            "inputs",
        )
    return found.reshape(len(found), *shape).astype(np.float32)


def fault_in(values: object, depth: int) -> str:
    """Return a sentence on the first fault of nested lists that make no array of numbers."""
    path = "inputs"
    while isinstance(values, list):
        lengths = [len(value) if isinstance(value, list) else None for value in values]
        odd = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
        if odd is not None:
            return (
                f"{path} is ragged: {path}[0] {described(values[0])}, "
                f"{path}[{odd}] {described(values[odd])}; all must have the same shape"
            )
        if depth <= 0:
            return f"{path} is nested too deeply"
        if lengths and lengths[0] is None:
            wrong = (i for i, value in enumerate(values) if not is_number(value))
            index = next(wrong, 0)
            return f"{path}[{index}] is {shortened(values[index])}; only numbers are allowed"
        if not values:
            return f"{path} is empty"
        inner = next((i for i, value in enumerate(values) if has_fault(value)), 0)
        values, path, depth = values[inner], f"{path}[{inner}]", depth - 1
    return f"{path} is not an array of numbers"


def has_fault(value: object) -> bool:
    """Return whether nested lists make no array of numbers by themselves."""
    try:
        return np.array(value).dtype.kind not in "fiu"
    except (ValueError, OverflowError):
        return True


def is_number(value: object) -> bool:
    """Return whether a JSON value is a number that fits a 64-bit type."""
    return isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    )


def described(value: object) -> str:
    """Return what a value is, for a message about ragged lists."""
    if isinstance(value, list):
        return f"has {len(value)} items"
    return f"is {shortened(value)}"


def kind_of(request: PredictRequest, card: Card) -> NoiseKind:
    """Return the kind of noise that the request asks for.

    Raises:
        InputError: another kind than the checkpoint's, without a sigma of its own.
    """
    kind = request.noise or card.noise.kind
    if request.snr_db is not None and kind is not NoiseKind.MULTIPLICATIVE:
        raise InputError(
            "snr_db is defined for multiplicative noise only; give sigma instead", "snr_db"
        )
    if kind is not card.noise.kind and request.sigma is None and request.snr_db is None:
        raise InputError(
            f"checkpoint {card.name} was trained for {card.noise.kind} noise; for {kind} noise "
            "give a sigma",
            "sigma",
        )
    return kind


def asked_sigma(request: PredictRequest, card: Card) -> float | dict[str, float]:
    """Return the sigma of one read, as asked or by default.

    Raises:
        InputError: a map names a noise point that the checkpoint does not have.
    """
    if request.snr_db is not None:
        return sigma_from_snr_db(request.snr_db)
    if request.sigma is None:
        return card.noise.sigma_train
    if isinstance(request.sigma, dict):
        check_points(request.sigma, card, "sigma")
        return {point.name: request.sigma.get(point.name, 0.0) for point in card.noise_points}
    return request.sigma


def effective_sigma(
    sigma: float | Mapping[str, float], repeats: Mapping[str, int] | None, card: Card
) -> NDArray[np.float64]:
    """Return the sigma of each noise point after averaging its reads ``[points]``.

    Averaging r independent Gaussian reads divides sigma by the square root of r, exactly.

    Raises:
        InputError: ``repeats`` names a noise point that the checkpoint does not have.
    """
    check_points(repeats or {}, card, "repeats")
    names = [point.name for point in card.noise_points]
    of_read = [sigma[name] if isinstance(sigma, Mapping) else sigma for name in names]
    reads = [(repeats or {}).get(name, 1) for name in names]
    return np.array(of_read, np.float64) / np.sqrt(np.array(reads, np.float64))


def check_points(given: Mapping[str, object], card: Card, field: str) -> None:
    """Refuse names that are no noise points of the checkpoint."""
    names = [point.name for point in card.noise_points]
    for name in given:
        if name not in names:
            raise InputError(
                f"{shortened(name)} is no noise point of checkpoint {card.name}; it has "
                f"{', '.join(names)}",
                field,
            )
