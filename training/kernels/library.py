"""The compiled kernels of the fused DenseNet step, where the installation could build them.

``densenet_step/`` needs a C compiler that knows the vector instructions of x86-64. One build holds
a variant for each of several instruction sets; which of them serve is asked of the processor. The
best serves, unless the environment variable ``NOISEVOTE_FUSED`` names one, or is ``off``.
"""

import ctypes
import os
from collections.abc import Sequence
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch
from torch import Tensor

LIBRARY = "_densenet_step"

CHOICE = "NOISEVOTE_FUSED"
"""Environment variable: a variant's name, or ``off``; empty or unset, the best variant serves."""

SIZE, POINTER, SEED = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_uint64


class Layer(ctypes.Structure):
    """A convolution with the batch norm before it and the noise after it; see ``layer.h``."""

    _fields_ = (
        *((name, SIZE) for name in ("chunks", "side", "inputs", "outputs", "kernel", "pooled")),
        ("active", SIZE),
        ("maps", POINTER),
        ("maps_width", SIZE),
        *((name, POINTER) for name in ("scale", "shift", "weights", "made")),
        *((name, SIZE) for name in ("made_width", "made_first")),
        *((name, POINTER) for name in ("noise", "factors")),
        ("seed", SEED),
        *((name, POINTER) for name in ("sums", "made_gradient", "constant", "slope", "gradient")),
        *((name, POINTER) for name in ("weight_gradient", "input_sums")),
    )


class Group(ctypes.Structure):
    """Maps whose gradient is put together; see ``layer.h``."""

    _fields_ = (
        *((name, SIZE) for name in ("chunks", "side")),
        *((name, POINTER) for name in ("maps", "gradient")),
        *((name, SIZE) for name in ("maps_width", "first", "count", "fresh")),
    )


class Head(ctypes.Structure):
    """The mean over the picture of the last maps; see ``layer.h``."""

    _fields_ = (
        *((name, SIZE) for name in ("chunks", "side", "count")),
        *((name, POINTER) for name in ("maps", "scale", "shift", "features")),
        *((name, POINTER) for name in ("features_gradient", "gradient", "sums")),
    )


class Entry(ctypes.Structure):
    """What the library says of a variant; see ``layer.h``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("lanes", SIZE),
        ("item_bytes", SIZE),
        ("is_supported", ctypes.CFUNCTYPE(ctypes.c_int)),
        ("forward", ctypes.CFUNCTYPE(ctypes.c_int, POINTER)),
        ("behind_noise", ctypes.CFUNCTYPE(None, POINTER)),
        ("backward", ctypes.CFUNCTYPE(ctypes.c_int, POINTER, SIZE, POINTER)),
        ("head_forward", ctypes.CFUNCTYPE(None, POINTER)),
        ("head_backward", ctypes.CFUNCTYPE(None, POINTER)),
        ("draw", ctypes.CFUNCTYPE(None, POINTER, POINTER, SIZE, SEED, SIZE)),
    )


class Variant:
    """The kernels for one instruction set; they run without Python's lock.

    Attributes:
        name: of the instruction set.
        lanes: pictures that lie side by side; batches are multiples of it.
        dtype: of the maps in memory.
    """

    def __init__(self, entry: Entry) -> None:
        self.name = str(entry.name.decode())
        self.lanes = int(entry.lanes)
        self.dtype = torch.bfloat16 if entry.item_bytes == 2 else torch.float32
        self._entry = entry

    def forward(self, layer: Layer) -> None:
        """Compute what a layer makes, draw its noise, and fill in its sums."""
        check(self._entry.forward(ctypes.addressof(layer)))

    def behind_noise(self, layer: Layer) -> None:
        """Compute the gradient of what the layer's convolution gave."""
        self._entry.behind_noise(ctypes.addressof(layer))

    def backward(self, layers: Sequence[Layer], group: Group) -> None:
        """Compute the gradient of a group from all layers that read it, and those of weights."""
        array = (Layer * len(layers))(*layers)
        check(self._entry.backward(ctypes.addressof(array), len(layers), ctypes.addressof(group)))

    def head_forward(self, head: Head) -> None:
        """Compute the features."""
        self._entry.head_forward(ctypes.addressof(head))

    def head_backward(self, head: Head) -> None:
        """Compute the gradient of the last maps."""
        self._entry.head_backward(ctypes.addressof(head))

    def draw(self, to: Tensor, factors: int, seed: int) -> None:
        """Fill ``[chunks, side, maps, side, lanes]`` with the factors of one noise point."""
        row = to[0, 0, 0].numel()
        self._entry.draw(to.data_ptr(), factors, row, seed, to.numel() // row)


def check(failed: int) -> None:
    """Raise what torch raises when there is no memory."""
    if failed:
        raise MemoryError("no memory for the fused step of a DenseNet")


@lru_cache(maxsize=1)
def variants() -> tuple[Variant, ...]:
    """Return the variants that this build has and this processor runs, the best first."""
    folder = Path(__file__).parent
    built = [folder / (LIBRARY + suffix) for suffix in EXTENSION_SUFFIXES]
    path = next((file for file in built if file.is_file()), None)
    if path is None:
        return ()
    function = ctypes.CDLL(str(path)).noisevote_variant
    function.argtypes = [SIZE]
    function.restype = ctypes.POINTER(Entry)
    found: list[Variant] = []
    number = 0
    while entry := function(number):
        if entry.contents.is_supported():
            found.append(Variant(entry.contents))
        number += 1
    return tuple(found)


def chosen_variant(dtype: torch.dtype) -> Variant | None:
    """Return the variant that serves a precision here, or None."""
    choice = os.environ.get(CHOICE, "")
    fitting = [
        variant for variant in variants() if variant.dtype is dtype and choice in ("", variant.name)
    ]
    return fitting[0] if fitting else None
