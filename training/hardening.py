"""The losses that harden a network: what a step minimises, given a batch of images.

With noise on the last layer a single vote cannot be sure. Cross-entropy answers by keeping the
outputs small: it fears the rare draw in which the right class loses badly. The marginal loss,
``-log E[p(right class)]`` over the last layer's noise, is the logarithm of the chance of a right
vote (smoothed by the softmax), so its optimum is the best a vote can do: the right output large,
the others zero. The last layer has ten outputs, so many draws of its noise cost next to nothing.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.noise_points import fresh_noise, noise_from, noise_points
from models.noise import NoiseKind
from training.recipes import Hardening
from training.vote_loss import vote_loss

StepLoss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]
"""Takes network, images ``[batch, ...]``, labels ``[batch]`` and generator; returns the loss."""


def step_loss(hardening: Hardening) -> StepLoss:
    """Return the loss that a recipe's hardening minimises."""

    def loss(
        network: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        if hardening.loss == "vote" and hardening.sigma_train > 0:
            outputs = inner_outputs(network, images, hardening, generator)
            return vote_loss(outputs, labels, hardening, hardening.sigma_train, generator)
        outputs = noisy_outputs(network, images, hardening, generator)
        if hardening.loss == "marginal":
            return marginal_loss(outputs, labels)
        draws, batch, classes = outputs.shape
        return functional.cross_entropy(
            outputs.reshape(draws * batch, classes), labels.repeat(draws)
        )

    return loss


def noisy_outputs(
    network: nn.Module, images: Tensor, hardening: Hardening, generator: torch.Generator
) -> Tensor:
    """Return outputs ``[output_draws, batch, classes]`` that differ in the last layer's noise.

    All other noise points are drawn once per image.
    """
    sigma, kind = hardening.sigma_train, hardening.kind
    outputs = inner_outputs(network, images, hardening, generator)
    outputs = outputs.expand(hardening.output_draws, *outputs.shape)
    if sigma == 0:
        return outputs
    noise = sigma * torch.randn(outputs.shape, generator=generator, device=outputs.device)
    return outputs * (1 + noise) if kind is NoiseKind.MULTIPLICATIVE else outputs + noise


def inner_outputs(
    network: nn.Module, images: Tensor, hardening: Hardening, generator: torch.Generator
) -> Tensor:
    """Return outputs ``[batch, classes]`` with noise at every point but the last."""
    inner = {point.name: hardening.sigma_train for point in noise_points(network)[:-1]}
    with noise_from(network, fresh_noise(hardening.kind, inner, generator)):
        outputs: Tensor = network(images).float()
    return outputs


def marginal_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return ``-log`` of the mean probability of the right class over the draws.

    Args:
        outputs: ``[draws, batch, classes]``.
        labels: ``[batch]``.
    """
    draws = outputs.shape[0]
    log_probability = functional.log_softmax(outputs, dim=-1)
    of_label = log_probability.gather(-1, labels.expand(draws, -1).unsqueeze(-1)).squeeze(-1)
    return -(torch.logsumexp(of_label, dim=0) - math.log(draws)).mean()
