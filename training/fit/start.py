"""The start of a run: the network, its first weights, and what changes them."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from noisevote.models.data.datasets import DATASETS, find_dataset
from noisevote.models.devices.options import profile_named
from noisevote.models.errors import TrainingError
from noisevote.models.networks.brought import is_brought
from noisevote.models.networks.quantisers import CEILING
from noisevote.training.fit.muon import KernelMuon
from noisevote.training.fit.sources import Sources, weights_digest
from noisevote.training.fit.state import Progress, has_state, restore_state
from noisevote.training.losses.noise_level import check_points
from noisevote.training.on_device.hardening import OnDevice
from noisevote.training.on_device.layers import Layer, layers_of
from noisevote.training.recipes.network import check_fits, network_of
from noisevote.training.recipes.recipe import Recipe, Schedule


def start(
    recipe: Recipe, steps: int, folder: Path, sources: Sources, accelerator: torch.device | str
) -> tuple[Progress, nn.Module | None]:
    """Return a run at its first step, or at the step that its state in ``folder`` has reached.

    Args:
        recipe: what to train.
        steps: steps of the whole run.
        folder: where the state is, if there is one.
        sources: where trained networks are found.
        accelerator: where networks learn.

    Returns:
        The run, and the teacher's network if the recipe has one, in evaluation mode.

    Raises:
        DataError: there is no data set of the recipe's name.
        TrainingError: the state is of another recipe, the data do not fit the network, or a
            trained network that the recipe names is none of this recipe's network, or is not there.
    """
    network = untrained(recipe)
    layers = layers_for(recipe, network)
    resumes = has_state(folder)
    digests = {}
    if recipe.warm_start is not None and not resumes:
        before = sources.network(recipe.warm_start, f"the warm start of recipe {recipe.name}")
        digests[recipe.warm_start] = weights_digest(before)
        take_weights(network, before, recipe.warm_start)
    teaching = None
    if recipe.teacher is not None:
        teaching = sources.network(recipe.teacher.weights, f"the teacher of recipe {recipe.name}")
        digests[recipe.teacher.weights] = weights_digest(teaching)
        to_accelerator(teaching, accelerator)
    to_accelerator(network, accelerator)
    optimizer = optimizer_of(network, recipe.schedule)
    progress = Progress(
        network,
        optimizer,
        scheduler_of(optimizer, recipe.schedule, steps),
        average_of(network, recipe.schedule),
        sources=digests,
        layers=layers,
        on_device=device_of(recipe, layers),
    )
    if resumes:
        restore_state(folder, recipe, progress)
    return progress, teaching


def untrained(recipe: Recipe) -> nn.Module:
    """Return the network of a recipe with random weights, which depend on its seed alone."""
    check_fits(recipe)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = network_of(recipe)
    check_points(recipe.hardening, network)
    check_stages(recipe, network)
    return network


def layers_for(recipe: Recipe, network: nn.Module) -> dict[str, Layer]:
    """Return the layers that lie on arrays, if the recipe needs to know.

    Raises:
        TrainingError: a noise point has none.
    """
    hardening = recipe.hardening
    if hardening.device is None and hardening.weight_clip is None:
        return {}
    is_own = not is_brought(recipe.network)
    shape: Any = find_dataset(recipe.dataset).shape if is_own else recipe.options["shape"]
    use = "hardening.weight_clip" if hardening.device is None else "hardening.device"
    return layers_of(network, shape, use)


def device_of(recipe: Recipe, layers: dict[str, Layer]) -> OnDevice | None:
    """Return the device on which a recipe's network learns; None without one."""
    device = recipe.hardening.device
    return None if device is None else OnDevice(profile_named(device), layers, recipe.hardening)


def check_stages(recipe: Recipe, network: nn.Module) -> None:
    """Refuse stages with smaller pictures if the network does not take them, or none is left whole.

    Raises:
        TrainingError: it is so.
    """
    schedule = recipe.schedule
    if not schedule.stages:
        return
    shape = DATASETS[recipe.dataset].shape
    if sum(stage.share for stage in schedule.stages) >= 1:
        raise TrainingError("the stages take all steps; the last ones must see whole pictures")
    network.eval()
    for stage in schedule.stages:
        try:
            with torch.inference_mode():
                network(torch.zeros(1, *shape[:-2], stage.side, stage.side))
        except RuntimeError as error:
            raise TrainingError(
                f"{recipe.network} takes no inputs of side {stage.side}, only of shape {shape}: "
                f"{str(error).splitlines()[0]}"
            ) from error


def take_weights(network: nn.Module, before: nn.Module, name: str) -> None:
    """Copy the weights of a trained network; one of the two may be quantised.

    Raises:
        TrainingError: it is built otherwise.
    """
    try:
        missing, unexpected = network.load_state_dict(before.state_dict(), strict=False)
    except RuntimeError as error:
        raise TrainingError(f"{name} cannot be the warm start: {error}") from error
    if wrong := [key for key in (*missing, *unexpected) if not key.endswith(CEILING)]:
        raise TrainingError(
            f"{name} cannot be the warm start: its network is another one, which shows in "
            f"{', '.join(wrong)}"
        )


def to_accelerator(network: nn.Module, accelerator: torch.device | str) -> None:
    """Move a network to where it learns, its kernels in the layout that is fastest there."""
    network.to(device=accelerator, memory_format=torch.channels_last)  # type: ignore[call-overload]


def optimizer_of(network: nn.Module, schedule: Schedule) -> Optimizer:
    """Return the optimiser of a run.

    Raises:
        TrainingError: the network is not made for it.
    """
    if schedule.optimizer == "muon":
        rates = schedule.learning_rate, schedule.rest_rate
        return KernelMuon(network, rates, schedule.momentum, schedule.weight_decay)
    if schedule.optimizer == "sgd":
        return SGD(
            network.parameters(),
            lr=schedule.learning_rate,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
            nesterov=True,
        )
    return AdamW(
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )


def scheduler_of(optimizer: Optimizer, schedule: Schedule, steps: int) -> LRScheduler:
    """Return what sets the learning rate of each step."""
    if schedule.curve == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    # Torch counts the steps of the rise from -1, and divides by 0 if they end at 0.
    rises = schedule.warm_up * steps != 1
    return OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=steps,
        pct_start=schedule.warm_up if rises else 0.0,
        anneal_strategy="linear" if schedule.curve == "linear" else "cos",
        cycle_momentum=schedule.optimizer == "adamw",
    )


def average_of(network: nn.Module, schedule: Schedule) -> AveragedModel | None:
    """Return the moving average of the weights, if the recipe asks for one.

    Batch-norm statistics are averaged alike, for a look at the validation images between epochs.
    """
    if schedule.averaging == 0:
        return None
    moving = get_ema_multi_avg_fn(schedule.averaging)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=moving, use_buffers=True)
