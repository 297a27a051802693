"""The one training loop.

Everything random in a step (order of the images, noise) comes from a generator keyed by the
recipe's seed and the number of the step or epoch. So a run that was interrupted and resumed on one
CPU gives the same weights as one that was not. A GPU and the compiled kernels of
``training.kernels.densenet``, each variant of them, draw other noise from the same seed; what took
part stands on the card.
"""

import copy
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Task, TaskID
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from noisevote.models.data.dataset import Examples
from noisevote.models.networks.noise_points import fresh_noise, noise_from
from noisevote.training.fit.accelerators import accelerator_named, shown_accelerator
from noisevote.training.fit.bar import Bar
from noisevote.training.fit.data import Batches, Parts, augmented, resized
from noisevote.training.fit.run import Run, noting, prepare, take_in
from noisevote.training.fit.sources import Sources
from noisevote.training.fit.state import Progress, hold_run, kept
from noisevote.training.fit.validation import validate
from noisevote.training.kernels.densenet import serves
from noisevote.training.losses.adversary import with_adversarial_part
from noisevote.training.losses.noise_level import sigma_of_batch
from noisevote.training.on_device.hardening import OnDevice
from noisevote.training.on_device.layers import clip_weights
from noisevote.training.on_device.profile import with_profile
from noisevote.training.recipes.recipe import Recipe

SAVE_SECONDS = 60.0
SHOW_SECONDS = 0.2
STATISTICS_BATCHES = 100
STATISTICS_BATCH = 500


def fit(
    recipe: Recipe,
    examples: Examples | Parts,
    folder: Path,
    console: Console,
    accelerator: str = "cpu",
    *,
    minutes: float = float("inf"),
    sources: Sources | None = None,
) -> Progress:
    """Train ``recipe``, from the state in ``folder`` if there is one, to its end or for a time.

    Args:
        recipe: what to train.
        examples: the official training examples, of which the recipe's validation share is held
            back; or both parts.
        folder: where the state is kept, written every minute.
        console: where progress is shown.
        accelerator: where it learns, as torch calls it.
        minutes: when they are over, the state is written and the run left as it is.
        sources: where trained networks are found that the recipe names.

    Returns:
        The run; if it is finished, its network is in evaluation mode, with batch-norm statistics
        estimated at the training sigma.

    Raises:
        TrainingError: ``folder`` holds the state of another recipe, there are too few examples,
            there is no such accelerator, a trained network that the recipe names does not fit or is
            not there, another process trains in ``folder``, it cannot be written, or a loss is not
            finite.
        KeyboardInterrupt: it was told to stop by Ctrl-C; the state is written.
        SystemExit: likewise by SIGTERM.
    """
    where = accelerator_named(accelerator)
    recipe = with_profile(recipe)
    with closing(hold_run(folder)):
        run = prepare(recipe, examples, folder, where, minutes, sources or Sources())
        if not run.progress.is_finished:
            train_to_the_end(run, console)
    run.progress.network.eval()
    return run.progress


def train_to_the_end(run: Run, console: Console) -> None:
    """Do what is left of a run, unless its time is over or a signal says to stop."""
    with (
        noting(run.interruption),
        Bar(console, line_of, "{task.fields[speed]} images/s", "loss {task.fields[loss]}") as bar,
    ):
        train_epochs(run, bar)
    if run.interruption.by is not None:
        console.print(
            f"stopped by {run.interruption.by.name} after step {run.progress.step} of {run.steps}; "
            f"the same command goes on there: {kept(run.progress)}, in {run.folder}",
            soft_wrap=True,
        )
    run.interruption.take_effect()
    if run.progress.step == run.steps:
        finish(run)


def train_epochs(run: Run, bar: Bar) -> None:
    """Do the epochs that are left, each followed by a look at the validation examples."""
    progress, accelerator = run.progress, where_it_learns(run)
    if accelerator not in progress.devices:
        if progress.step:
            before = ", ".join(progress.devices)
            bar.console.print(
                f"goes on on another accelerator, {accelerator} after {before}: the weights will "
                "differ in rounding from those of a run on either"
            )
        progress.devices.append(accelerator)
    task = bar.add_task(
        run.recipe.name, total=run.steps, completed=progress.step, epoch="", speed="", loss=""
    )
    while progress.step < run.steps:
        row = train_epoch(run, bar, task)
        if row is not None:
            average = progress.average
            network = progress.network if average is None else average.module
            side = run.recipe.schedule.side_at((progress.step - 1) / run.steps)
            row |= validate(network, run.validation.of_side(side), run.recipe, progress.on_device)
            progress.history.append(row)
            bar.console.print("  ".join(f"{key} {value:.4g}" for key, value in row.items()))
        run.save()
        if run.is_over:
            return


def where_it_learns(run: Run) -> str:
    """Return what a card says of where a run learns, and of what computes its steps."""
    hardening, batch_size = run.recipe.hardening, run.recipe.schedule.batch_size
    network, (images, _) = run.progress.network.train(), run.train.batch(slice(0, batch_size))
    sigma = sigma_of_batch(hardening, 1.0, batch_size, torch.Generator(run.accelerator))
    with mixed(run):
        on_device = run.progress.on_device is not None
        is_fused = not on_device and serves(network, images, hardening.kind, sigma)
    return shown_accelerator(run.accelerator, run.precision, is_fused)


def mixed(run: Run) -> torch.autocast:
    """Return the context in which a run computes in its precision."""
    return torch.autocast(run.accelerator.type, torch.bfloat16, enabled=run.precision == "bfloat16")


def train_epoch(run: Run, bar: Bar, task: TaskID) -> dict[str, float] | None:
    """Do the steps that are left of the current epoch.

    Returns:
        Its row of the history, or None if the time was over before its last step.
    """
    progress, batch_size = run.progress, run.recipe.schedule.batch_size
    epoch, first = divmod(progress.step, run.steps_per_epoch)
    order = np.random.default_rng((run.recipe.seed, epoch)).permutation(len(run.train))
    places = torch.split(torch.from_numpy(order).to(run.accelerator), batch_size)
    unseen: list[Tensor] = []
    began = saved = looked = time.monotonic()

    def look() -> dict[str, float]:
        take_in(run, unseen)
        loss = progress.epoch_loss / progress.epoch_steps
        speed = (step + 1 - first) * batch_size / (time.monotonic() - began)
        shown = {"epoch": epoch + 1, "speed": f"{speed:.0f}", "loss": f"{loss:.4g}"}
        bar.update(task, completed=progress.step, **shown)
        return {"epoch": epoch + 1, "loss": loss, "images_per_s": speed}

    progress.network.train()
    for step in range(first, run.steps_per_epoch):
        if step > first and run.is_over:
            take_in(run, unseen)
            return None
        if time.monotonic() - saved > SAVE_SECONDS:
            take_in(run, unseen)
            run.save()
            saved = time.monotonic()
        unseen.append(take_step(run, places[step]))
        if time.monotonic() - looked > SHOW_SECONDS:
            look()
            looked = time.monotonic()
    row = look()
    progress.epoch_loss, progress.epoch_steps = 0.0, 0
    return row


def line_of(task: Task) -> str:
    """Return how far a run is, for a log."""
    shown = task.fields
    return (
        f"step {task.completed:.0f} of {task.total:.0f}, epoch {shown['epoch']}, "
        f"loss {shown['loss']}, {shown['speed']} images/s"
    )


def take_step(run: Run, chosen: Tensor) -> Tensor:
    """Learn from the examples at the places ``chosen`` ``[batch]``; return the loss."""
    recipe, progress = run.recipe, run.progress
    generator = torch.Generator(run.accelerator).manual_seed(
        seed_of_step(recipe.seed, progress.step)
    )
    images, labels = run.train.batch(chosen)
    share = progress.step / run.steps
    if progress.on_device is not None:
        progress.on_device.begin_step(progress.network, progress.step, generator)
    images = resized(augmented(images, recipe, generator), recipe.schedule.side_at(share))
    with mixed(run):
        images = with_adversarial_part(progress.network, (images, labels), recipe, share, generator)
        loss = run.loss(progress.network, images, labels, generator, share)
    progress.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if recipe.schedule.clip_norm is not None:
        nn.utils.clip_grad_norm_(progress.network.parameters(), recipe.schedule.clip_norm)
    progress.optimizer.step()
    if recipe.hardening.weight_clip is not None:
        clip_weights(progress.network, progress.layers.values(), recipe.hardening.weight_clip)
    progress.scheduler.step()
    if progress.average is not None:
        progress.average.update_parameters(progress.network)
    progress.step += 1
    return loss.detach()


def seed_of_step(seed: int, step: int) -> int:
    """Return the seed of all that is drawn in a step.

    Torch's generator on a CPU takes the lower 32 bits alone (MT19937), so those must differ between
    the runs of two seeds, too; the odd multiple spreads them (2^32 over the golden ratio).
    """
    return seed * 2**32 + (step + (seed - 1) * 2_654_435_761) % 2**32


def finish(run: Run) -> None:
    """Give the network the weights that the run gives, with batch-norm statistics to fit."""
    if run.progress.average is not None:
        run.progress.network.load_state_dict(run.progress.average.module.state_dict())
        run.progress.average = None
    estimate_batch_norm(run.progress.network, run.train, run.recipe, run.progress.on_device)
    run.progress.is_finished = True
    run.save()


def estimate_batch_norm(
    network: nn.Module, train: Batches, recipe: Recipe, on_device: OnDevice | None = None
) -> None:
    """Estimate the batch-norm statistics anew, at the training sigma and the final weights.

    The running averages of the training lag behind the weights and give the last batches too much
    weight; here many batches count alike. As in the training, the adversary has its part of them.
    """
    generator = torch.Generator(train.inputs.device).manual_seed(recipe.seed)
    if on_device is not None:
        on_device.norms_estimated(network, batches_of(train, recipe), generator)
        return
    with torch.no_grad():
        update_bn(noisy_batches(network, train, recipe, generator), network)


def noisy_batches(
    network: nn.Module, train: Batches, recipe: Recipe, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield inputs ``[batch, ...]``, and make the network noisy while each is passed."""
    # Of its own, since the statistics of the other are in the making.
    as_trained = copy.deepcopy(network) if recipe.adversary else network
    for part in parts_of(train, recipe):
        images = with_adversarial_part(as_trained, train.batch(part), recipe, 1.0, generator)
        sigma = sigma_of_batch(recipe.hardening, 1.0, len(images), generator)
        with noise_from(network, fresh_noise(recipe.hardening.kind, sigma, generator)):
            yield images


def batches_of(train: Batches, recipe: Recipe) -> Iterator[Tensor]:
    """Yield inputs ``[batch, ...]`` on which batch norms are estimated."""
    return (train.batch(part)[0] for part in parts_of(train, recipe))


def parts_of(train: Batches, recipe: Recipe) -> Iterable[Tensor]:
    """Return the places of the examples of each batch on which batch norms are estimated."""
    chosen = torch.from_numpy(np.random.default_rng(recipe.seed).permutation(len(train)))
    size = train.no_more_than(STATISTICS_BATCH)
    return torch.split(chosen[: STATISTICS_BATCHES * size].to(train.inputs.device), size)
