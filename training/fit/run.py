"""A run: what its steps need, how far it is, what is kept of it, and what stops it."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor

from noisevote.models.data.dataset import Examples
from noisevote.models.errors import TrainingError
from noisevote.training.fit.accelerators import precision_on
from noisevote.training.fit.data import Batches, Parts, split
from noisevote.training.fit.sources import Sources
from noisevote.training.fit.start import start
from noisevote.training.fit.state import Progress, kept, save_state
from noisevote.training.losses.hardening import StepLoss, step_loss
from noisevote.training.recipes.recipe import Precision, Recipe

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Interruption:
    """Whether the process was told to stop.

    Attributes:
        by: the signal; None if it was not.
    """

    by: signal.Signals | None = None

    def take_effect(self) -> None:
        """End the process as the signal would have, if there was one.

        Raises:
            KeyboardInterrupt: it was Ctrl-C.
            SystemExit: it was another one; the exit code is that of a shell.
        """
        if self.by is signal.SIGINT:
            raise KeyboardInterrupt
        if self.by is not None:
            raise SystemExit(128 + self.by)


@contextmanager
def noting(interruption: Interruption) -> Iterator[None]:
    """Note the first signal inside the block; a second one does what it always does.

    Only the main thread may handle signals; in any other nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        interruption.by = signal.Signals(number)
        restore()

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield
    finally:
        restore()


@dataclass(frozen=True, slots=True)
class Run:
    """A run and all that its steps need.

    Attributes:
        recipe: what is trained.
        folder: where the state is kept.
        train: examples to learn from.
        validation: examples to look at after each epoch.
        progress: how far it is.
        loss: what a step minimises.
        accelerator: where it learns.
        precision: precision in which it computes.
        stop_at: when to stop, on the monotonic clock.
        interruption: a signal that said to stop.
    """

    recipe: Recipe
    folder: Path
    train: Batches
    validation: Batches
    progress: Progress
    loss: StepLoss
    accelerator: torch.device
    precision: Precision
    stop_at: float
    interruption: Interruption = field(default_factory=Interruption)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the training examples."""
        return len(self.train) // self.recipe.schedule.batch_size

    @property
    def steps(self) -> int:
        """Steps from the first to the last."""
        return self.steps_per_epoch * self.recipe.schedule.epochs

    @property
    def is_over(self) -> bool:
        """Whether it is time to stop."""
        return self.interruption.by is not None or time.monotonic() > self.stop_at

    def save(self) -> None:
        """Write the state.

        Raises:
            TrainingError: it cannot be written, or its weights are not finite.
        """
        tensors = self.progress.network.state_dict().values()
        if not all(torch.isfinite(tensor).all() for tensor in tensors):
            raise diverged(self, f"the weights after step {self.progress.step} are not finite")
        save_state(self.folder, self.recipe, self.progress)


def prepare(
    recipe: Recipe,
    examples: Examples | Parts,
    folder: Path,
    accelerator: torch.device,
    minutes: float,
    sources: Sources,
) -> Run:
    """Put the examples on the accelerator, and the run at its first step or where its state is."""
    stop_at = time.monotonic() + 60 * minutes
    train, validation = examples if isinstance(examples, tuple) else split(examples, recipe)
    steps_per_epoch = len(train) // recipe.schedule.batch_size
    if steps_per_epoch == 0:
        raise TrainingError(
            f"{len(train) + len(validation)} examples less {recipe.validation_images} for "
            f"validation make no batch of {recipe.schedule.batch_size}"
        )
    progress, teaching = start(
        recipe, steps_per_epoch * recipe.schedule.epochs, folder, sources, accelerator
    )
    return Run(
        recipe,
        folder,
        Batches.on(accelerator, train),
        Batches.on(accelerator, validation),
        progress,
        step_loss(recipe.hardening, recipe.teacher, teaching, progress.on_device),
        accelerator,
        precision_on(accelerator, recipe.schedule),
        stop_at,
    )


def take_in(run: Run, unseen: list[Tensor]) -> None:
    """Add the losses of the last steps to that of the epoch; the list is empty then.

    It waits for the accelerator; so it must be rare.

    Raises:
        TrainingError: one is not finite.
    """
    progress = run.progress
    losses = torch.stack(unseen).tolist() if unseen else []
    for step, loss in enumerate(losses, progress.step - len(losses) + 1):
        if not math.isfinite(loss):
            raise diverged(run, f"the loss of step {step} is {loss}")
        progress.epoch_loss += loss
        progress.epoch_steps += 1
    unseen.clear()


def diverged(run: Run, what: str) -> TrainingError:
    """Return the error that ends a run which learns nothing any more."""
    return TrainingError(
        f"{what}: the training of {run.recipe.name} has diverged. In {run.folder} "
        f"{kept(run.progress)}; to go on from there leads here again. Train anew in another folder "
        "with a smaller learning rate, or clip the gradients: --set schedule.clip_norm=1"
    )
