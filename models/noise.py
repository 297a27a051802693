"""Analog noise: its kinds, its strength, and the keyed draws that every vote is made of.

A vote's noise is the finished tensor of each noise point: the factor ``1 + sigma z`` or the
summand ``sigma z``, with ``z`` standard normal. The stream of ``z`` is keyed by (seed, input
position in the request, vote index) and by nothing else: not by the batch in which the vote is
computed, the stop rule, sigma or the checkpoint. The noise points of a network take their normals
from the stream one after the other, in graph order, each in C order.

The scheme (:data:`NOISE_SCHEME`), for the element with number ``e`` of a vote's stream:

1. ``SFC64`` of NumPy, seeded with the integer ``seed + 2^64 position + 2^96 vote``, gives 64-bit
   words; word ``e // 4``, read little-endian, holds four 16-bit indices; index ``e % 4`` is taken.
2. The index picks one of the 65,536 values of :func:`standard_normal_table`.

Cutting the normal distribution into 65,536 equally likely steps costs 1e-5 in its distribution
function and limits ``|z|`` to 4.39. Changing anything here is a new scheme with a new id.

Source: Qin & Vucinic, arXiv 1811.10649, section 2 (noise models, signal-to-noise ratio).
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.native import Fill, compiled_fill

NOISE_SCHEME = "sfc64-icdf16-1"
"""Names the scheme above; part of every fingerprint."""

MAX_SEED = 2**53 - 1
"""Largest seed: every JSON reader can hold it exactly."""

MAX_SIGMA = 1000.0
"""Largest standard deviation of any noise, in units of the signal or absolute."""

MAX_KEY_INDEX = 2**32 - 1
"""Largest input position and vote index."""

KEY_LIMITS = np.array([MAX_SEED, MAX_KEY_INDEX, MAX_KEY_INDEX], np.int64)

TABLE_SIZE = 65_536

PIECE = 32_768
"""Values that NumPy looks up at a time."""


class NoiseKind(StrEnum):
    """How noise meets the signal: ``y = act((Wx + b) * n)`` or ``y = act(Wx + b + n)``."""

    MULTIPLICATIVE = "multiplicative"
    ADDITIVE = "additive"


class VoteKey(NamedTuple):
    """What a vote's noise depends on.

    Attributes:
        seed: seed of the request, 0 to 2^53 - 1.
        position: position of the input in its request, from 0.
        vote: index of the vote, from 0.
    """

    seed: int
    position: int
    vote: int


def sigma_text(sigma: float | Mapping[str, float]) -> str:
    """Return a sigma as people read it: a number, or one for each noise point."""
    if isinstance(sigma, Mapping):
        return ", ".join(f"{point} {value:g}" for point, value in sigma.items())
    return f"{sigma:g}"


def snr_db_from_sigma(sigma: float) -> float:
    """Return the signal-to-noise power ratio in dB of multiplicative noise of ``sigma``.

    The ratio is ``1 / sigma^2``: sigma 1 is 0 dB, 0.1 is 20 dB, 0 is infinite.
    """
    return math.inf if sigma == 0 else -20 * math.log10(sigma) + 0.0


def sigma_from_snr_db(snr_db: float) -> float:
    """Return the sigma of multiplicative noise with a signal-to-noise power ratio in dB."""
    return float(10 ** (-snr_db / 20))


def sigma_of_points(
    points: Sequence[str], sigma: float | Mapping[str, float], repeats: Mapping[str, int]
) -> NDArray[np.float64]:
    """Return the sigma of each noise point after averaging its reads ``[points]``.

    Averaging r independent Gaussian reads divides sigma by the square root of r, exactly.

    Args:
        points: their names, in graph order.
        sigma: of one read, at all points or by name; points left out get no noise.
        repeats: reads averaged, by name; 1 where none are given.
    """
    of_read = [sigma.get(name, 0.0) if isinstance(sigma, Mapping) else sigma for name in points]
    reads = [repeats.get(name, 1) for name in points]
    return np.array(of_read, np.float64) / np.sqrt(np.array(reads, np.float64))


@lru_cache(maxsize=1)
def standard_normal_table() -> NDArray[np.float64]:
    """Return 65,536 equally likely values of a standard normal, in rising order.

    Each is the mean of the normal distribution over one of 65,536 slices of equal probability;
    all are then scaled to a variance of 1, and rounded to single precision, which swallows what
    mathematical libraries differ in. The table is antisymmetric, so the mean is 0.
    """
    from scipy.special import ndtri  # only now: a client, which draws nothing, is spared it

    half = TABLE_SIZE // 2
    edges = ndtri(np.arange(half, TABLE_SIZE) / TABLE_SIZE)
    density = np.append(np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi), 0.0)
    upper = TABLE_SIZE * (density[:-1] - density[1:])
    table = np.concatenate([-upper[::-1], upper])
    table /= math.sqrt(float(np.mean(table**2)))
    table = table.astype(np.float32).astype(np.float64)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=128)
def noise_table(kind: NoiseKind, sigma: float) -> NDArray[np.float32]:
    """Return the 65,536 finished factors ``1 + sigma z`` or summands ``sigma z``.

    256 KiB each; enough are kept for a request that sets every noise point of a deep network.
    """
    noise = sigma * standard_normal_table()
    if kind is NoiseKind.MULTIPLICATIVE:
        noise += 1.0
    table = noise.astype(np.float32)
    table.flags.writeable = False
    return table


def noise_indices(key: VoteKey, count: int) -> NDArray[np.uint16]:
    """Return the first ``count`` table indices of a vote's stream.

    Raises:
        ValueError: a part of the key is out of range and would run into another.
    """
    check_keys(np.array([key], np.int64))
    source = np.random.SFC64(key.seed + (key.position << 64) + (key.vote << 96))
    words = source.random_raw(-(-count // 4)).astype("<u8", copy=False)
    return words.view("<u2")[:count].astype(np.uint16, copy=False)


def check_keys(keys: NDArray[np.int64]) -> None:
    """Refuse keys ``[rows, 3]`` a part of which would run into another."""
    outside = ((keys < 0) | (keys > KEY_LIMITS)).any(axis=1)
    if outside.any():
        raise ValueError(f"{VoteKey(*keys[outside][0].tolist())} is out of range")


def fill_noise(
    kind: NoiseKind,
    sigma: NDArray[np.float64],
    keys: Sequence[VoteKey],
    noise: Sequence[NDArray[np.float32]],
) -> None:
    """Fill the noise tensors of all rows of a forward pass.

    Args:
        kind: multiplicative or additive.
        sigma: standard deviation of each row and noise point ``[rows, points]``.
        keys: key of each row.
        noise: for each noise point, in graph order, the C-contiguous tensor ``[rows, ...]`` to
            fill. Points of sigma 0 use up their normals as well, so that the noise of a later
            point does not depend on the sigma of an earlier one.

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
    tables = [noise_table(kind, value) for value in sigmas.tolist()]
    FILL(numbers.astype(np.uint64), tables, table_of.reshape(sigma.shape), noise)


def fill_in_numpy(
    keys: NDArray[np.uint64],
    tables: Sequence[NDArray[np.float32]],
    table_of: NDArray[np.intp],
    noise: Sequence[NDArray[np.float32]],
) -> None:
    """Fill the tensors without compiled code; see :data:`models.native.Fill`."""
    flat = [tensor.reshape(tensor.shape[0], -1) for tensor in noise]
    ends = np.cumsum([tensor.shape[1] for tensor in flat]).tolist()
    for row, key in enumerate(keys.tolist()):
        indices = noise_indices(VoteKey(*key), ends[-1])
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


FILL: Fill = compiled_fill() or fill_in_numpy
"""What fills the tensors here; both ways give the same values."""
