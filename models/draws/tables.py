"""Tables of finished noise, from which the values of a forward pass are looked up."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from noisevote.models.draws.numbers import Numbers, is_short, to_bfloat16
from noisevote.models.noise import Distribution, NoiseKind

MOST_TABLES = 128
"""Of a forward pass, 256 KiB each: a large network has hundreds of noise points, and each vote of a
pass may have sigmas of its own at all of them."""

TableOf = Callable[[NoiseKind, float, Distribution], NDArray[np.float32]]
"""Returns the finished noise of all indices ``[65536]``, kept."""


def tables_for(
    table_of: TableOf,
    kind: NoiseKind,
    sigmas: NDArray[np.float64],
    tensor: Numbers,
    distribution: Distribution,
) -> list[Numbers] | None:
    """Return a table of each sigma, in the type of a tensor; None: they would be too many."""
    if len(sigmas) > MOST_TABLES:
        return None
    if is_short(tensor):
        return [short_table(table_of, kind, sigma, distribution) for sigma in sigmas.tolist()]
    return [table_of(kind, sigma, distribution) for sigma in sigmas.tolist()]


@lru_cache(maxsize=MOST_TABLES)
def short_table(
    table_of: TableOf, kind: NoiseKind, sigma: float, distribution: Distribution
) -> NDArray[np.uint16]:
    """Return a table as bfloat16."""
    table = to_bfloat16(table_of(kind, sigma, distribution))
    table.flags.writeable = False
    return table
