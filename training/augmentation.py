"""Changes to the training pictures that leave their class alone."""

import torch
from torch import Tensor
from torch.nn import functional

from models.errors import TrainingError
from training.recipes import Padding, Recipe


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
        generator: of the choice, on the device of the pictures.
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
        generator: where the shifts come from, on the device of the pictures.
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
