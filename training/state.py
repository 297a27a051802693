"""The state of a training run on disk: written often, resumed exactly.

The weights, the optimiser and the number of steps done are all that a run needs to go on: the
order of the images and the noise of a step are functions of the recipe's seed and the step.
"""

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from models.errors import TrainingError
from training.recipes import Recipe, recipe_from_dict

STATE_FILE = "state.pt"


@dataclass(slots=True)
class Progress:
    """What changes from step to step.

    Attributes:
        network: the network in training.
        optimizer: its optimiser.
        scheduler: sets the learning rate of each step.
        step: steps done so far.
        history: one row an epoch: epoch, loss, validation accuracies, images per second.
        is_finished: whether all steps are done and the batch-norm statistics are estimated.
    """

    network: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler
    step: int
    history: list[dict[str, float]]
    is_finished: bool = False


def save_state(folder: Path, recipe: Recipe, progress: Progress) -> None:
    """Write the state so that an interruption leaves either the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{STATE_FILE}.partial"
    torch.save(
        {
            "recipe": recipe.as_dict(),
            "network": progress.network.state_dict(),
            "optimizer": progress.optimizer.state_dict(),
            "scheduler": progress.scheduler.state_dict(),
            "step": progress.step,
            "history": progress.history,
            "is_finished": progress.is_finished,
        },
        partial,
    )
    partial.replace(folder / STATE_FILE)


def read_state(folder: Path) -> dict[str, Any]:
    """Read a run's state file.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise TrainingError(f"{path} does not exist; train the recipe first")
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it to start anew") from error
    return state


def restore_state(folder: Path, recipe: Recipe, progress: Progress) -> None:
    """Continue from the state in ``folder``, if there is one.

    Raises:
        TrainingError: the state is of another recipe.
    """
    if not (folder / STATE_FILE).is_file():
        return
    state = read_state(folder)
    # Compared as recipes, so that states older than a field of the recipe go on with its default.
    if recipe_from_dict(state["recipe"]) != recipe:
        raise TrainingError(
            f"{folder / STATE_FILE} is the state of another recipe ({state['recipe']}); "
            "name another folder with --run, or delete it to start anew"
        )
    progress.network.load_state_dict(state["network"])
    progress.optimizer.load_state_dict(state["optimizer"])
    progress.scheduler.load_state_dict(state["scheduler"])
    progress.step = state["step"]
    progress.history = state["history"]
    progress.is_finished = state["is_finished"]
