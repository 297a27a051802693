"""The examples of a run: which are trained on, and a batch of them, changed anew each time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from noisevote.models.data.dataset import Examples
from noisevote.models.errors import TrainingError
from noisevote.training.recipes.recipe import Padding, Recipe

MNIST_PIXELS = 28 * 28


Parts = tuple[Examples, Examples]
"""Examples to learn from, and those held back to choose by."""


def split(examples: Examples, recipe: Recipe) -> Parts:
    """Split the training examples into those trained on and those to choose by.

    The split depends on the number of examples only, so that runs with different seeds can be
    compared on the same validation images.
    """
    order = np.random.default_rng(0).permutation(len(examples))
    held_back, used = order[: recipe.validation_images], order[recipe.validation_images :]
    return (
        Examples(examples.inputs[used], examples.labels[used]),
        Examples(examples.inputs[held_back], examples.labels[held_back]),
    )


@dataclass(frozen=True, slots=True)
class Batches:
    """Labelled examples in the memory of an accelerator, as stored: pictures as bytes.

    Attributes:
        inputs: ``[n, ...]``, uint8 pictures or float32 sequences.
        labels: class of each ``[n]``.
        side: side to which the pictures of a batch are made smaller, in pixels; None: as they are.
    """

    inputs: Tensor
    labels: Tensor
    side: int | None = None

    @classmethod
    def on(cls, device: torch.device | str, examples: Examples) -> "Batches":
        """Copy ``examples`` to an accelerator, once for all batches."""
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


def augmented(inputs: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Return inputs ``[batch, ...]`` shifted and flipped as a recipe says, anew each time.

    Raises:
        TrainingError: the recipe asks for it, but the inputs are no pictures.
    """
    if not (recipe.max_shift or recipe.flips):
        return inputs
    if inputs.dim() != 4:
        raise TrainingError(
            f"max_shift is {recipe.max_shift} and flips is {recipe.flips}, but the inputs are no "
            f"pictures: their shape is {tuple(inputs.shape[1:])}"
        )
    if recipe.max_shift:
        inputs = shifted(inputs, recipe.max_shift, generator, recipe.padding)
    return flipped(inputs, generator) if recipe.flips else inputs


def flipped(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each picture left to right with a chance of one half.

    Args:
        pictures: ``[batch, channels, height, width]``.
        generator: generator of the choice, on the accelerator of the pictures.
    """
    chosen = torch.rand(len(pictures), 1, 1, 1, generator=generator, device=pictures.device) < 0.5
    return torch.where(chosen, pictures.flip(3), pictures)


def shifted(
    pictures: Tensor, max_shift: int, generator: torch.Generator, padding: Padding = "zeros"
) -> Tensor:
    """Shift each picture by a random number of pixels along both axes.

    Args:
        pictures: ``[batch, channels, height, width]``.
        max_shift: largest number of pixels; all from ``-max_shift`` to ``max_shift`` are equally
            likely.
        generator: where the shifts come from, on the accelerator of the pictures.
        padding: what moves in.
    """
    batch, _, height, width = pictures.shape
    device = pictures.device
    mode = "constant" if padding == "zeros" else padding
    padded = functional.pad(pictures, (max_shift,) * 4, mode)
    start = torch.randint(2 * max_shift + 1, (2, batch, 1), generator=generator, device=device)
    rows = start[0] + torch.arange(height, device=device)
    columns = start[1] + torch.arange(width, device=device)
    each = torch.arange(batch, device=device)
    moved = padded[each[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)
