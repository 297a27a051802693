"""The losses that harden a network: what a step minimises, given a batch of images.

With noise on the last layer a single vote cannot be sure. Cross-entropy answers by keeping the
outputs small: it fears the rare draw in which the right class loses badly. The marginal loss,
``-log E[p(right class)]`` over the noise, is the logarithm of the chance of a right vote (smoothed
by the softmax), so its optimum is the best a vote can do: the right output large, the others zero.
The last layer has ten outputs, so many draws of its noise cost next to nothing.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from noisevote.models.networks.noise_points import (
    Sigma,
    fresh_noise,
    noise_from,
    noise_points,
    sigma_at,
)
from noisevote.training.kernels.densenet import fused_outputs, serves
from noisevote.training.losses.noise_level import sigma_of_batch
from noisevote.training.losses.vote_loss import vote_loss
from noisevote.training.on_device.hardening import OnDevice
from noisevote.training.recipes.recipe import Hardening, Loss, Teacher

StepLoss = Callable[[nn.Module, Tensor, Tensor, torch.Generator, float], Tensor]
"""Returns the loss of a step.

Takes the network, images ``[batch, ...]``, labels ``[batch]``, the generator of the noise, and the
share of the run's steps that are done, 0 to 1.
"""


def step_loss(
    hardening: Hardening,
    teacher: Teacher | None = None,
    teaching: nn.Module | None = None,
    on_device: OnDevice | None = None,
) -> StepLoss:
    """Return the loss that a recipe minimises.

    Args:
        hardening: how the noise enters.
        teacher: how much is learned from the teacher.
        teaching: the teacher's network, in evaluation mode.
        on_device: the device on which the network learns, if the recipe has one.
    """

    def loss(
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        share: float,
    ) -> Tensor:
        sigma = sigma_of_batch(hardening, share, len(images), generator)
        at_last = sigma_at(sigma, noise_points(network)[-1].name)
        if on_device is not None:
            outputs = outputs_on_device(network, images, hardening, on_device, generator, share)
            of_labels = OF_DRAWS[hardening.loss](outputs, labels, hardening)
        elif hardening.loss in IN_CLOSED_FORM and not is_zero(at_last):
            outputs = inner_outputs(network, images, hardening, sigma, generator)
            closed = IN_CLOSED_FORM[hardening.loss]
            of_labels = closed(outputs, labels, hardening, at_last, generator)
        else:
            outputs = inner_outputs(network, images, hardening, sigma, generator)
            outputs = with_output_noise(outputs, hardening, at_last, generator)
            of_labels = OF_DRAWS[hardening.loss](outputs, labels, hardening)
        if teacher is None or teaching is None:
            return of_labels
        with torch.no_grad():
            targets = teaching(images).float()
        of_teacher = distillation_loss(outputs, targets, teacher.temperature)
        return (1 - teacher.weight) * of_labels + teacher.weight * of_teacher

    return loss


def inner_outputs(
    network: nn.Module,
    images: Tensor,
    hardening: Hardening,
    sigma: Sigma,
    generator: torch.Generator,
) -> Tensor:
    """Return outputs ``[pass_draws, batch, classes]`` with noise at every point but the last."""
    passes = hardening.pass_draws
    inner = [point.name for point in noise_points(network)[:-1]]
    levels = {name: repeated(sigma_at(sigma, name), passes) for name in inner}
    shown = repeated(images, passes)
    if serves(network, shown, hardening.kind, levels):
        outputs = fused_outputs(network, shown, levels, generator)
    else:
        with noise_from(network, fresh_noise(hardening.kind, levels, generator)):
            outputs = network(shown).float()
    return outputs.view(passes, len(images), -1)


def outputs_on_device(
    network: nn.Module,
    images: Tensor,
    hardening: Hardening,
    on_device: OnDevice,
    generator: torch.Generator,
    share: float,
) -> Tensor:
    """Return outputs ``[pass_draws * output_draws, batch, classes]`` of a network on a device.

    The first pass is on the chip of the step, each further one on another.

    Args:
        network: that learns.
        images: ``[batch, ...]``.
        hardening: how many draws there are.
        on_device: the device.
        generator: of the noise of reads, and of further chips.
        share: share of the run's steps that are done, 0 to 1; during the ramp errors rise with it.
    """
    strength = min(1.0, share / hardening.ramp) if hardening.ramp else 1.0
    passes = []
    for number in range(hardening.pass_draws):
        chip = on_device.drawn(network, generator) if number else None
        with on_device.passing(network, chip, generator, strength, hardening.output_draws):
            passes.append(network(images).float())
    return torch.cat(passes).view(-1, len(images), passes[0].shape[-1])


def with_output_noise(
    outputs: Tensor, hardening: Hardening, sigma: float | Tensor, generator: torch.Generator
) -> Tensor:
    """Return outputs ``[pass_draws * output_draws, batch, classes]``: the last layer's noise added.

    Args:
        outputs: ``[pass_draws, batch, classes]``.
        hardening: kind of the noise and number of its draws.
        sigma: sigma of the last layer's noise, one number or one per image ``[batch]``.
        generator: generator of the noise.
    """
    outputs = outputs.unsqueeze(1).expand(-1, hardening.output_draws, -1, -1).flatten(0, 1)
    if is_zero(sigma):
        return outputs
    noise = torch.randn(outputs.shape, generator=generator, device=outputs.device)
    noise *= sigma.view(-1, 1) if isinstance(sigma, Tensor) else sigma
    return hardening.kind.meet(outputs, hardening.kind.finished(noise))


def is_zero(sigma: float | Tensor) -> bool:
    """Return whether there is no noise at all; sigmas that differ by image count as noise."""
    return not isinstance(sigma, Tensor) and sigma == 0


Repeated = TypeVar("Repeated", Tensor, float | Tensor)


def repeated(value: Repeated, times: int) -> Repeated:
    """Return a tensor several times behind itself, along its first axis; a number as it is."""
    return torch.cat([value] * times) if isinstance(value, Tensor) and times > 1 else value


def cross_entropy(outputs: Tensor, labels: Tensor, hardening: Hardening) -> Tensor:
    """Return the mean cross-entropy of noisy outputs ``[draws, batch, classes]``."""
    smoothing, repeated_labels = hardening.label_smoothing, labels.repeat(len(outputs))
    flat = outputs.flatten(0, 1)
    return functional.cross_entropy(flat, repeated_labels, label_smoothing=smoothing)


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


OF_DRAWS: dict[Loss, Callable[[Tensor, Tensor, Hardening], Tensor]] = {
    "cross_entropy": cross_entropy,
    "marginal": lambda outputs, labels, _: marginal_loss(outputs, labels),
    "vote": cross_entropy,  # where the last layer has no noise
}
"""Losses of outputs with noise ``[draws, batch, classes]``, by the name in a recipe."""

IN_CLOSED_FORM: dict[Loss, Callable[..., Tensor]] = {"vote": vote_loss}
"""Losses for which the last layer's noise need not be drawn; see :func:`vote_loss`."""


def distillation_loss(outputs: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return ``T^2 KL(targets / T, outputs / T)``, averaged over images and draws.

    Args:
        outputs: outputs of the noisy student ``[draws, batch, classes]``.
        targets: outputs of the noiseless teacher ``[batch, classes]``.
        temperature: T.
    """
    wanted = functional.log_softmax(targets / temperature, dim=-1).expand_as(outputs)
    got = functional.log_softmax(outputs / temperature, dim=-1)
    divergence = functional.kl_div(got, wanted, reduction="none", log_target=True).sum(-1)
    return temperature**2 * divergence.mean()
