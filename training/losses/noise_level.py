"""How strong the noise of a step is: sigma over the run and over the images of a batch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from noisevote.models.errors import TrainingError
from noisevote.models.networks.noise_points import Sigma, noise_points
from noisevote.training.recipes.recipe import Hardening


def sigma_of_batch(
    hardening: Hardening, share: float, count: int, generator: torch.Generator
) -> Sigma:
    """Return the sigma of a step: one number, or one per image, at all or at each noise point.

    Args:
        hardening: how the noise enters.
        share: share of the run's steps that are done, 0 to 1.
        count: images in the batch.
        generator: generator of what varies from image to image, on the accelerator of the images.
    """
    variance, sigma = hardening.variance, hardening.sigma_train
    if share < hardening.ramp:
        return at_all_points(sigma, lambda value: value * share / hardening.ramp)
    if variance is None:
        return sigma
    normal = torch.randn(count, generator=generator, device=generator.device)
    if variance.distribution == "half_normal":
        normal = normal.abs()

    def of_images(value: float) -> float | Tensor:
        # Where there is no noise to begin with, there is none to vary.
        shifted = variance.alpha * value + variance.theta * normal
        return shifted.clamp_min(0.0) if value > 0 else 0.0

    return at_all_points(sigma, of_images)


def at_all_points(
    sigma: float | dict[str, float], change: Callable[[float], float | Tensor]
) -> Sigma:
    """Return ``change`` of a sigma, or of the sigma of each noise point."""
    if isinstance(sigma, dict):
        return {point: change(value) for point, value in sigma.items()}
    return change(sigma)


def check_points(hardening: Hardening, network: nn.Module) -> None:
    """Refuse a sigma for a noise point that the network does not have.

    Raises:
        TrainingError: there is one.
    """
    if isinstance(hardening.sigma_train, dict):
        names = [point.name for point in noise_points(network)]
        if unknown := [name for name in hardening.sigma_train if name not in names]:
            raise TrainingError(
                f"sigma_train names {', '.join(unknown)}; the network's noise points are "
                f"{', '.join(names)}"
            )
