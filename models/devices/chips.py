"""Chips: devices of one profile that differ in their frozen errors, and the draws that make them.

The scheme (:data:`CHIP_SCHEME`), for the draws of one part of one noise point:

1. SHA-256 of the JSON text ``["chip-sfc64-1",PROFILE,WEIGHTS,CHIP,POINT,PART]``, without spaces,
   ASCII; the digests of profile and weights in hexadecimal. Its first 128 bits, read big-endian,
   seed ``SFC64`` of NumPy.
2. Standard normals: element ``e``, in C order, is the value of
   ``models.noise.standard_normal_table`` whose index stands in the 64-bit word ``e // 4``, read
   little-endian as four of 16 bits, at ``e % 4``. Uniform draws: the upper 53 bits of word ``e``
   over 2^53.

The seed of a request is no part of it: a chip is the same for all requests, in all processes.
Changing anything here is a new scheme with a new id.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.kept import Kept
from noisevote.models.draws.icdf16 import FILL
from noisevote.models.noise import standard_normal_table

CHIP_SCHEME = "chip-sfc64-1"
"""Names the scheme above; part of the fingerprint of requests on a device."""

MAX_CHIP = 2**53 - 1
"""Largest number of a chip: every JSON reader can hold it exactly."""

UNIFORM = "stuck"
"""Parts whose names begin with it are uniform on [0, 1); all others are standard normals."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One device with its frozen errors, as the holder of a network's weights.

    Attributes:
        profile: digest of the device profile.
        weights: SHA-256 of the file of the weights, in hexadecimal.
        number: which of all such chips, 0 to 2^53 - 1.
    """

    profile: str
    weights: str
    number: int

    def draws_of(
        self, point: str, shape: tuple[int, ...], kept: Kept | None = None
    ) -> Callable[[str], NDArray[Any]]:
        """Return what gives the draws of a noise point's parts, each of a shape.

        The parts are those of ``models.devices.cells`` and ``models.devices.columns``; normals are
        float32, which holds them exactly, uniform draws float64.

        Args:
            point: the noise point.
            shape: of the draws of each part.
            kept: where normals are drawn into; the next ones of the same part take their place.
        """

        def draws(part: str) -> NDArray[Any]:
            if part.startswith(UNIFORM):
                return self.uniforms(point, part, shape)
            out = None if kept is None else kept.array(part, shape)
            return self.normals(point, part, shape, out)

        return draws

    def normals(
        self,
        point: str,
        part: str,
        shape: tuple[int, ...],
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return standard normals of a part of a noise point, drawn into an array if given."""
        values = np.empty(shape, np.float32) if out is None else out
        key = self.key_of(point, part)
        parts = [key & (2**64 - 1), key >> 64 & (2**32 - 1), key >> 96]
        FILL(
            np.array([parts], np.uint64),
            [single_normals()],
            np.zeros((1, 1), np.intp),
            [values.reshape(1, prod(shape))],
        )
        return values

    def uniforms(self, point: str, part: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return draws on [0, 1) of a part of a noise point."""
        words = np.random.SFC64(self.key_of(point, part)).random_raw(prod(shape))
        return ((words >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)

    def key_of(self, point: str, part: str) -> int:
        """Return the 128 bits that seed the draws of a part of a noise point."""
        key = [CHIP_SCHEME, self.profile, self.weights, self.number, point, part]
        digest = hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).digest()
        return int.from_bytes(digest[:16], "big")


@lru_cache(maxsize=1)
def single_normals() -> NDArray[np.float32]:
    """Return the table of normals in single precision, which holds it exactly ``[65536]``."""
    table = standard_normal_table().astype(np.float32)
    table.flags.writeable = False
    return table
