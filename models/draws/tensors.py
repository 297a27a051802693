"""The noise tensors of a graph, filled anew for every forward pass."""

import threading
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.draws.numbers import Numbers, check_keys
from noisevote.models.draws.schemes import FIRST, NoiseScheme
from noisevote.models.noise import NORMAL, Distribution, NoiseKind, VoteKey


class NoiseTensors:
    """The noise tensors of a graph.

    Each thread has its own and keeps them: fresh pages would cost more than the noise.

    Args:
        shapes: shapes of one row of each tensor, in graph order.
        scheme: scheme of the draws.
        is_short: whether they hold bfloat16.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        scheme: NoiseScheme = FIRST,
        is_short: bool = False,
    ) -> None:
        self._shapes = shapes
        self._scheme = scheme
        self._dtype = np.dtype(np.uint16 if is_short else np.float32)
        self._buffers = threading.local()

    def filled(
        self,
        kind: NoiseKind,
        sigma: NDArray[np.float64],
        keys: Sequence[VoteKey],
        distribution: Distribution = NORMAL,
    ) -> list[NDArray[Any]]:
        """Return the tensors ``[rows, *shape]`` of this thread; see :func:`fill_noise`."""
        tensors = self._empty(len(keys))
        fill_noise(kind, sigma, keys, tensors, distribution, self._scheme)
        return tensors

    def _empty(self, rows: int) -> list[NDArray[Any]]:
        kept: Numbers | None = getattr(self._buffers, "flat", None)
        ends = np.cumsum([rows * prod(shape) for shape in self._shapes]).tolist()
        if kept is None or kept.size < ends[-1]:
            kept = np.empty(ends[-1], self._dtype)
            self._buffers.flat = kept
        return [
            kept[start:end].reshape(rows, *shape)
            for start, end, shape in zip([0, *ends], ends, self._shapes, strict=False)
        ]


def fill_noise(
    kind: NoiseKind,
    sigma: NDArray[np.float64],
    keys: Sequence[VoteKey],
    noise: Sequence[Numbers],
    distribution: Distribution = NORMAL,
    scheme: NoiseScheme = FIRST,
) -> None:
    """Fill the noise tensors of all rows of a forward pass.

    Args:
        kind: multiplicative or additive.
        sigma: standard deviation of each row and noise point ``[rows, points]``.
        keys: key of each row.
        noise: for each noise point, in graph order, the C-contiguous tensor ``[rows, ...]`` to
            fill. Points of sigma 0 use up their normals as well, so that the noise of a later
            point does not depend on the sigma of an earlier one. Tensors of bfloat16 take what
            those of float32 would hold, rounded.
        distribution: distribution of all of it.
        scheme: scheme of the draws.

    Raises:
        ValueError: a key is out of range, or a tensor is not C-contiguous.
    """
    numbers = np.array(keys, np.int64)
    check_keys(numbers)
    if not all(tensor.flags.c_contiguous for tensor in noise):
        raise ValueError("noise tensors must be C-contiguous")
    scheme.fill(kind, sigma, numbers, noise, distribution)
