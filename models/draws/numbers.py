"""Types of what noise is drawn into."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.noise import MAX_KEY_INDEX, MAX_SEED, VoteKey

KEY_LIMITS = np.array([MAX_SEED, MAX_KEY_INDEX, MAX_KEY_INDEX], np.int64)

Numbers = NDArray[np.float32] | NDArray[np.uint16]
"""Noise: float32, or bfloat16 in unsigned numbers of 16 bits, since NumPy has no such type."""

Fill = Callable[[NDArray[np.uint64], Sequence[Numbers], NDArray[np.intp], Sequence[Numbers]], None]
"""Takes keys ``[rows, 3]`` of 64, 32 and 32 bits, tables, the table of each row and noise point
``[rows, points]``, and the tensors to fill, one a noise point, C-contiguous ``[rows, ...]``; all
tables are of one type, and so are all tensors."""


def check_keys(keys: NDArray[np.int64]) -> None:
    """Refuse keys ``[rows, 3]`` a part of which would run into another.

    Raises:
        ValueError: a part of a key is out of range.
    """
    outside = ((keys < 0) | (keys > KEY_LIMITS)).any(axis=1)
    if outside.any():
        raise ValueError(f"{VoteKey(*keys[outside][0].tolist())} is out of range")


def is_short(numbers: NDArray[Any]) -> bool:
    """Return whether numbers are bfloat16."""
    return numbers.dtype == np.uint16


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return numbers, none of them NaN, as the nearest of bfloat16, of two the even one."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def as_type_of(tensor: Numbers, values: NDArray[np.float32]) -> Numbers:
    """Return values in the type of a tensor."""
    return to_bfloat16(values) if is_short(tensor) else values


def by_sigma(sigma: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the different sigmas, and which of them each row and point has ``[rows, points]``."""
    if (sigma == sigma[0, 0]).all():  # as a rule; spares sorting
        return sigma[0, :1], np.zeros(sigma.shape, np.intp)
    sigmas, which = np.unique(sigma, return_inverse=True)
    return sigmas, which.reshape(sigma.shape)
