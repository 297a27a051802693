"""The compiled filler of noise tensors, where the installation could build it.

``noise_fill.c`` needs a C compiler and nothing else. Where there is none the package installs
without it, and NumPy fills the tensors with the same values.
"""

import ctypes
from collections.abc import Callable, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LIBRARY = "_noise_fill"

Fill = Callable[
    [
        NDArray[np.uint64],
        Sequence[NDArray[np.float32]],
        NDArray[np.intp],
        Sequence[NDArray[np.float32]],
    ],
    None,
]
"""Takes keys ``[rows, 3]``, tables, the table of each row and noise point ``[rows, points]``, and
the tensors to fill, one a noise point, C-contiguous ``[rows, ...]``."""


def compiled_fill() -> Fill | None:
    """Return the compiled filler, or None if it was not built; it runs without Python's lock."""
    folder = Path(__file__).parent
    built = [folder / (LIBRARY + suffix) for suffix in EXTENSION_SUFFIXES]
    path = next((file for file in built if file.is_file()), None)
    if path is None:
        return None
    function = ctypes.CDLL(str(path)).noisevote_fill
    function.argtypes = [ctypes.c_size_t, ctypes.c_size_t, *[ctypes.c_void_p] * 4]
    function.restype = None

    def fill(
        keys: NDArray[np.uint64],
        tables: Sequence[NDArray[np.float32]],
        table_of: NDArray[np.intp],
        noise: Sequence[NDArray[np.float32]],
    ) -> None:
        sizes = np.array([tensor[0].size for tensor in noise], np.uintp)
        table_at = addresses(tables)[table_of]
        tensor_at = addresses(noise)
        function(*table_of.shape, *(at.ctypes.data for at in (keys, sizes, table_at, tensor_at)))

    return fill


def addresses(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.uintp]:
    """Return where arrays lie in memory; they must outlive the use."""
    return np.array([array.__array_interface__["data"][0] for array in arrays], np.uintp)
