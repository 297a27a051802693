"""What an engine is to its users: a graph that was loaded, and what it is given."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from noisevote.models.engines.arithmetic import Arithmetic

WEIGHTS_SUFFIX = ".safetensors"

INPUT_OF_ROW = "image_of_row"
"""Name of the input that says which input each row is a vote on."""

NOISE_PREFIX = "noise."
"""Of the names of the inputs that take noise; behind it comes the noise point."""

Inputs = Mapping[str, NDArray[Any]]
"""Of a graph, by name."""

Contents = Mapping[str, bytes | bytearray]
"""Of files, by name."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a graph.

    Attributes:
        type: type of its numbers, as ONNX calls it.
        shape: None stands for an axis of any length.
    """

    type: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        lengths = ", ".join("any" if axis is None else str(axis) for axis in self.shape)
        return f"{self.type} [{lengths}]"


class Session(Protocol):
    """A graph that an engine has loaded; one thread a call, several calls side by side.

    One thread makes the outputs bitwise independent of the batch they are computed in, and lets
    several calls run side by side without fighting for cores.
    """

    @property
    def arithmetic(self) -> Arithmetic:
        """Engine and precision of its calls."""

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The inputs of the graph by name, in order."""

    @property
    def outputs(self) -> dict[str, Tensor]:
        """The outputs of the graph by name, in order."""

    def run(self, output: str, feed: Inputs) -> NDArray[np.float32]:
        """Return an output of the graph.

        Args:
            output: its name.
            feed: the inputs; noise in unsigned numbers of 16 bits is bfloat16.
        """

    def for_at_most(self, seconds: float) -> AbstractContextManager[None]:
        """End the calls inside the block after so long, which raises a ``TimeoutError``."""


def weights_in(contents: Contents) -> dict[str, bytes | bytearray]:
    """Return the files of weights among some."""
    return {name: content for name, content in contents.items() if name.endswith(WEIGHTS_SUFFIX)}
