"""Adversarial examples to train on: images moved within a ball to where the loss is high.

Sources: A. Madry et al., arXiv 1706.06083, section 2.1 (projected ascent along the sign of the
gradient, from a random start); E. Wong, L. Rice and J. Z. Kolter, arXiv 2001.03994, algorithm 3 (a
single step of 1.25 epsilon from a random start does almost as well); H. Zhang et al., arXiv
1901.08573 (their code attacks the network in evaluation mode).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from noisevote.models.data.datasets import DATASETS
from noisevote.models.networks.noise_points import NoiseSource, fresh_noise, noise_from
from noisevote.training.losses.noise_level import sigma_of_batch
from noisevote.training.recipes.recipe import Adversary, Recipe


@dataclass(frozen=True, slots=True)
class LinfAttack:
    """An attack in the L-infinity ball.

    Attributes:
        epsilon: radius of the ball, in units of the inputs.
        step_size: length of a step along each axis.
        steps: number of steps from the random start.
        low: smallest allowed value of an input.
        high: largest allowed value of an input.
    """

    epsilon: float
    step_size: float
    steps: int
    low: float
    high: float


def attack_of_step(adversary: Adversary, dataset: str, share: float) -> LinfAttack:
    """Return the attack of a step.

    Args:
        adversary: adversary of the recipe.
        dataset: its name, which says what inputs are allowed.
        share: share of the run's steps that are done, 0 to 1.
    """
    factor = 1.0 if share >= adversary.ramp else share / adversary.ramp
    low, high = DATASETS[dataset].range
    return LinfAttack(
        factor * adversary.epsilon, factor * adversary.step_size, adversary.steps, low, high
    )


def with_adversarial_part(
    network: nn.Module,
    batch: tuple[Tensor, Tensor],
    recipe: Recipe,
    share: float,
    generator: torch.Generator,
) -> Tensor:
    """Return the images of a batch with the recipe's share of them made adversarial.

    The adversary sees the noise of the training: each gradient is taken behind fresh noise.

    Args:
        network: network that is attacked.
        batch: images ``[batch, ...]`` and labels ``[batch]``, in random order.
        recipe: recipe whose adversary and noise are taken.
        share: share of the run's steps that are done, 0 to 1.
        generator: generator of the starts and the noise, on the accelerator of the images.
    """
    images, labels = batch
    if recipe.adversary is None:
        return images
    count = round(recipe.adversary.share * len(images))
    attack = attack_of_step(recipe.adversary, recipe.dataset, share)
    sigma = sigma_of_batch(recipe.hardening, share, count, generator)
    source = fresh_noise(recipe.hardening.kind, sigma, generator)
    attacked = adversarial(network, (images[:count], labels[:count]), attack, source, generator)
    return torch.cat([attacked, images[count:]])


def adversarial(
    network: nn.Module,
    batch: tuple[Tensor, Tensor],
    attack: LinfAttack,
    source: NoiseSource | None,
    generator: torch.Generator,
) -> Tensor:
    """Return images within the ball at which the network's cross-entropy is high.

    Args:
        network: attacked in evaluation mode, so that its batch-norm statistics stay as they are.
        batch: images ``[batch, ...]`` and labels ``[batch]``.
        attack: the ball and the steps.
        source: source of the noise in each pass; None: no noise.
        generator: generator of the starts, on the accelerator of the images.
    """
    images, labels = batch
    moved = torch.rand(images.shape, generator=generator, device=images.device)
    moved = (images + attack.epsilon * (2 * moved - 1)).clamp(attack.low, attack.high)
    with in_evaluation_mode(network), noise_from(network, source), torch.enable_grad():
        for _ in range(attack.steps):
            moved.requires_grad_(True)
            loss = functional.cross_entropy(network(moved).float(), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
            moved = moved.detach() + attack.step_size * gradient.sign()
            shift = (moved - images).clamp(-attack.epsilon, attack.epsilon)
            moved = (images + shift).clamp(attack.low, attack.high)
    return moved.detach()


@contextmanager
def in_evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Put ``network`` in evaluation mode for the duration of the block."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
