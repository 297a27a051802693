"""The DenseNets from training to a checkpoint that serves, on made-up colour pictures."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.cifar10 import CLASSES, FOLDER
from noisevote.models.data.dataset import as_inputs
from noisevote.models.data.datasets import load_dataset
from noisevote.models.networks.densenet import DenseNet
from noisevote.models.networks.quantisers import Quantisation
from noisevote.models.networks.trained import load_network
from noisevote.models.noise import NoiseKind
from noisevote.training.export.checkpoint import check_parity
from noisevote.training.fit.data import Batches
from noisevote.training.fit.loop import fit
from noisevote.training.fit.sources import weights_digest
from noisevote.training.fit.state import Progress
from noisevote.training.recipes.network import fitting_dataset
from noisevote.training.recipes.recipe import Hardening, Recipe
from noisevote.training.recipes.table import RECIPES
from noisevote.training.recipes.vary import vary
from tests.photographs import SMALL, export_small_densenet, photographs, write_cifar10

torch.set_num_threads(1)

WITH_BOTTLENECKS = replace(SMALL, network="densenet100", options={"depth": 16, "growth": 4})
QUANTISED = replace(SMALL, quantisation=Quantisation(8))
ADDITIVE = replace(SMALL, hardening=Hardening(NoiseKind.ADDITIVE, 0.3))


def parity_holds(checkpoint: Checkpoint, images: int, sigma: float) -> bool:
    network = load_network(checkpoint.folder, checkpoint.card)
    inputs = as_inputs(photographs(images, seed=3)[0])
    return all(
        check_parity(network, checkpoint.runtime(kind), checkpoint.card, inputs, sigma).holds
        for kind in NoiseKind
    )


@pytest.mark.parametrize(
    "recipe",
    [SMALL, WITH_BOTTLENECKS, ADDITIVE, QUANTISED],
    ids=["plain", "bottlenecks", "additive", "quantised"],
)
def test_torch_and_onnx_give_the_same_votes_on_the_same_noise(
    recipe: Recipe, tmp_path: Path
) -> None:
    # Loading a runtime checks that a row's outputs do not depend on the batch, bit by bit.
    checkpoint = export_small_densenet(tmp_path, recipe)
    assert checkpoint.card.labels == CLASSES
    assert parity_holds(checkpoint, images=24, sigma=0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "points"), [("densenet40", 40), ("densenet100", 100)])
def test_whole_networks_give_the_same_votes_in_torch_and_onnx(
    network: str, points: int, tmp_path: Path
) -> None:
    checkpoint = export_small_densenet(tmp_path, replace(SMALL, network=network, options={}))
    assert len(checkpoint.card.noise_points) == points
    assert parity_holds(checkpoint, images=40, sigma=0.5)


def test_training_on_files_of_cifar10_learns_and_goes_into_a_checkpoint(tmp_path: Path) -> None:
    write_cifar10(tmp_path / FOLDER, count=60)
    dataset = load_dataset("cifar10", tmp_path, allow_unknown=True)
    progress = fit(SMALL, dataset.train, tmp_path / "run", Console(quiet=True))
    first, *_, last = [row["loss"] for row in progress.history]
    assert last < 0.7 * first
    # Ten classes by chance give 0.1; the statistics of the batch norms fit the noise.
    assert progress.history[-1]["noisy_accuracy"] > 0.5


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("densenet")])
def test_recipes_name_networks_of_the_registry_and_their_data(name: str) -> None:
    recipe = RECIPES[name]
    assert fitting_dataset(recipe.network).name == recipe.dataset
    assert recipe.schedule.precision == "auto"


def test_large_pictures_are_passed_in_smaller_batches() -> None:
    pictures, labels = photographs(300)
    colour = Batches(torch.from_numpy(pictures), torch.from_numpy(labels))
    grey = Batches(torch.zeros(600, 1, 28, 28), torch.zeros(600))
    assert [len(labels) for _, labels in colour.in_order(500)] == [127, 127, 46]
    assert [len(labels) for _, labels in grey.in_order(500)] == [500, 100]


STAGES = {
    "schedule.stages": [{"side": 16, "share": 0.4}, {"side": 24, "share": 0.3}],
    "schedule.optimizer": "muon",
    "schedule.learning_rate": 0.05,
}
BY_TORCH = STAGES | {"schedule.batch_size": 30}
"""Not a multiple of what the compiled kernels take at once."""


@pytest.fixture
def sides() -> Iterator[list[int]]:
    """Sides of the pictures that torch passes through DenseNets in training."""
    seen: list[int] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(module, DenseNet) and module.training and torch.is_grad_enabled():
            seen.append(inputs[0].shape[-1])

    hook = register_module_forward_pre_hook(look)
    yield seen
    hook.remove()


def trained(settings: dict[str, Any], folder: Path, minutes: float = math.inf) -> Progress:
    """Train the small DenseNet on 200 pictures, 150 of them to learn from; stop in time."""
    if not (folder / FOLDER).is_dir():
        write_cifar10(folder / FOLDER)
    train = load_dataset("cifar10", folder, allow_unknown=True).train
    run = folder / ("pieces" if minutes == 0 else "whole")
    return fit(vary(SMALL, settings), train, run, Console(quiet=True), minutes=minutes)


def test_small_pictures_come_first_and_whole_ones_last(tmp_path: Path, sides: list[int]) -> None:
    assert trained(BY_TORCH, tmp_path).is_finished
    assert sides == [16] * 6 + [24] * 5 + [32] * 4


@pytest.mark.parametrize("settings", [STAGES, BY_TORCH], ids=["kernels where they serve", "torch"])
def test_interrupted_run_with_stages_goes_on_to_the_same_weights(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    whole = trained(settings, tmp_path)
    while not (pieces := trained(settings, tmp_path, minutes=0)).is_finished:
        pass
    assert weights_digest(pieces.network) == weights_digest(whole.network)
