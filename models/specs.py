"""What a network takes, where noise acts in it, and for which it was trained: parts of its card."""

from math import prod
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from noisevote.models.noise import MAX_SEED, MAX_SIGMA, NoiseKind

IMAGES, OUTPUTS = "images", "outputs"
"""What our networks call the input and the output of their graphs."""

MARK = "noisevote::NoisePoint"
"""The operator that stands for a noise point in a graph, before the graph pass."""

MOST_COUNTED = 2**53
"""Largest number of anything on a card: every JSON reader can hold it exactly."""

MAX_NAME = 200
"""Letters of the name of an input or a noise point: requests and messages bear them."""

Name = Annotated[str, Field(max_length=MAX_NAME)]
Sigma = Annotated[float, Field(ge=0, le=MAX_SIGMA)]
Count = Annotated[int, Field(ge=1, le=MOST_COUNTED)]
CountFromZero = Annotated[int, Field(ge=0, le=MOST_COUNTED)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$", max_length=200)]
"""Of a file beside the card, and nowhere else."""

Shape = Annotated[tuple[Annotated[int, Field(ge=1, le=2**31)], ...], Field(min_length=1)]


class CardPart(BaseModel):
    """Base of the card and its parts: immutable, no unknown fields, numbers are finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


MAX_SIDE = 4096
"""Most pixels of a side that a picture may be brought to."""

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Level = Annotated[int, Field(ge=0, le=255)]
Channels = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]
Deviation = Annotated[float, Field(gt=0)]


class PictureSpec(CardPart):
    """How a picture becomes an input, as data: its steps in this order.

    What is transparent shows the background; colours are made grey or kept; the picture is resized,
    cut, scaled, and normalised channel by channel.
    """

    background: tuple[Level, Level, Level] = (255, 255, 255)
    """Red, green and blue behind what is transparent."""
    colour: Literal["grey", "rgb", "bgr"] = "rgb"
    """``grey``, ``rgb`` or ``bgr``: the channels, in the order in which the network takes them."""
    shortest_side: Side | None = None
    """Pixels to which the shorter side is resized, the longer one in proportion; by default it is
    not."""
    size: tuple[Side, Side] | None = None
    """Height and width to which a picture is resized, whatever its proportions; by default it is
    not."""
    filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "bilinear"
    """How Pillow resamples: ``nearest``, ``box``, ``bilinear``, ``hamming``, ``bicubic`` or
    ``lanczos``."""
    crop: tuple[Side, Side] | None = None
    """Height and width that are cut out of the middle, black beyond the picture; by default nothing
    is cut off."""
    scale: float = 1 / 255
    """Factor of the levels 0 to 255; by default they become 0 to 1."""
    mean: Channels | None = None
    """What is taken off each channel after that; by default nothing."""
    std: Annotated[tuple[Deviation, ...], Field(min_length=1, max_length=3)] | None = None
    """What each channel is divided by at the end; by default nothing."""
    layout: Literal["NCHW", "NHWC", "flat"] = "NCHW"
    """``NCHW``: channels before rows and columns; ``NHWC``: behind them; ``flat``: all numbers in a
    row, as the first has them."""

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return 1 if self.colour == "grey" else 3

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the input that comes out."""
        height, width = self.crop or self.size or (0, 0)
        if self.layout == "NHWC":
            return height, width, self.channels
        channels_first = self.channels, height, width
        return (prod(channels_first),) if self.layout == "flat" else channels_first

    @model_validator(mode="after")
    def gives_one_shape(self) -> Self:
        """Refuse what does not bring every picture to one size, or does not fit the channels."""
        if self.shortest_side is not None and self.size is not None:
            raise ValueError("shortest_side and size are two ways to resize; give one of them")
        if self.size is None and self.crop is None:
            raise ValueError("needed is crop or size, so that all pictures get one size")
        for name, given in (("mean", self.mean), ("std", self.std)):
            if given is not None and len(given) != self.channels:
                raise ValueError(
                    f"{name} has {len(given)} numbers; {self.colour} has {self.channels} channels"
                )
        return self


class InputSpec(CardPart):
    """One tensor that the network takes."""

    name: Name = IMAGES
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
    takes arrays alone, or reads pictures as ``picture`` says."""
    picture: PictureSpec | None = None
    """How a picture becomes an input, step by step, instead of a name; None if there is no such
    pipeline."""

    seen: tuple[float, float] | None = None
    """Smallest and largest value of the samples that the network was imported with; None if there
    were none."""

    @model_validator(mode="after")
    def is_prepared_in_one_way(self) -> Self:
        """Refuse two ways to prepare a picture."""
        if self.preprocessing is not None and self.picture is not None:
            raise ValueError("preprocessing and picture are two ways to prepare; give one of them")
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest allowed value; they are finite."""
        if self.range is not None:
            return self.range
        largest = float(np.finfo(np.float32).max)
        return -largest, largest

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.range is None:
            return "any finite number of single precision"
        low, high = self.range
        if self.is_integer:
            return f"a whole number from {low:.0f} to {high:.0f}"
        return f"{low:g} to {high:g}"

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

    name: Name
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
