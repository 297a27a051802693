"""The one training loop.

Everything random in a step (order of the images, noise) comes from a generator keyed by the
recipe's seed and the number of the step or epoch. So a run that was interrupted and resumed gives
the same weights as one that was not.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as ProgressBar,
)
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import update_bn

from models.datasets import Examples, as_inputs
from models.errors import TrainingError
from models.networks.noise_points import NoiseSource, fresh_noise, noise_from
from models.networks.registry import build_network
from training.hardening import StepLoss, step_loss
from training.recipes import Hardening, Recipe, Schedule
from training.state import Progress, restore_state, save_state

SAVE_SECONDS = 60.0
STATISTICS_BATCHES = 100
EVALUATION_BATCH = 500


def fit(
    recipe: Recipe, examples: Examples, folder: Path, console: Console, device: str = "cpu"
) -> nn.Module:
    """Train ``recipe`` to its end, from the state in ``folder`` if there is one.

    Args:
        recipe: what to train.
        examples: the official training examples; the recipe's validation share is held back.
        folder: where the state is kept, written every minute.
        console: where progress is shown.
        device: torch device.

    Returns:
        The network in evaluation mode, its batch-norm statistics estimated at the training sigma.

    Raises:
        TrainingError: ``folder`` holds the state of another recipe, or there are too few examples.
    """
    train, validation = split(examples, recipe)
    steps_per_epoch = len(train) // recipe.schedule.batch_size
    if steps_per_epoch == 0:
        raise TrainingError(
            f"{len(examples)} examples less {recipe.validation_images} for validation make no "
            f"batch of {recipe.schedule.batch_size}"
        )
    progress = start(recipe, steps_per_epoch, device)
    restore_state(folder, recipe, progress)
    if not progress.is_finished:
        with progress_bar(console) as bar:
            train_epochs(recipe, train, validation, folder, progress, bar)
        estimate_batch_norm(progress.network, train, recipe)
        progress.is_finished = True
        save_state(folder, recipe, progress)
    return progress.network.eval()


def train_epochs(
    recipe: Recipe,
    train: Examples,
    validation: Examples,
    folder: Path,
    progress: Progress,
    bar: ProgressBar,
) -> None:
    """Do the epochs that are left, each followed by a look at the validation examples."""
    loss = step_loss(recipe.hardening)
    total = len(train) // recipe.schedule.batch_size * recipe.schedule.epochs
    task = bar.add_task(recipe.name, total=total, completed=progress.step, speed="", loss="")
    while progress.step < total:
        row = train_epoch(recipe, train, folder, progress, loss, bar, task)
        row |= validate(progress.network, validation, recipe.hardening, recipe.seed)
        progress.history.append(row)
        save_state(folder, recipe, progress)
        bar.console.print("  ".join(f"{key} {value:.4g}" for key, value in row.items()))


def split(examples: Examples, recipe: Recipe) -> tuple[Examples, Examples]:
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


def start(recipe: Recipe, steps_per_epoch: int, device: str) -> Progress:
    """Build the untrained network and what optimises it."""
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = build_network(recipe.network, recipe.hardening.kind, recipe.options)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    schedule = recipe.schedule
    optimizer = AdamW(
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    scheduler = OneCycleLR(
        optimizer,
        schedule.learning_rate,
        total_steps=steps_per_epoch * schedule.epochs,
        pct_start=schedule.warm_up,
    )
    return Progress(network, optimizer, scheduler, 0, [])


def train_epoch(
    recipe: Recipe,
    train: Examples,
    folder: Path,
    progress: Progress,
    loss: StepLoss,
    bar: ProgressBar,
    task: TaskID,
) -> dict[str, float]:
    """Do the steps that are left of the current epoch; return its row of the history."""
    batch_size = recipe.schedule.batch_size
    steps_per_epoch = len(train) // batch_size
    epoch, first = divmod(progress.step, steps_per_epoch)
    order = np.random.default_rng((recipe.seed, epoch)).permutation(len(train))
    device = device_of(progress.network)
    generator = torch.Generator(device)
    progress.network.train()
    began = saved = time.monotonic()
    total_loss = 0.0
    for step in range(first, steps_per_epoch):
        chosen = order[step * batch_size : (step + 1) * batch_size]
        images, labels = batch(train, chosen, device)
        generator.manual_seed(recipe.seed * 2**32 + progress.step)
        with mixed_precision(recipe.schedule, device):
            value = loss(progress.network, images, labels, generator)
        progress.optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        if recipe.schedule.clip_norm is not None:
            nn.utils.clip_grad_norm_(progress.network.parameters(), recipe.schedule.clip_norm)
        progress.optimizer.step()
        progress.scheduler.step()
        progress.step += 1
        total_loss += value.item()
        done = step + 1 - first
        speed = done * batch_size / (time.monotonic() - began)
        bar.update(
            task, completed=progress.step, speed=f"{speed:.0f}", loss=f"{total_loss / done:.3f}"
        )
        if time.monotonic() - saved > SAVE_SECONDS:
            save_state(folder, recipe, progress)
            saved = time.monotonic()
    return {"epoch": epoch + 1, "loss": total_loss / done, "images_per_s": speed}


def mixed_precision(schedule: Schedule, device: torch.device) -> torch.autocast:
    """Return the block in which a step computes its loss."""
    is_mixed = schedule.precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=is_mixed)


def validate(
    network: nn.Module, validation: Examples, hardening: Hardening, seed: int
) -> dict[str, float]:
    """Return the clean accuracy and the accuracy of one vote at the training sigma."""
    generator = torch.Generator(device_of(network)).manual_seed(seed)
    noise = fresh_noise(hardening.kind, hardening.sigma_train, generator)
    return {
        "clean_accuracy": accuracy(network, validation),
        "noisy_accuracy": accuracy(network, validation, noise),
    }


def accuracy(network: nn.Module, examples: Examples, source: NoiseSource | None = None) -> float:
    """Return the share of ``examples`` that one pass in evaluation mode gets right."""
    network.eval()
    right = 0
    with torch.inference_mode(), noise_from(network, source):
        for images, labels in batches(examples, EVALUATION_BATCH, device_of(network)):
            right += int((network(images).argmax(1) == labels).sum())
    return right / len(examples)


def estimate_batch_norm(network: nn.Module, train: Examples, recipe: Recipe) -> None:
    """Estimate the batch-norm statistics anew, at the training sigma and the final weights.

    The running averages of the training lag behind the weights and give the last batches too much
    weight; here many batches count alike.
    """
    device = device_of(network)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    hardening = recipe.hardening
    chosen = np.random.default_rng(recipe.seed).permutation(len(train))
    chosen = chosen[: STATISTICS_BATCHES * EVALUATION_BATCH]
    subset = Examples(train.inputs[chosen], train.labels[chosen])
    source = fresh_noise(hardening.kind, hardening.sigma_train, generator)
    with torch.no_grad(), noise_from(network, source):
        update_bn(
            (images for images, _ in batches(subset, EVALUATION_BATCH, device)),
            network,
        )


def device_of(network: nn.Module) -> torch.device:
    """Return where a network's weights are."""
    return next(network.parameters()).device


def batches(examples: Examples, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all examples in order, ``size`` at a time, as inputs and labels."""
    for first in range(0, len(examples), size):
        yield batch(examples, np.arange(first, min(first + size, len(examples))), device)


def batch(
    examples: Examples, chosen: NDArray[np.intp], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the chosen examples as inputs ``[batch, ...]`` and labels ``[batch]``."""
    images = torch.from_numpy(as_inputs(examples.inputs[chosen])).to(device)
    if images.dim() == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    return images, torch.from_numpy(examples.labels[chosen]).to(device)


def progress_bar(console: Console) -> ProgressBar:
    """Return a bar that shows steps, images per second, loss and the time left."""
    return ProgressBar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]} images/s"),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
        console=console,
    )
