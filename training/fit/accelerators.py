"""Where a network learns: a torch accelerator, found by name, and the precision of its products."""

from typing import Any

import torch

from noisevote.models.errors import TrainingError
from noisevote.training.recipes.recipe import Precision, Schedule

BFLOAT16_UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512_BF16"}
"""What multiplies in bfloat16, as torch calls it and as it is shown, the fastest first. On a CPU
with neither, bfloat16 is more than ten times slower than float32."""


def accelerator_named(name: str) -> torch.device:
    """Return a torch accelerator, on which float32 means float32.

    cuDNN would otherwise take convolutions in float32 as TF32, with 10 bits behind the point.

    Raises:
        TrainingError: there is none of that name here.
    """
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split(". ")[0]
        raise TrainingError(f"there is no accelerator {name!r} here: {reason}") from error
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def precision_on(accelerator: torch.device, schedule: Schedule) -> Precision:
    """Return the precision in which an accelerator computes what a schedule asks for."""
    if schedule.precision != "auto":
        return schedule.precision
    if accelerator.type == "cpu":
        return "bfloat16" if bfloat16_unit() else "float32"
    has_it = accelerator.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if has_it else "float32"


def bfloat16_unit() -> str | None:
    """Return what multiplies in bfloat16 on this CPU; None: nothing does."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return next((shown for name, shown in BFLOAT16_UNITS.items() if capabilities.get(name)), None)


def shown_accelerator(
    accelerator: torch.device, precision: Precision, is_fused: bool = False
) -> str:
    """Return what a card says of it: type, model of a GPU or kind of CPU, and precision.

    Runs of one recipe give the same weights on CPUs that are shown alike.

    Args:
        accelerator: accelerator that learns.
        precision: precision in which it computes.
        is_fused: whether compiled kernels compute its steps (``training.kernels.densenet``).
    """
    if accelerator.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(accelerator)}, {precision})"
    if accelerator.type == "cpu":
        kind = torch.backends.cpu.get_cpu_capability()
        unit = bfloat16_unit() if precision == "bfloat16" else None
        return f"cpu ({unit or kind}, {precision}{', fused' * is_fused})"
    return f"{accelerator.type} ({precision})"
