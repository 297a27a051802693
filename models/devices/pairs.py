"""Pairs of cells: which of the two holds a weight.

The cell of the weight's sign is the active one; the other is idle, at the smallest conductance.
Signs of weights are as good as random, so branches on them cost more than all else: single
precision is exchanged and negated by its bits.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Draws = dict[str, NDArray[Any]]

SIGN = np.int32(-(2**31))
"""The bit of the sign."""


def exchanged(draws: Mapping[str, NDArray[Any]], weights: Singles) -> tuple[Draws, Draws]:
    """Return the draws of active cells and of idle ones, without the sign.

    Args:
        draws: of the cells ``+`` and ``-``: ``program+``, ``program-``.
        weights: of each pair.
    """
    is_minus = np.right_shift(weights.view(np.int32), 31)
    active, idle = {}, {}
    for part, plus in draws.items():
        if part.endswith("+"):
            kind = part.removesuffix("+")
            active[kind], idle[kind] = pair_of(plus, draws[kind + "-"], is_minus)
    return active, idle


def pair_of(
    plus: NDArray[Any], minus: NDArray[Any], is_minus: NDArray[np.int32]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two arrays, exchanged where all bits are set."""
    if plus.dtype != np.float32 or minus.dtype != np.float32:
        return np.where(is_minus, minus, plus), np.where(is_minus, plus, minus)
    one, other = plus.view(np.int32), minus.view(np.int32)
    differing = one ^ other
    differing &= is_minus
    return (one ^ differing).view(np.float32), (other ^ differing).view(np.float32)


def signed(magnitudes: Singles, weights: Singles) -> Singles:
    """Negate magnitudes where weights are negative, and return them."""
    bits = magnitudes.view(np.int32)
    bits ^= weights.view(np.int32) & SIGN
    return magnitudes
