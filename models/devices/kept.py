"""Arrays that are kept between uses: the first write to fresh memory costs more than the rest."""

import threading
from math import prod

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 32 * 2**20
"""Of all arrays that are kept in a thread; those beyond are fresh every time."""


class Kept(threading.local):
    """Arrays by name, to be written over; each thread has its own."""

    def __init__(self) -> None:
        self._flat: dict[str, NDArray[np.float32]] = {}
        self._bytes = 0

    def array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an array that holds anything; the next one of the name takes its place."""
        count = prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.size < count:
            flat = np.empty(count, np.float32)
            more = flat.nbytes - (self._flat[name].nbytes if name in self._flat else 0)
            if self._bytes + more <= MOST_BYTES:
                self._flat[name], self._bytes = flat, self._bytes + more
        return flat[:count].reshape(shape)
