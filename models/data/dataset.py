"""What a data set is, and what is read of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Labels(StrEnum):
    """Where labels come from: from the data, or from the network without noise."""

    GIVEN = "given"
    PREDICTED = "predicted"


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled inputs.

    Attributes:
        inputs: pictures as stored ``[n, channels, height, width]``, uint8, or sequences or
            features as the networks take them ``[n, ...]``, float32; those of a network that takes
            whole numbers are of its own type.
        labels: class of each ``[n]``, int64.
        others: further inputs of a network that takes several, by name ``[n, ...]``.
    """

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.int64]
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Examples":
        """Return the first ``count`` examples, or all if there are fewer."""
        return self.chosen(slice(count))

    def chosen(self, which: NDArray[np.int64] | slice) -> "Examples":
        """Return the examples at these places."""
        others = {name: array[which] for name, array in self.others.items()}
        return Examples(self.inputs[which], self.labels[which], others)


def as_inputs(stored: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return stored inputs as networks take them, in training and in service.

    Pictures are stored as 0..255 and taken as 0..1; sequences are stored as they are taken.
    """
    if stored.dtype == np.uint8:
        return stored.astype(np.float32) / np.float32(255)
    return stored.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set: what its examples are, and how its files are read.

    Attributes:
        name: name in recipes and requests.
        labels: name of each class, in the order of their numbers.
        shape: shape of one input as networks take it, without the batch axis.
        range: smallest and largest value of an input as networks take it.
        preprocessing: how a request's picture becomes such an input, one of
            ``models.inputs.pictures.PREPROCESSINGS``, or its drawing,
            ``models.inputs.strokes.PREPROCESSING``; None if only arrays are taken.
        licence: licence under which the data may be used.
        read: reads the data from a directory, or downloads what is absent; the last argument
            allows contents whose digests are unknown. Raises a DataError if a file is missing,
            damaged or unknown.
        seems_there: whether its files lie in a directory, unread.
    """

    name: str
    labels: tuple[str, ...]
    shape: tuple[int, ...]
    range: tuple[float, float]
    preprocessing: str | None
    licence: str
    read: "Callable[[Dataset, Path, bool], LoadedDataset]"
    seems_there: "Callable[[Dataset, Path], bool]"

    @property
    def has_pictures(self) -> bool:
        """Whether inputs are pictures; else they are sequences or features."""
        return len(self.shape) == 3


@dataclass(frozen=True, slots=True)
class LoadedDataset:
    """The examples of a data set, and what they were read from.

    Attributes:
        about: what they are examples of.
        train: the official training examples, in the official order.
        test: the official test examples, in the official order unless the copy has another.
        digests: SHA-256 of the decompressed content of each file.
        is_official: whether all digests are those of the official files.
        exact_test: where ``test`` is a lossy copy, those official test examples that are at hand
            with exact pixels; else None.
    """

    about: Dataset
    train: Examples
    test: Examples
    digests: dict[str, str]
    is_official: bool
    exact_test: Examples | None = None
