"""The schemes of the draws, by id: one row each.

A card names the scheme of its checkpoint, and so does each fingerprint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noisevote.models.draws import icdf16, lanes
from noisevote.models.draws.numbers import Numbers
from noisevote.models.noise import Distribution, NoiseKind

SchemeId = Literal["sfc64-icdf16-1", "sfc64x8-icdf4-1"]
"""Ids of all schemes, for what reads one from outside."""


@dataclass(frozen=True, slots=True)
class NoiseScheme:
    """How the noise of a vote follows from its key.

    Attributes:
        id: its name, which changes with anything that changes a value.
        fill: fills the noise tensors of a forward pass, given kind, sigma ``[rows, points]``, keys
            ``[rows, 3]`` that have been checked, tensors and distribution.
    """

    id: str
    fill: Callable[
        [NoiseKind, NDArray[np.float64], NDArray[np.int64], Sequence[Numbers], Distribution], None
    ]


FIRST = NoiseScheme(icdf16.ICDF16, icdf16.fill)
"""That of checkpoints which are older than the others."""

NEWEST = NoiseScheme(lanes.LANES8, lanes.fill)
"""That of new checkpoints."""

SCHEMES = {scheme.id: scheme for scheme in (FIRST, NEWEST)}
