"""Examples on the device that trains, a batch at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from models.data.dataset import Examples

MNIST_PIXELS = 28 * 28


@dataclass(frozen=True, slots=True)
class Batches:
    """Labelled examples in the memory of a device, as stored: pictures as bytes.

    Attributes:
        inputs: ``[n, ...]``, uint8 pictures or float32 sequences.
        labels: class of each ``[n]``.
        side: to which the pictures of a batch are made smaller; None: as they are.
    """

    inputs: Tensor
    labels: Tensor
    side: int | None = None

    @classmethod
    def on(cls, device: torch.device | str, examples: Examples) -> "Batches":
        """Copy ``examples`` to a device, once for all batches."""
        return cls(
            torch.tensor(examples.inputs, device=device),
            torch.tensor(examples.labels, device=device),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, chosen: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Return the chosen examples as inputs ``[batch, ...]`` and labels ``[batch]``.

        The inputs are what ``models.data.dataset.as_inputs`` makes of them.
        """
        inputs = self.inputs[chosen]
        if inputs.dtype is torch.uint8:
            inputs = inputs.float() / 255
        if inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return resized(inputs, self.side), self.labels[chosen]

    def of_side(self, side: int | None) -> "Batches":
        """Return the same examples, a batch's pictures made smaller."""
        return replace(self, side=side)

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all examples in order, ``size`` at a time, fewer if they are large."""
        size = self.no_more_than(size)
        for first in range(0, len(self), size):
            yield self.batch(slice(first, first + size))

    def no_more_than(self, pictures: int) -> int:
        """Return how many examples hold as much as so many of MNIST's pictures, or so many.

        What suits MNIST in memory and time is too much of a larger picture: DenseNets take twice
        as long for a picture in batches that do not fit the caches.
        """
        return max(1, min(pictures, pictures * MNIST_PIXELS // self.inputs[0].numel()))

    def first(self, count: int) -> "Batches":
        """Return the first ``count`` examples, or all if there are fewer."""
        return Batches(self.inputs[:count], self.labels[:count], self.side)


def resized(pictures: Tensor, side: int | None) -> Tensor:
    """Return pictures ``[batch, channels, side, side]``, each pixel the mean of its area.

    Args:
        pictures: ``[batch, channels, height, width]``.
        side: None leaves them as they are.
    """
    if side is None:
        return pictures
    smaller = functional.interpolate(pictures, size=(side, side), mode="area")
    return smaller.contiguous(memory_format=torch.channels_last)
