"""What a network takes, where noise acts in it, and for which it was trained: parts of its card."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from noisevote.models.noise import MAX_SEED, MAX_SIGMA, NoiseKind

IMAGES, OUTPUTS = "images", "outputs"
"""What our networks call the input and the output of their graphs."""

MARK = "noisevote::NoisePoint"
"""The operator that stands for a noise point in a graph, before the graph pass."""

MOST_COUNTED = 2**53
"""Largest number of anything on a card: every JSON reader can hold it exactly."""

Sigma = Annotated[float, Field(ge=0, le=MAX_SIGMA)]
Count = Annotated[int, Field(ge=1, le=MOST_COUNTED)]
CountFromZero = Annotated[int, Field(ge=0, le=MOST_COUNTED)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Shape = Annotated[tuple[Annotated[int, Field(ge=1, le=2**31)], ...], Field(min_length=1)]


class CardPart(BaseModel):
    """Base of the card and its parts: immutable, no unknown fields, numbers are finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class InputSpec(CardPart):
    """One tensor that the network takes."""

    name: str = IMAGES
    """Name of the tensor in the graph."""
    dtype: Literal["float32", "int64", "int32", "uint8"] = "float32"
    """Type of its numbers."""
    shape: Shape
    """Shape of one input, without the batch axis."""
    range: tuple[float, float] | None = None
    """Smallest and largest allowed value; of token ids 0 and the last one; None if any finite value
    is allowed."""
    preprocessing: str | None = None
    """How a picture becomes an input, a name in ``models.inputs.pictures``; None if the network
    takes arrays alone."""

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest allowed value; they are finite."""
        if self.range is not None:
            return self.range
        largest = float(np.finfo(np.float32).max)
        return -largest, largest

    @property
    def is_integer(self) -> bool:
        """Whether its numbers are whole."""
        return self.dtype != "float32"

    def trial(self, generator: np.random.Generator, count: int) -> NDArray[Any]:
        """Return inputs to try the network with ``[count, *shape]``.

        They lie evenly in the range, or are normal where any value is allowed.
        """
        shape = (count, *self.shape)
        if self.is_integer:
            low, high = self.limits
            return generator.integers(int(low), int(high), shape, endpoint=True).astype(self.dtype)
        if self.range is None:
            return generator.standard_normal(shape, np.float32)
        return generator.uniform(*self.range, shape).astype(np.float32)


class PointSpec(CardPart):
    """One noise point."""

    name: str
    """Name of the layer before it."""
    shape: Shape
    """Shape of its noise tensor for one vote."""
    macs: Count
    """Multiply-accumulates of the layer, per vote."""
    latency: Annotated[float, Field(gt=0)] = 1.0
    """Latency of the analog layer, in units of one layer evaluation."""
    operator: str | None = None
    """Operator of the graph that computes the layer, such as ``Conv``; None if unknown."""
    rms: Annotated[float, Field(gt=0)] | None = None
    """Root mean square of its signal without noise; None if it was not measured."""


class NoiseSpec(CardPart):
    """The noise that the network was trained for."""

    kind: NoiseKind
    """Kind of the noise."""
    sigma_train: Sigma | dict[str, Sigma]
    """Standard deviation in training, one number or one per noise point by name (points left out
    got no noise); 0 for a network trained without noise."""

    sigma: Sigma | None = None
    """Standard deviation of the votes of a request that names none; None: ``sigma_train``."""

    @property
    def default(self) -> float | dict[str, float]:
        """Standard deviation of the votes of a request that names none."""
        return self.sigma_train if self.sigma is None else self.sigma

    @property
    def largest_sigma(self) -> float:
        """The largest standard deviation of any noise point in training, or by default."""
        sigma = self.default
        return max(sigma.values(), default=0.0) if isinstance(sigma, dict) else sigma
