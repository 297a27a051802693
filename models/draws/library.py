"""The compiled draws, where the installation could build them: a C compiler is all it takes."""

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.draws.numbers import Fill, Numbers

LIBRARY = "_noise_fill"

NEWEST_FUNCTION = "noisevote_lanes_width"
"""Of the library: one that was built before it had it is not taken."""


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """Return the compiled library, or None if it was not built, or before this version."""
    folder = Path(__file__).parent.parent
    built = [folder / (LIBRARY + suffix) for suffix in EXTENSION_SUFFIXES]
    path = next((file for file in built if file.is_file()), None)
    found = None if path is None else ctypes.CDLL(str(path))
    return found if hasattr(found, NEWEST_FUNCTION) else None


def compiled(single: str, short: str) -> Fill | None:
    """Return a compiled filler, or None without the library; it runs without Python's lock.

    Args:
        single: function of the library that fills tensors of float32.
        short: the one for bfloat16.
    """
    found = library()
    if found is None:
        return None
    functions = {
        np.dtype(np.float32): getattr(found, single),
        np.dtype(np.uint16): getattr(found, short),
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
