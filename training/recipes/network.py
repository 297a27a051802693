"""The network of a recipe, and whether the recipe's data fit it."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from noisevote.models.data.dataset import Dataset
from noisevote.models.data.datasets import DATASETS, find_dataset
from noisevote.models.errors import TrainingError
from noisevote.models.networks.brought import is_brought
from noisevote.models.networks.noise_points import NoisePoint, noise_from
from noisevote.models.networks.registry import build_network
from noisevote.models.noise import NoiseKind
from noisevote.training.recipes.recipe import Recipe


def network_of(recipe: Recipe) -> nn.Module:
    """Return the untrained network of a recipe.

    Raises:
        TrainingError: there is no network of that name, or it cannot be quantised.
    """
    return build_network(recipe.network, recipe.hardening.kind, recipe.options, recipe.quantisation)


def check_fits(recipe: Recipe) -> None:
    """Refuse a recipe whose network does not take its data set's inputs, or has other outputs.

    Raises:
        TrainingError: it is so, or there is no network of that name.
        DataError: there is no such data set.
    """
    if is_brought(recipe.network):
        return  # whoever builds it passes an input, to find its layers
    dataset = find_dataset(recipe.dataset)
    # On this device there are shapes, but no values: nothing is drawn or computed.
    with torch.device("meta"):
        network = network_of(recipe)
    if misfit := misfit_of(network, dataset):
        raise TrainingError(f"{recipe.network} cannot learn {recipe.dataset}: {misfit}")


def misfit_of(network: nn.Module, dataset: Dataset) -> str:
    """Return why a network on the device ``meta`` cannot learn a data set; empty if it can."""
    try:
        with torch.inference_mode(), noise_from(network, has_the_points_shape):
            outputs = network.eval()(torch.zeros(1, *dataset.shape, device="meta"))
    except Exception as error:  # noqa: BLE001 a network raises what it likes about foreign inputs
        return f"it takes no inputs of shape {dataset.shape} ({str(error).splitlines()[0]})"
    if outputs.shape != (1, len(dataset.labels)):
        return f"it tells {outputs.shape[-1]} classes apart, the data have {len(dataset.labels)}"
    return ""


def has_the_points_shape(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:
    """Return the signal at a noise point; it must be as large as the noise that is made for it.

    Raises:
        ValueError: it is not, so that the exported network would refuse these inputs.
    """
    shape = point.shape if step is None else point.shape[1:]
    if signal.shape[1:] != shape:
        raise ValueError(
            f"at {point.name} they become {tuple(signal.shape[1:])}, its noise is for {shape}"
        )
    return signal


@lru_cache
def fitting_dataset(network: str) -> Dataset:
    """Return the first data set that a network can learn.

    Raises:
        TrainingError: there is no network of that name, or no data set for it.
    """
    with torch.device("meta"):
        built = build_network(network, NoiseKind.MULTIPLICATIVE, {})
    for dataset in DATASETS.values():
        if not misfit_of(built, dataset):
            return dataset
    raise TrainingError(f"{network} can learn none of the data sets: {', '.join(DATASETS)}")
