"""Labelled samples, and the random draws that belong to each of them."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.errors import InputError


class Purpose(IntEnum):
    """What random draws are for; draws for different purposes never meet."""

    START = 1
    SQUARE = 2
    CONTROL = 3
    DECISION = 4
    TARGET = 5


def generator_for(seed: int, purpose: Purpose, *key: int) -> np.random.Generator:
    """Return the generator of one purpose and key, such as a sample's index.

    Draws keyed by a sample do not depend on which other samples are attacked beside it.
    """
    return np.random.default_rng((seed, int(purpose), *key))


@dataclass(frozen=True, slots=True)
class Samples:
    """Labelled inputs under attack.

    Attributes:
        inputs: ``[n, *shape]``, float32, in the networks' input range.
        labels: class of each ``[n]``, int64.
        indices: number of each in its data set ``[n]``, int64; their random draws are keyed by it.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "Samples":
        """Return the chosen samples, in order."""
        return Samples(self.inputs[chosen], self.labels[chosen], self.indices[chosen])

    def with_inputs(self, inputs: NDArray[np.float32]) -> "Samples":
        """Return the same samples with other inputs, such as adversarial ones."""
        return Samples(inputs, self.labels, self.indices)


def samples_for(card: Card, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Samples:
    """Number labelled inputs from 0 and check that they fit a checkpoint.

    Raises:
        InputError: there are none, or their number, shape, range or labels are wrong.
    """
    if len(inputs) == 0:
        raise InputError("there are no samples; at least one is needed", "samples")
    if labels.shape != (len(inputs),):
        raise InputError(
            f"there are {len(inputs)} samples and {labels.size} labels; each needs one", "labels"
        )
    if inputs.shape[1:] != card.input.shape:
        raise InputError(
            f"samples have the shape {list(inputs.shape[1:])}; checkpoint {card.name} takes "
            f"{list(card.input.shape)}",
            "samples",
        )
    low, high = card.input.range
    outside = ~((inputs >= low) & (inputs <= high)).reshape(len(inputs), -1).all(axis=1)
    if outside.any():  # NaN, too
        raise InputError(
            f"sample {int(outside.argmax())} has values outside {low:g} to {high:g}", "samples"
        )
    wrong = (labels < 0) | (labels >= len(card.labels))
    if wrong.any():
        raise InputError(
            f"label {int(labels[wrong][0])} is out of range; checkpoint {card.name} has the "
            f"classes 0 to {len(card.labels) - 1}",
            "labels",
        )
    return Samples(
        inputs.astype(np.float32, copy=False), labels.astype(np.int64), np.arange(len(inputs))
    )
