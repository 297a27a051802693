"""Changes to the training pictures that leave their class alone."""

import torch
from torch import Tensor
from torch.nn import functional

from models.errors import TrainingError


def shifted(pictures: Tensor, max_shift: int, generator: torch.Generator) -> Tensor:
    """Shift each picture by a random number of pixels along both axes; zeros move in.

    Args:
        pictures: ``[batch, channels, height, width]``.
        max_shift: largest number of pixels; all from ``-max_shift`` to ``max_shift`` are equally
            likely.
        generator: where the shifts come from, on the device of the pictures.

    Raises:
        TrainingError: the inputs are no pictures.
    """
    if pictures.dim() != 4:
        raise TrainingError(
            f"max_shift is {max_shift}, but the inputs are no pictures: their shape is "
            f"{tuple(pictures.shape[1:])}"
        )
    batch, _, height, width = pictures.shape
    device = pictures.device
    padded = functional.pad(pictures, (max_shift,) * 4)
    start = torch.randint(2 * max_shift + 1, (2, batch, 1), generator=generator, device=device)
    rows = start[0] + torch.arange(height, device=device)
    columns = start[1] + torch.arange(width, device=device)
    each = torch.arange(batch, device=device)
    moved = padded[each[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)
