"""The weights of a checkpoint as crossbar arrays: in array units, and written back.

A layer's matrix has its columns (output channels, neurons) first and its fan-in behind, ``[columns,
rows]``. In array units it is divided by the largest magnitude of each column, or of the layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.device_specs import ArraySpec, WeightSpec
from noisevote.models.errors import CheckpointError
from noisevote.models.safetensors_header import tensors_told

TYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8"),
}  # fmt: skip
"""Of weights that a cell can hold, as safetensors calls them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies in a safetensors file.

    Attributes:
        dtype: of its numbers.
        shape: of the tensor.
        begin: of its first byte.
        end: behind its last byte.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int

    def view(self, content: bytes | bytearray) -> NDArray[np.floating]:
        """Return the tensor, in memory that it shares with the content."""
        found = np.frombuffer(content, self.dtype, offset=self.begin, count=self.count)
        return found.reshape(self.shape)

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return (self.end - self.begin) // self.dtype.itemsize


def places_of(content: bytes) -> dict[str, Place]:
    """Return where the tensors of a safetensors file lie that cells can hold."""
    header, start = tensors_told(BytesIO(content))
    return {
        name: Place(
            TYPES[entry["dtype"]],
            tuple(entry["shape"]),
            start + entry["data_offsets"][0],
            start + entry["data_offsets"][1],
        )
        for name, entry in header.items()
        if entry["dtype"] in TYPES
    }


def tensors_in(content: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a safetensors file by name, in single precision."""
    return {
        name: place.view(content).astype(np.float32) for name, place in places_of(content).items()
    }


@dataclass(frozen=True, eq=False)
class LayerArray:
    """A layer as it is meant to lie on arrays.

    Attributes:
        spec: of its array, from the card.
        weights: in units of the network ``[columns, rows]``.
        scale: what batch norm and the like multiply a column's product by ``[columns]``.
        beta: what they add to it, the bias included ``[columns]``.
    """

    spec: ArraySpec
    weights: NDArray[np.float32]
    scale: NDArray[np.float64]
    beta: NDArray[np.float64]

    @cached_property
    def magnitudes(self) -> NDArray[np.float64]:
        """The largest magnitude of each column ``[columns]``."""
        return magnitudes_of(self.weights)

    def largest(self, of: str) -> NDArray[np.float64]:
        """Return the weight that takes the largest conductance, of each column ``[columns]``.

        Args:
            of: ``column`` or ``layer``. A column of zeros takes the layer's.
        """
        return largest_of(self.magnitudes, of)


def magnitudes_of(weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the largest magnitude of each column ``[columns]`` of weights ``[columns, rows]``."""
    return np.asarray(np.abs(weights).max(axis=1), np.float64)


def largest_of(magnitudes: NDArray[np.float64], of: str) -> NDArray[np.float64]:
    """Return the weight that takes the largest conductance, of each column ``[columns]``.

    Args:
        magnitudes: of each column the largest.
        of: ``column`` or ``layer``. A column of zeros takes the layer's.
    """
    of_layer = magnitudes.max() or 1.0
    if of == "layer":
        return np.full(magnitudes.shape, of_layer)
    return np.where(magnitudes > 0, magnitudes, of_layer)


def layers_of(
    arrays: Mapping[str, ArraySpec],
    weights: bytes,
    scales: Mapping[str, NDArray[np.float32]],
    checkpoint: str,
) -> dict[str, LayerArray]:
    """Return the layers of a checkpoint by noise point.

    Args:
        arrays: from its card.
        weights: content of its weights file, verified.
        scales: ``<point>.scale`` and ``<point>.offset`` ``[columns]``.
        checkpoint: its name.

    Raises:
        CheckpointError: weights or scales are not those of the card.
    """
    places = places_of(weights)
    layers = {}
    for point, spec in arrays.items():
        parts = [matrix_of(part, places, weights, checkpoint) for part in spec.weights]
        matrix = np.concatenate(parts, axis=1)
        scale, beta = (scales.get(f"{point}.{name}") for name in ("scale", "offset"))
        shapes = [None if of is None else of.shape for of in (scale, beta)]
        if matrix.shape != (spec.columns, spec.fan_in) or shapes != [(spec.columns,)] * 2:
            raise CheckpointError(
                f"the array of {point} of checkpoint {checkpoint} has {spec.columns} columns and "
                f"{spec.fan_in} rows on its card; its weights are {matrix.shape}, its scales "
                f"{shapes}"
            )
        layer = LayerArray(
            spec, matrix, np.asarray(scale, np.float64), np.asarray(beta, np.float64)
        )
        if not all(np.isfinite(of).all() for of in (layer.weights, layer.scale, layer.beta)):
            raise CheckpointError(
                f"the array of {point} of checkpoint {checkpoint} has weights or scales that are "
                "not finite"
            )
        layers[point] = layer
    return layers


def matrix_of(
    part: WeightSpec, places: Mapping[str, Place], content: bytes, checkpoint: str
) -> NDArray[np.float32]:
    """Return a tensor as a matrix ``[columns, rows]``.

    Raises:
        CheckpointError: it is not there, or has no such axis.
    """
    place = places.get(part.name)
    if place is None or not 0 <= part.columns < len(place.shape):
        raise CheckpointError(
            f"the weights of checkpoint {checkpoint} have no tensor {part.name!r} of numbers with "
            f"an axis {part.columns}"
        )
    moved = np.moveaxis(place.view(content).astype(np.float32), part.columns, 0)
    return moved.reshape(len(moved), -1)


def written(
    content: bytes, layers: Mapping[str, LayerArray], matrices: Mapping[str, NDArray[np.float32]]
) -> bytearray:
    """Return a weights file with other matrices of some layers, each rounded to its file's type.

    Args:
        content: of the weights file.
        layers: of the checkpoint, by noise point.
        matrices: of some of them, in units of the network ``[columns, rows]``.
    """
    places = places_of(content)
    changed = bytearray(content)
    for point, matrix in matrices.items():
        first = 0
        for part in layers[point].spec.weights:
            place = places[part.name]
            tensor = np.moveaxis(place.view(changed), part.columns, 0)
            rows = place.count // len(tensor)
            own = matrix[:, first : first + rows]
            largest = float(np.finfo(place.dtype).max)
            if max(own.max(), -own.min()) > largest:
                own = np.clip(own, -largest, largest)
            tensor[...] = own.reshape(tensor.shape)
            first += rows
    return changed
