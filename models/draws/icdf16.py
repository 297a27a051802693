"""The scheme ``sfc64-icdf16-1``: one stream a vote, and a table of the normal distribution.

The stream of a vote is keyed by (seed, position of its input, index of the vote); the noise points
take their normals from it one after the other, in graph order, each in C order. For the element
with number ``e`` of the stream:

1. ``SFC64`` of NumPy, seeded with the integer ``seed + 2^64 position + 2^96 vote``, gives 64-bit
   words; word ``e // 4``, read little-endian, holds four 16-bit indices; index ``e % 4`` is taken.
2. The index picks one of the 65,536 values of ``models.noise.standard_normal_table``.

Cutting the normal distribution into 65,536 equally likely steps costs 1e-5 in its distribution
function and limits ``|z|`` to 4.39. Changing anything here is a new scheme with a new id.

``icdf16.c`` does it where it could be built. NumPy gives the same values otherwise, to the bit, at
two and a half times the cost.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from noisevote.models.draws.library import compiled
from noisevote.models.draws.numbers import (
    Fill,
    Numbers,
    as_type_of,
    by_sigma,
    check_keys,
    is_short,
)
from noisevote.models.draws.tables import tables_for
from noisevote.models.noise import Distribution, NoiseKind, VoteKey, noise_table

ICDF16 = "sfc64-icdf16-1"

PIECE = 32_768
"""Values that NumPy looks up at a time."""


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


def fill(
    kind: NoiseKind,
    sigma: NDArray[np.float64],
    keys: NDArray[np.int64],
    noise: Sequence[Numbers],
    distribution: Distribution,
) -> None:
    """Fill the noise tensors of a forward pass; see ``models.draws.tensors.fill_noise``."""
    sigmas, table_of = by_sigma(sigma)
    tables = tables_for(noise_table, kind, sigmas, noise[0], distribution)
    if tables is None:
        fill_without_tables(kind, sigma, keys, noise, distribution)
        return
    FILL(keys.astype(np.uint64), tables, table_of, noise)


def fill_without_tables(
    kind: NoiseKind,
    sigma: NDArray[np.float64],
    keys: NDArray[np.int64],
    noise: Sequence[Numbers],
    distribution: Distribution,
) -> None:
    """Fill the tensors with what tables of each sigma would hold, to the bit.

    One table is kept, of sigma 1; single precision holds it exactly.
    """
    table = noise_table(NoiseKind.ADDITIVE, 1.0, distribution)
    is_rounded = is_short(noise[0])
    drawn = [np.empty(tensor.shape, np.float32) for tensor in noise] if is_rounded else noise
    FILL(keys.astype(np.uint64), [table], np.zeros(sigma.shape, np.intp), drawn)
    for row, of_row in enumerate(sigma):
        for tensor, made, value in zip(drawn, noise, of_row.tolist(), strict=True):
            flat, found = tensor[row].reshape(-1), made[row].reshape(-1)
            for first in range(0, flat.size, PIECE):
                piece = slice(first, first + PIECE)
                finished = kind.finished(value * flat[piece].astype(np.float64))
                found[piece] = as_type_of(found, finished.astype(np.float32))


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


FILL: Fill = compiled("noisevote_fill", "noisevote_fill_short") or fill_in_numpy
"""What fills the tensors here; both ways give the same values."""
