"""Where a network learns: a torch device, found by name."""

import torch

from models.errors import TrainingError


def device_named(name: str) -> torch.device:
    """Return a torch device, on which float32 means float32.

    cuDNN would otherwise take convolutions in float32 as TF32, with 10 bits behind the point.

    Raises:
        TrainingError: there is none of that name here.
    """
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split(". ")[0]
        raise TrainingError(f"there is no device {name!r} here: {reason}") from error
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def shown_device(device: torch.device) -> str:
    """Return what a card says of a device: its type, and the model of a GPU."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type
