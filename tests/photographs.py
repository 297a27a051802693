"""Colour pictures to test with, and a small DenseNet that reads them: all made on demand."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from noisevote.models.card import Training
from noisevote.models.checkpoint import Checkpoint
from noisevote.models.networks.noise_points import fresh_noise, noise_from
from noisevote.models.networks.quantisers import Quantisation
from noisevote.models.networks.registry import build_network
from noisevote.models.noise import NoiseKind
from noisevote.training.export.checkpoint import export_checkpoint
from noisevote.training.recipes.recipe import Hardening, Recipe, Schedule

SMALL = Recipe(
    "small_densenet",
    network="densenet40",
    dataset="cifar10",
    hardening=Hardening(sigma_train=0.3),
    schedule=Schedule(epochs=3, batch_size=32, learning_rate=1e-2),
    validation_images=50,
    options={"depth": 10, "growth": 4},
)
"""The smallest DenseNet with two layers a block."""


def photographs(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return pictures ``[count, 3, 32, 32]`` and labels: the colour of a blot tells the class."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, count).astype(np.uint8)
    pictures = generator.integers(90, 160, (count, 3, 32, 32)).astype(np.uint8)
    colours = np.random.default_rng(10).integers(0, 256, (10, 3, 1, 1))
    for picture, label in zip(pictures, labels, strict=True):
        top, left = generator.integers(0, 16, 2)
        picture[:, top : top + 16, left : left + 16] = colours[label]
    return pictures, labels


def records(pictures: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
    """Return the pictures in the layout of CIFAR-10's binary version."""
    flat = pictures.reshape(len(pictures), -1)
    return np.concatenate([labels[:, np.newaxis], flat], axis=1).astype(np.uint8).tobytes()


def write_cifar10(folder: Path, count: int = 40) -> dict[str, bytes]:
    """Write six files of ``count`` made-up pictures each; return their contents by name."""
    folder.mkdir(parents=True)
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    contents = {name: records(*photographs(count, seed)) for seed, name in enumerate(names)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return contents


def lived_in(network: nn.Module, kind: NoiseKind = NoiseKind.MULTIPLICATIVE) -> nn.Module:
    """Give an untrained network batch norms as after training, estimated on noisy pictures."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0.0, 0.3, generator=generator)
    images = torch.from_numpy(photographs(16)[0]).float() / 255
    with torch.no_grad(), noise_from(network, fresh_noise(kind, 0.3, generator)):
        network.train()(images)
    return network.eval()


def untrained(
    name: str,
    kind: NoiseKind,
    options: dict[str, Any],
    quantisation: Quantisation | None = None,
) -> nn.Module:
    """Build a network of the registry with weights that are the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return lived_in(build_network(name, kind, options, quantisation), kind)


def export_small_densenet(directory: Path, recipe: Recipe = SMALL) -> Checkpoint:
    """Export an untrained network of a recipe into ``directory``."""
    kind, quantisation = recipe.hardening.kind, recipe.quantisation
    network = untrained(recipe.network, kind, recipe.options, quantisation)
    training = Training(
        recipe=recipe.as_dict(), command="test", data_digests={}, data_is_official=False,
        data_licence="none", torch_version=torch.__version__,
    )  # fmt: skip
    export_checkpoint(network, recipe, recipe.name, training, directory / recipe.name)
    return Checkpoint(directory / recipe.name)
