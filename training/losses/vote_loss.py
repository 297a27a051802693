"""The chance of a right vote, in closed form: the loss ``vote``.

With noise on the last layer, the vote on an image whose outputs before that noise are ``o`` falls
on class ``c`` with the probability

    P(c) = E_z [ prod over j != c of P(o_j n_j < o_c n_c(z)) ],

in which the product has a closed form, as the noise of each output is Gaussian: with multiplicative
noise ``Phi((o_c (1 + sigma z) - o_j) / (sigma |o_j|))``, with additive noise
``Phi((o_c + sigma z - o_j) / sigma)``. The expectation over the one number ``z`` is a mean over
equally likely strata with one random point in each.

Draws of all outputs ("marginal") estimate the same chance, but once the outputs are large only the
few draws with a near tie have a gradient. Here every image has one, and the softmax is gone.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from noisevote.models.noise import NoiseKind
from noisevote.training.recipes.recipe import Hardening

STRATA = 64
SMALLEST_SIGMA = 0.01
"""Least sigma of additive noise: at 0 the chance would be a step without a slope."""
SMALLEST_SPREAD = 0.01
"""Least standard deviation of a noisy output, as a share of the largest output of the image: with
multiplicative noise an output of 0 has none, and the chance would be a step without a slope."""


def vote_loss(
    outputs: Tensor,
    labels: Tensor,
    hardening: Hardening,
    sigma: float | Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Return the mean of ``-log P``, or of ``(1 - P^q) / q``, over the images.

    With ``q = 1`` the loss is the share of wrong votes itself. Where noise has spoiled an image
    beyond hope, it lets go; the logarithm would spend its strength there. (Generalised
    cross-entropy: Zhang and Sabuncu, arXiv 1805.07836, equation 6.)

    Args:
        outputs: ``[passes, batch, classes]``, before the last layer's noise; the chance is that
            over the passes.
        labels: ``[batch]``.
        hardening: kind of the noise, and ``q`` as ``loss_power``.
        sigma: sigma of the last layer's noise; one number or one per image ``[batch]``.
        generator: generator of the points inside the strata, on the accelerator of the outputs.
    """
    log_chances = [
        log_vote_probability(of_pass, labels, hardening.kind, sigma, generator)
        for of_pass in outputs
    ]
    log_chance = torch.logsumexp(torch.stack(log_chances), dim=0) - math.log(len(log_chances))
    power = hardening.loss_power
    loss = -log_chance if power == 0 else -torch.expm1(power * log_chance) / power
    return loss.mean()


def log_vote_probability(
    outputs: Tensor,
    labels: Tensor,
    kind: NoiseKind,
    sigma: float | Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Return the logarithm of the chance that a vote falls on the label ``[batch]``.

    Args and source: see :func:`vote_loss`.
    """
    batch, classes = outputs.shape
    z = stratified_normals(batch, outputs.device, generator)
    right = outputs.gather(1, labels.unsqueeze(1)).squeeze(1)
    spread = torch.as_tensor(sigma, device=outputs.device).reshape(-1, 1)
    if kind is NoiseKind.MULTIPLICATIVE:
        noisy_right = right * (1 + spread.reshape(-1) * z)
        least = SMALLEST_SPREAD * outputs.detach().abs().amax(dim=1, keepdim=True)
        deviation = torch.sqrt((spread * outputs) ** 2 + least**2)
    else:
        spread = spread.clamp_min(SMALLEST_SIGMA)
        noisy_right = right + spread.reshape(-1) * z
        deviation = spread.expand_as(outputs)
    below = torch.special.log_ndtr((noisy_right.unsqueeze(-1) - outputs) / deviation)
    is_label = functional.one_hot(labels, classes).bool()
    per_stratum = below.masked_fill(is_label, 0.0).sum(dim=-1)
    return torch.logsumexp(per_stratum, dim=0) - math.log(STRATA)


def stratified_normals(batch: int, device: torch.device, generator: torch.Generator) -> Tensor:
    """Return one standard normal in each of 64 equally likely strata ``[strata, batch]``."""
    within = torch.rand((STRATA, batch), generator=generator, device=device)
    uniform = (torch.arange(STRATA, device=device).unsqueeze(1) + within) / STRATA
    points: Tensor = torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6))
    return points
