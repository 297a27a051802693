"""The state of a training run on disk: written often, resumed exactly.

The weights, the optimiser and the number of steps done are all that a run needs to go on: the
order of the images and the noise of a step are functions of the recipe's seed and the step. On a
device the chip in use is kept, too, and the ranges of the layers. A finished run keeps the weights
alone.

While it runs, the state of every registered recipe stays under 16 MiB, but for ``madry_cnn``: its
3.3 million weights, each with the two averages of AdamW, take 37.5 MiB.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from noisevote.models.errors import TrainingError
from noisevote.models.files import Hold, hold, whole_file
from noisevote.training.on_device.hardening import OnDevice
from noisevote.training.on_device.layers import Layer
from noisevote.training.recipes.recipe import Recipe, recipe_from_dict
from noisevote.training.recipes.vary import differences

STATE_FILE = "state.pt"
OLDER_DEVICES = ("cpu",)
"""What states mean that are older than the field ``devices``."""

PLAIN = (
    "step", "history", "sources", "devices", "epoch_loss", "epoch_steps", "is_finished",
)  # fmt: skip
"""Fields of :class:`Progress` that are written as they are."""

ALWAYS = ("recipe", "network", "step", "history", "is_finished")
"""Fields of a state of any version."""


@dataclass(slots=True)
class Progress:
    """What changes from step to step.

    Attributes:
        network: the network in training.
        optimizer: its optimiser.
        scheduler: sets the learning rate of each step.
        average: the moving average of its weights, if the recipe asks for one.
        step: steps done so far.
        history: one row an epoch: epoch, loss, validation accuracies, images per second.
        sources: digest of the weights of each trained network that the run starts from or learns
            from, by name.
        devices: accelerators that took part, in the order in which they were first used.
        epoch_loss: sum of the losses of the current epoch's steps.
        epoch_steps: steps in that sum.
        kept_step: steps done in the state on disk; None if there is none.
        layers: of the network by noise point, where a device or the clipping of weights needs them.
        on_device: the device on which it learns, if the recipe has one.
        is_finished: whether all steps are done, ``network`` has the weights that the run gives, and
            its batch-norm statistics are estimated.
    """

    network: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler
    average: AveragedModel | None = None
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    epoch_loss: float = 0.0
    epoch_steps: int = 0
    is_finished: bool = False
    kept_step: int | None = None
    layers: Mapping[str, Layer] = field(default_factory=dict)
    on_device: OnDevice | None = None


def save_state(folder: Path, recipe: Recipe, progress: Progress) -> None:
    """Write the state so that an interruption leaves either the old one or the new one.

    Raises:
        TrainingError: it cannot be written.
    """
    state = {
        "recipe": recipe.as_dict(),
        "network": progress.network.state_dict(),
        **{name: getattr(progress, name) for name in PLAIN},
    }
    if not progress.is_finished:
        state["optimizer"] = progress.optimizer.state_dict()
        state["scheduler"] = progress.scheduler.state_dict()
        state["average"] = progress.average.state_dict() if progress.average else None
        state["on_device"] = progress.on_device.state() if progress.on_device else None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / STATE_FILE) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch's own writer raises the latter
        raise TrainingError(
            f"{folder / STATE_FILE} cannot be written: {error}; {kept(progress)}"
        ) from error
    progress.kept_step = progress.step


def kept(progress: Progress) -> str:
    """Say what is on disk of a run."""
    if progress.kept_step is None:
        return "nothing of this run is kept"
    return f"kept is the state after step {progress.kept_step}"


def hold_run(folder: Path) -> Hold:
    """Return the hold on a run, which only one process may train.

    Raises:
        TrainingError: another process trains it, or its folder cannot be written.
    """
    try:
        return hold(folder / STATE_FILE)
    except BlockingIOError as error:
        raise TrainingError(
            f"another process trains in {folder}; wait until it has ended, or name another folder "
            "with --run"
        ) from error
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written: {error.strerror or error}") from error


def has_state(folder: Path) -> bool:
    """Return whether ``folder`` holds the state of a run."""
    return (folder / STATE_FILE).is_file()


def read_state(folder: Path) -> dict[str, Any]:
    """Read a run's state file.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise TrainingError(f"{path} does not exist; train the recipe first")
    with understanding(path):
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        lacking = [name for name in ALWAYS if name not in state]
    if lacking:
        raise TrainingError(
            f"{path} is no state of a run: it lacks {', '.join(lacking)}; delete it to start anew"
        )
    step = state["step"]
    if not isinstance(step, int) or step < 0:
        raise TrainingError(
            f"{path} is no state of a run: its step is {str(step)[:80]}; delete it to start anew"
        )
    return state


@contextmanager
def understanding(path: Path) -> Iterator[None]:
    """Turn whatever is raised by a state file that another program wrote, or half, into ours.

    Raises:
        TrainingError: it cannot be read, or does not fit its recipe.
    """
    try:
        yield
    # The readers of torch let through whatever they stumble over: KeyError, TypeError and others.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            f"{path} is damaged, or of another version ({type(error).__name__}: {reason}); delete "
            "it to start anew"
        ) from error


def restore_state(folder: Path, recipe: Recipe, progress: Progress) -> None:
    """Continue from the state in ``folder``.

    Raises:
        TrainingError: the state is damaged, of another recipe, or learned from another teacher.
    """
    state = read_state(folder)
    # Compared as recipes, so that states older than a field of the recipe go on with its default.
    earlier = recipe_from_dict(state["recipe"])
    if not earlier.is_like(recipe):
        raise TrainingError(
            f"{folder / STATE_FILE} is the state of another recipe "
            f"({differences(earlier, recipe)}); name another folder with --run or --runs, or "
            "delete it to start anew"
        )
    sources = state.get("sources", {})
    for name, digest in progress.sources.items():
        if sources.get(name) != digest:
            raise TrainingError(
                f"the weights of {name} are not those that the run in {folder} began with; restore "
                f"them, or delete {folder / STATE_FILE} to start anew"
            )
    with understanding(folder / STATE_FILE):
        progress.network.load_state_dict(state["network"])
        if not state["is_finished"]:
            progress.optimizer.load_state_dict(state["optimizer"])
            progress.scheduler.load_state_dict(state["scheduler"])
            if progress.average:
                progress.average.load_state_dict(state["average"])
            if progress.on_device:
                progress.on_device.restore(state["on_device"], progress.network)
    older = {"sources": {}, "devices": list(OLDER_DEVICES), "epoch_loss": 0.0, "epoch_steps": 0}
    for name in PLAIN:
        setattr(progress, name, state.get(name, older.get(name)))
    progress.kept_step = progress.step
