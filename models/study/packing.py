"""Whole numbers as the store of a study keeps them: compressed, and read within bounds."""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 2**28
"""That the votes of one cell may take in memory."""

LABEL, NUMBER = np.dtype("<i2"), np.dtype("<i4")
"""How labels and votes, and numbers of samples, are kept."""


def packed(values: NDArray[np.integer[Any]], kind: np.dtype[Any]) -> bytes:
    """Return whole numbers as they are kept."""
    return zlib.compress(np.ascontiguousarray(values, kind).tobytes())


def unpacked(
    content: bytes, kind: np.dtype[Any], shape: tuple[int, ...], most: int
) -> NDArray[np.integer[Any]]:
    """Return what :func:`packed` made.

    Args:
        content: as it was kept.
        kind: of the numbers.
        shape: that they have; -1 for an axis of any length.
        most: numbers at most.

    Raises:
        ValueError: it is something else.
    """
    most_bytes = min(kind.itemsize * most, MOST_BYTES)
    opened = zlib.decompressobj()
    found = opened.decompress(content, most_bytes + 1)
    if len(found) > most_bytes or not opened.eof:
        raise ValueError(f"it holds more than {most_bytes} bytes, or is cut off")
    return np.frombuffer(found, kind).reshape(shape)
