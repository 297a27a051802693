"""How strong the noise of a step is: sigma over the run and over the images of a batch."""

from torch import nn

from models.errors import TrainingError
from models.networks.noise_points import Sigma, noise_points
from training.recipes import Hardening


def sigma_of_step(hardening: Hardening, share: float) -> Sigma:
    """Return the sigma of a step.

    Args:
        hardening: how the noise enters.
        share: share of the run's steps that are done, 0 to 1.
    """
    factor = 1.0 if share >= hardening.ramp else share / hardening.ramp
    sigma = hardening.sigma_train
    if isinstance(sigma, dict):
        return {point: factor * value for point, value in sigma.items()}
    return factor * sigma


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
