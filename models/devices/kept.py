"""Arrays that are kept between uses: the first write to fresh memory costs more than the rest."""

import threading
from math import prod

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 8 * 2**20
"""Of an array that is kept; larger ones are fresh every time."""

SINGLE_BYTES = 4


class Kept(threading.local):
    """Arrays by name, to be written over; each thread has its own."""

    def __init__(self) -> None:
        self._flat: dict[str, NDArray[np.float32]] = {}

    def array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an array that holds anything; the next one of the name takes its place."""
        count = prod(shape)
        if count * SINGLE_BYTES > MOST_BYTES:
            return np.empty(shape, np.float32)
        flat = self._flat.get(name)
        if flat is None or flat.size < count:
            flat = self._flat[name] = np.empty(count, np.float32)
        return flat[:count].reshape(shape)
