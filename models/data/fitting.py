"""Samples become inputs and labels of a network, or a sentence says why they do not fit it."""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.data.dataset import Dataset
from noisevote.models.data.samples import Samples
from noisevote.models.errors import DataError
from noisevote.models.specs import InputSpec

INPUTS = "inputs"
"""What the array of a network with one input is called, if not by the input's name."""

SAME_SCALE = 3
"""How many times as wide as the samples of the import others may be, or as narrow."""

SHOWN_NAMES = 10
"""Labels or arrays that a message lists."""


def labels_for(samples: Samples, labels: Sequence[str], checkpoint: str) -> NDArray[np.int64]:
    """Return the class of each sample ``[n]``.

    Labels are names of classes; where they are not, but are all numbers from 0, those of classes.

    Args:
        samples: with labels.
        labels: of the checkpoint, in the order of its outputs.
        checkpoint: its name.

    Raises:
        DataError: there are no labels, or one is no class.
    """
    given = samples.content.labels
    if given is None:
        held = ", ".join(samples.content.arrays)
        raise DataError(
            f"{samples.source} has no labels{f' but {held}' if held else ''}; with --labels "
            "predicted the answers of the noiseless network stand for them"
        )
    for known in ways_to_name(labels, samples.dataset):
        if known.keys() >= set(given):
            return np.array([known[label] for label in given], np.int64)
    numbers = ways_to_name(labels, None)[-1]
    wrong = sorted({label for label in given if label not in labels and label not in numbers})
    wrong = wrong or sorted(set(given) - set(labels))
    as_numbers = "" if numbers.keys() == set(labels) else f", or as numbers 0 to {len(labels) - 1}"
    unnamed = "; name its classes, in the order of its outputs, with --labels where it is made"
    raise DataError(
        f"{shown(wrong)} {'is no label' if len(wrong) == 1 else 'are no labels'} of checkpoint "
        f"{checkpoint}; it has {shown(labels)}{as_numbers or unnamed}"
    )


def ways_to_name(labels: Sequence[str], dataset: Dataset | None) -> list[dict[str, int]]:
    """Return the ways in which samples may name classes, the first that fits is taken."""
    ways = [{label: number for number, label in enumerate(labels)}]
    if dataset is not None and len(dataset.labels) == len(labels):
        ways.append({label: number for number, label in enumerate(dataset.labels)})
    return [*ways, {str(number): number for number in range(len(labels))}]


def arrays_for(
    samples: Samples, inputs: Sequence[InputSpec], checkpoint: str
) -> dict[str, NDArray[Any]]:
    """Return the array of each input by its name, ``[n, *shape]``, with values as they were given.

    Args:
        samples: of arrays.
        inputs: of the checkpoint.
        checkpoint: its name.

    Raises:
        DataError: one lacks, or is of another shape.
    """
    arrays = samples.content.arrays
    names = [tensor.name for tensor in inputs]
    if len(inputs) == 1 and names[0] not in arrays and INPUTS in arrays:
        arrays = {names[0]: arrays[INPUTS]}
    if lacking := [name for name in names if name not in arrays]:
        needed = f"{lacking[0]} or {INPUTS}" if len(names) == 1 else shown(names)
        raise DataError(
            f"{samples.source} has the arrays {shown(sorted(arrays))}; checkpoint {checkpoint} "
            f"takes {needed}"
        )
    return {
        tensor.name: shaped(arrays[tensor.name], tensor, samples, checkpoint) for tensor in inputs
    }


def shaped(
    array: NDArray[Any], tensor: InputSpec, samples: Samples, checkpoint: str
) -> NDArray[Any]:
    """Return an array whose rows have the shape of an input; rows of features take it."""
    size = prod(tensor.shape)
    if samples.content.has_rows and array.shape[1:] == (size,):
        return array.reshape(-1, *tensor.shape)
    if array.shape[1:] != tensor.shape:
        got = (
            f"rows of {array.shape[1]} numbers"
            if samples.content.has_rows
            else f"{tensor.name} of the shape {list(array.shape[1:])}"
        )
        taken = f"{list(tensor.shape)}" + (f", {size} numbers" if len(tensor.shape) > 1 else "")
        raise DataError(
            f"{samples.source} has {got}; checkpoint {checkpoint} takes {taken} for each sample"
        )
    return array


def as_taken(
    array: NDArray[Any], tensor: InputSpec, samples: Samples, checkpoint: str
) -> NDArray[Any]:
    """Return an array in the type of an input.

    Raises:
        DataError: a value is no number, is not whole where it must be, or is out of range.
    """
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"{samples.source} has {tensor.name} of the type {array.dtype}; needed are numbers"
        )
    low, high = tensor.limits
    if tensor.is_integer:
        values = array
        is_wrong = ~np.isfinite(array) | (np.trunc(array) != array)
        if is_wrong.any():
            raise DataError(
                f"{first_name(samples, is_wrong)} has {first(array, is_wrong)} in {tensor.name}; "
                f"checkpoint {checkpoint} takes whole numbers"
            )
    else:
        with np.errstate(over="ignore"):
            values = array.astype(np.float32, copy=False)
        low, high = float(np.float32(low)), float(np.float32(high))  # as exact as the values
    is_wrong = ~((values >= low) & (values <= high))
    if is_wrong.any():  # NaN, too
        raise DataError(
            f"{first_name(samples, is_wrong)} has {first(values, is_wrong)} in {tensor.name}; "
            f"checkpoint {checkpoint} takes "
            + ("finite numbers" if tensor.range is None else f"{low:g} to {high:g}")
            + f", and {samples.source} holds {np.min(values):g} to {np.max(values):g}"
        )
    return values.astype(tensor.dtype, copy=False)


def doubt_about(array: NDArray[Any], tensor: InputSpec) -> str | None:
    """Return why samples look scaled otherwise than those of the import; None if they do not.

    Args:
        array: as an input ``[n, *shape]``.
        tensor: the input.
    """
    if tensor.seen is None:
        return None
    low, high = tensor.seen
    least, most = float(array.min()), float(array.max())
    span = max(high - low, 1e-9)
    if SAME_SCALE * (most - least) >= span and most - least <= SAME_SCALE * span:
        return None
    return (
        f"the samples hold {least:g} to {most:g}, those of the import held {low:g} to {high:g}: "
        "are they scaled as the network learnt it?"
    )


def first_name(samples: Samples, is_wrong: NDArray[np.bool_]) -> str:
    """Return the name of the first sample that has a wrong value."""
    place = int(is_wrong.reshape(len(is_wrong), -1).any(axis=1).argmax())
    return f"{samples.source}, sample {samples.content.names[place]}"


def first(values: NDArray[Any], is_wrong: NDArray[np.bool_]) -> str:
    """Return the first wrong value."""
    return f"{values[is_wrong][0]:g}"


def shown(names: Iterable[str]) -> str:
    """Return names for a message, not too many."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN_NAMES} more" if len(listed) > SHOWN_NAMES else ""
    return ", ".join(listed[:SHOWN_NAMES]) + more
