"""Whether outputs stand in another order than the labels that were given for them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SURELY = 0.8
"""Accuracy that a network has in the order of its outputs, if it has learned the classes."""

TIMES = 2
"""How many times as accurate as in the given order it has to be in another one."""


def order_of_outputs(
    answers: NDArray[np.int64], labels: NDArray[np.int64], names: Sequence[str]
) -> tuple[str, ...] | None:
    """Return the names in the order of the outputs; None where nothing speaks for another order.

    Each output gets the class that most of its samples have.

    Args:
        answers: output with the highest score, for each sample ``[n]``.
        labels: class of each sample, by the given order ``[n]``.
        names: of the classes, in the given order.
    """
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (answers, labels), 1)
    order = counts.argmax(axis=1)
    if len(set(order.tolist())) != len(names):
        return None
    right = counts[np.arange(len(names)), order].sum()
    if right < SURELY * len(labels) or right <= TIMES * counts.trace():
        return None
    return tuple(names[number] for number in order)
