"""Batch-norm statistics for service, estimated under the noise of the training."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from models.networks.noise_points import fresh_noise, noise_from
from training.fit.data import Batches
from training.losses.adversary import with_adversarial_part
from training.losses.noise_level import sigma_of_batch
from training.recipes.recipe import Recipe

STATISTICS_BATCHES = 100
STATISTICS_BATCH = 500


def estimate_batch_norm(network: nn.Module, train: Batches, recipe: Recipe) -> None:
    """Estimate the batch-norm statistics anew, at the training sigma and the final weights.

    The running averages of the training lag behind the weights and give the last batches too much
    weight; here many batches count alike. As in the training, the adversary has its part of them.
    """
    generator = torch.Generator(train.inputs.device).manual_seed(recipe.seed)
    with torch.no_grad():
        update_bn(noisy_batches(network, train, recipe, generator), network)


def noisy_batches(
    network: nn.Module, train: Batches, recipe: Recipe, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield inputs ``[batch, ...]``, and make the network noisy while each is passed."""
    # Of its own, since the statistics of the other are in the making.
    as_trained = copy.deepcopy(network) if recipe.adversary else network
    chosen = torch.from_numpy(np.random.default_rng(recipe.seed).permutation(len(train)))
    size = train.no_more_than(STATISTICS_BATCH)
    for part in torch.split(chosen[: STATISTICS_BATCHES * size].to(train.inputs.device), size):
        images = with_adversarial_part(as_trained, train.batch(part), recipe, 1.0, generator)
        sigma = sigma_of_batch(recipe.hardening, 1.0, len(images), generator)
        with noise_from(network, fresh_noise(recipe.hardening.kind, sigma, generator)):
            yield images
