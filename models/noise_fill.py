"""The keyed draws: noise tensors filled with what the scheme of ``models.noise`` says.

``noise_fill.c`` does it where the installation could build it; it needs a C compiler and nothing
else. NumPy gives the same values otherwise, to the bit.
"""

import ctypes
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.noise import (
    MAX_KEY_INDEX,
    MAX_SEED,
    NORMAL,
    Distribution,
    NoiseKind,
    VoteKey,
    noise_table,
)

KEY_LIMITS = np.array([MAX_SEED, MAX_KEY_INDEX, MAX_KEY_INDEX], np.int64)

PIECE = 32_768
"""Values that NumPy looks up at a time."""

MOST_TABLES = 128
"""Of a forward pass, 256 KiB each: a large network has hundreds of noise points, and each vote of a
pass may have sigmas of its own at all of them."""

LIBRARY = "_noise_fill"

Numbers = NDArray[np.float32] | NDArray[np.uint16]
"""Noise: float32, or bfloat16 in unsigned numbers of 16 bits, since NumPy has no such type."""

Fill = Callable[[NDArray[np.uint64], Sequence[Numbers], NDArray[np.intp], Sequence[Numbers]], None]
"""Takes keys ``[rows, 3]`` of 64, 32 and 32 bits, tables, the table of each row and noise point
``[rows, points]``, and the tensors to fill, one a noise point, C-contiguous ``[rows, ...]``; tables
and tensors are of one type."""


def noise_indices(key: VoteKey, count: int) -> NDArray[np.uint16]:
    """Return the first ``count`` table indices of a vote's stream.

    Raises:
        ValueError: a part of the key is out of range and would run into another.
    """
    check_keys(np.array([key], np.int64))
    return indices_of(key, count)


def indices_of(key: Sequence[int], count: int) -> NDArray[np.uint16]:
    """Return the first ``count`` table indices of a stream, by its key of 64, 32 and 32 bits."""
    low, middle, high = key
    source = np.random.SFC64(low + (middle << 64) + (high << 96))
    words = source.random_raw(-(-count // 4)).astype("<u8", copy=False)
    return words.view("<u2")[:count].astype(np.uint16, copy=False)


def check_keys(keys: NDArray[np.int64]) -> None:
    """Refuse keys ``[rows, 3]`` a part of which would run into another."""
    outside = ((keys < 0) | (keys > KEY_LIMITS)).any(axis=1)
    if outside.any():
        raise ValueError(f"{VoteKey(*keys[outside][0].tolist())} is out of range")


class NoiseTensors:
    """The noise tensors of a graph, filled anew for every forward pass.

    Each thread has its own and keeps them: fresh pages would cost more than the noise.

    Args:
        shapes: shapes of one row of each tensor, in graph order.
        is_short: whether they hold bfloat16.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], is_short: bool = False) -> None:
        self._shapes = shapes
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
        fill_noise(kind, sigma, keys, tensors, distribution)
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

    Raises:
        ValueError: a key is out of range, or a tensor is not C-contiguous.
    """
    numbers = np.array(keys, np.int64)
    check_keys(numbers)
    if not all(tensor.flags.c_contiguous for tensor in noise):
        raise ValueError("noise tensors must be C-contiguous")
    if (sigma == sigma[0, 0]).all():  # as a rule; spares sorting
        sigmas, table_of = sigma[0, :1], np.zeros(sigma.shape, np.intp)
    else:
        sigmas, table_of = np.unique(sigma, return_inverse=True)
    if len(sigmas) > MOST_TABLES:
        fill_without_tables(kind, sigma, numbers, noise, distribution)
        return
    table_for = short_table if noise[0].dtype == np.uint16 else noise_table
    tables = [table_for(kind, value, distribution) for value in sigmas.tolist()]
    FILL(numbers.astype(np.uint64), tables, table_of.reshape(sigma.shape), noise)


def fill_without_tables(
    kind: NoiseKind,
    sigma: NDArray[np.float64],
    keys: NDArray[np.int64],
    noise: Sequence[Numbers],
    distribution: Distribution,
) -> None:
    """Fill the tensors with what tables of each sigma would hold, to the bit.

    See :func:`fill_noise`. One table is kept, of sigma 1; single precision holds it exactly.
    """
    table = noise_table(NoiseKind.ADDITIVE, 1.0, distribution)
    is_short = noise[0].dtype == np.uint16
    drawn = [np.empty(tensor.shape, np.float32) for tensor in noise] if is_short else noise
    FILL(keys.astype(np.uint64), [table], np.zeros(sigma.shape, np.intp), drawn)
    for row, of_row in enumerate(sigma):
        for tensor, made, value in zip(drawn, noise, of_row.tolist(), strict=True):
            flat, found = tensor[row].reshape(-1), made[row].reshape(-1)
            for first in range(0, flat.size, PIECE):
                piece = slice(first, first + PIECE)
                finished = kind.finished(value * flat[piece].astype(np.float64))
                found[piece] = to_bfloat16(finished.astype(np.float32)) if is_short else finished


@lru_cache(maxsize=MOST_TABLES)
def short_table(kind: NoiseKind, sigma: float, distribution: Distribution) -> NDArray[np.uint16]:
    """Return the values of :func:`noisevote.models.noise.noise_table` as bfloat16."""
    table = to_bfloat16(noise_table(kind, sigma, distribution))
    table.flags.writeable = False
    return table


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return numbers, none of them NaN, as the nearest of bfloat16, of two the even one."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def fill_in_numpy(
    keys: NDArray[np.uint64],
    tables: Sequence[Numbers],
    table_of: NDArray[np.intp],
    noise: Sequence[Numbers],
) -> None:
    """Fill the tensors without compiled code; see :data:`Fill`."""
    flat = [tensor.reshape(tensor.shape[0], -1) for tensor in noise]
    ends = np.cumsum([tensor.shape[1] for tensor in flat]).tolist()
    for row, key in enumerate(keys.tolist()):
        indices = indices_of(key, ends[-1])
        start = 0
        for point, end in enumerate(ends):
            table = tables[table_of[row, point]]
            # Widened inside NumPy, in pieces, so that they stay in the cache. Indices are below
            # 65,536 by construction; "wrap" only spares a bounds check.
            for first in range(start, end, PIECE):
                last = min(first + PIECE, end)
                values = flat[point][row, first - start : last - start]
                np.take(table, indices[first:last], out=values, mode="wrap")
            start = end


def compiled_fill() -> Fill | None:
    """Return the compiled filler, or None if it was not built; it runs without Python's lock."""
    folder = Path(__file__).parent
    built = [folder / (LIBRARY + suffix) for suffix in EXTENSION_SUFFIXES]
    path = next((file for file in built if file.is_file()), None)
    if path is None:
        return None
    library = ctypes.CDLL(str(path))
    functions = {
        np.dtype(np.float32): library.noisevote_fill,
        np.dtype(np.uint16): library.noisevote_fill_short,
    }
    for function in functions.values():
        function.argtypes = [ctypes.c_size_t, ctypes.c_size_t, *[ctypes.c_void_p] * 4]
        function.restype = None

    def fill(
        keys: NDArray[np.uint64],
        tables: Sequence[Numbers],
        table_of: NDArray[np.intp],
        noise: Sequence[Numbers],
    ) -> None:
        sizes = np.array([tensor[0].size for tensor in noise], np.uintp)
        table_at = addresses(tables)[table_of]
        tensor_at = addresses(noise)
        fill_with = functions[noise[0].dtype]
        fill_with(*table_of.shape, *addresses((keys, sizes, table_at, tensor_at)).tolist())

    return fill


def addresses(arrays: Sequence[NDArray[Any]]) -> NDArray[np.uintp]:
    """Return where arrays lie in memory; they must outlive the use."""
    return np.array([array.__array_interface__["data"][0] for array in arrays], np.uintp)


FILL: Fill = compiled_fill() or fill_in_numpy
"""What fills the tensors here; both ways give the same values."""
