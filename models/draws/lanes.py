"""The scheme ``sfc64x8-icdf4-1``: eight streams a vote, and normals that are computed.

Made for processors that compute several numbers at a time. The streams of a vote are keyed by
(seed, position of its input, index of the vote). The noise points take blocks of 32 normals from
them one after the other, in graph order; each begins a block, and what it leaves of its last one
is lost.

1. Lane ``l`` of 0 to 7 is ``SFC64`` of NumPy, seeded with the integer ``seed + 2^64 position +
   2^96 vote + 2^128 (l + 1)``. Element ``e`` of block ``b`` is index ``e % 4`` of the four 16-bit
   numbers in word ``b`` of lane ``e // 4``, read little-endian.
2. The index, seen as a signed number ``i``, gives ``x = |2 i + 1| = 2^k m`` with ``m`` in [1, 2).
   The finished noise is ``n + s P(m)``: ``s`` the sign of ``2 i + 1``, ``n`` what the noise is
   without noise, ``P`` the polynomial of the octave ``k`` (:data:`COEFFICIENTS`) times sigma: each
   coefficient is multiplied in double precision and rounded. ``P`` is computed by Horner's rule in
   single precision, every product and every sum rounded, so that all machines agree to the bit.

The 65,536 values are as likely as each other, all different, and within 6e-5 of those of
``models.noise.standard_normal_table``; their distribution function is within 1.9e-5 of the normal
one, ``|z|`` at most 4.39, their mean 0 and their variance 1. Other distributions are looked up by
the index. Changing anything here is a new scheme with a new id.

``lanes_avx512.c`` and ``lanes_avx2.c`` compute, ``lanes.c`` looks up elsewhere, NumPy does without
a compiler.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from noisevote.models.draws.library import compiled, library
from noisevote.models.draws.numbers import (
    Fill,
    Numbers,
    as_type_of,
    by_sigma,
)
from noisevote.models.draws.tables import MOST_TABLES, tables_for
from noisevote.models.noise import NORMAL, TABLE_SIZE, Distribution, NoiseKind

LANES8 = "sfc64x8-icdf4-1"

LANES = 8
BLOCK = 32
"""Values of one word of each lane."""

COEFFICIENTS = np.array(
    [
        [0.022000004, 0.0, 0.0, 0.0, 4.365515],
        [0.022000004, 0.0, 0.0, 0.0, 3.969059],
        [0.022000004, 0.0, 0.0, -0.4690856, 4.4899273],
        [0.022000004, -0.15602499, 0.45638815, -0.780861, 4.3011794],
        [0.022000004, -0.15753481, 0.46466354, -0.8025228, 4.1420207],
        [0.022000004, -0.1587361, 0.4721123, -0.8250923, 3.9769638],
        [0.022000004, -0.15998752, 0.48027238, -0.85082006, 3.8058214],
        [0.022000004, -0.16132852, 0.4892815, -0.88017255, 3.6275616],
        [0.022000004, -0.16280665, 0.49939045, -0.9140884, 3.441202],
        [0.022000004, -0.1644779, 0.51093686, -0.95397174, 3.2456353],
        [0.022000004, -0.16639316, 0.5242721, -1.0017474, 3.0394757],
        [0.022000004, -0.16862093, 0.5398433, -1.0603259, 2.8210194],
        [0.022000004, -0.1712233, 0.55800027, -1.1340457, 2.5880315],
        [0.022000004, -0.17426363, 0.5785963, -1.22969, 2.33748],
        [0.022000004, -0.17875521, 0.60291135, -1.3632869, 2.0674539],
        [0.022000004, -0.1936541, 0.6433402, -1.578877, 1.7816544],
    ],
    np.float32,
)
"""Of the octaves 0 to 15, highest power first ``[16, 5]``.

The least largest error within each octave that the means of 65,536 equally likely slices of the
normal distribution leave, given one coefficient of the fourth power for all octaves; that one makes
the error of the distribution function least. All are scaled to a variance of 1.
``tests.models.draws.fit`` computes them.
"""

EXPONENT_AT = 23
MANTISSA = np.uint32(0x7FFFFF)
ONE = np.uint32(0x3F800000)
SIGN = np.uint32(0x80000000)
EXPONENT = np.uint32(0xFF)
BIAS = np.uint32(127)
COMPUTED_EXPONENT = 142
"""Exponent of the octave 0 where ``(i + 1/2) 2^16`` is taken for ``2 i + 1``."""


def indices_of(key: Sequence[int], sizes: Sequence[int]) -> list[NDArray[np.uint16]]:
    """Return the indices of a vote's noise points.

    Args:
        key: of 64, 32 and 32 bits.
        sizes: values of each noise point, in graph order.
    """
    low, middle, high = key
    blocks = [-(-size // BLOCK) for size in sizes]
    words = np.empty((sum(blocks), LANES), "<u8")
    for lane in range(LANES):
        source = np.random.SFC64(low + (middle << 64) + (high << 96) + ((lane + 1) << 128))
        words[:, lane] = source.random_raw(len(words))
    ends = np.cumsum(blocks) * BLOCK
    indices = words.reshape(-1).view("<u2").astype(np.uint16, copy=False)
    return [
        indices[end - BLOCK * count :][:size]
        for end, count, size in zip(ends.tolist(), blocks, sizes, strict=True)
    ]


def fill(
    kind: NoiseKind,
    sigma: NDArray[np.float64],
    keys: NDArray[np.int64],
    noise: Sequence[Numbers],
    distribution: Distribution,
) -> None:
    """Fill the noise tensors of a forward pass; see ``models.draws.tensors.fill_noise``."""
    unsigned = keys.astype(np.uint64)
    sigmas, table_of = by_sigma(sigma)
    if COMPUTE is not None and distribution == NORMAL:
        COMPUTE(unsigned, [*computed_tables(kind, sigmas)], table_of, noise)
        return
    tables = tables_for(finished_table, kind, sigmas, noise[0], distribution)
    if tables is None:
        fill_without_tables(kind, sigma, unsigned, noise, distribution)
        return
    LOOK_UP(unsigned, tables, table_of, noise)


def computed_tables(kind: NoiseKind, sigmas: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what the compiled variants that compute take for each sigma ``[sigmas, 81]``.

    The coefficients ``[5, 16]``, in the order of the last four bits of the exponent, and what the
    noise is without noise.
    """
    octave = (np.arange(16) - COMPUTED_EXPONENT) % 16
    scaled = COEFFICIENTS[octave].T.ravel() * sigmas[:, np.newaxis]
    tables = np.empty((len(sigmas), scaled.shape[1] + 1), np.float32)
    tables[:, :-1] = scaled
    tables[:, -1] = kind.neutral
    return tables


def finished(
    kind: NoiseKind, sigma: float, distribution: Distribution, indices: NDArray[np.uint16]
) -> NDArray[np.float32]:
    """Return the finished noise of indices, in their shape."""
    if distribution != NORMAL:
        looked_up: NDArray[np.float64] = kind.finished(sigma * distribution.values()[indices])
        return looked_up.astype(np.float32)
    coefficients = (COEFFICIENTS * np.float64(sigma)).astype(np.float32)
    odd = (2 * indices.view(np.int16).astype(np.int32) + 1).astype(np.float32)
    bits = odd.view(np.uint32)
    octave = (bits >> EXPONENT_AT & EXPONENT) - BIAS
    mantissa = (bits & MANTISSA | ONE).view(np.float32)
    value = coefficients[octave, 0]
    for power in range(1, coefficients.shape[1]):
        value = value * mantissa + coefficients[octave, power]
    signed: NDArray[np.float32] = (value.view(np.uint32) ^ (bits & SIGN)).view(np.float32)
    return signed + np.float32(kind.neutral)


@lru_cache(maxsize=MOST_TABLES)
def finished_table(
    kind: NoiseKind, sigma: float, distribution: Distribution = NORMAL
) -> NDArray[np.float32]:
    """Return the finished noise of all indices ``[65536]``."""
    table = finished(kind, sigma, distribution, np.arange(TABLE_SIZE, dtype=np.uint16))
    table.flags.writeable = False
    return table


def fill_without_tables(
    kind: NoiseKind,
    sigma: NDArray[np.float64],
    keys: NDArray[np.uint64],
    noise: Sequence[Numbers],
    distribution: Distribution,
) -> None:
    """Fill the tensors with what tables of each sigma would hold, to the bit."""
    sizes = [tensor[0].size for tensor in noise]
    for row, key in enumerate(keys.tolist()):
        for point, indices in enumerate(indices_of(key, sizes)):
            values = finished(kind, float(sigma[row, point]), distribution, indices)
            noise[point][row].reshape(-1)[:] = as_type_of(noise[point], values)


def look_up_in_numpy(
    keys: NDArray[np.uint64],
    tables: Sequence[Numbers],
    table_of: NDArray[np.intp],
    noise: Sequence[Numbers],
) -> None:
    """Fill the tensors without compiled code; see ``models.draws.numbers.Fill``."""
    sizes = [tensor[0].size for tensor in noise]
    for row, key in enumerate(keys.tolist()):
        for point, indices in enumerate(indices_of(key, sizes)):
            values = noise[point][row].reshape(-1)
            np.take(tables[table_of[row, point]], indices, out=values, mode="wrap")


def computing() -> Fill | None:
    """Return what computes normals on this processor, or None."""
    found = library()
    width = 0 if found is None else found.noisevote_lanes_width()
    return variant_of(width) if width else None


def variant_of(width: int) -> Fill | None:
    """Return the variant for registers of 256 or 512 bits; None without the library."""
    return compiled(f"noisevote_lanes_{width}", f"noisevote_lanes_short_{width}")


COMPUTE = computing()
"""What fills tensors with normals here, of :func:`computed_tables`; None: they are looked up."""

LOOK_UP: Fill = compiled("noisevote_lanes", "noisevote_lanes_short") or look_up_in_numpy
"""What fills tensors by tables."""
