"""Sigma over the run and over the images of a batch."""

import math

import pytest
import torch
from scipy.stats import kstest, norm
from torch import Tensor

from noisevote.models.networks.mnist_cnn import MnistCnn
from noisevote.models.networks.noise_points import NoisePoint, fresh_noise, noise_from
from noisevote.models.noise import NoiseKind
from noisevote.training.losses.hardening import inner_outputs, step_loss
from noisevote.training.losses.noise_level import sigma_of_batch
from noisevote.training.recipes.recipe import Hardening, Variance

COUNT = 20_000
SMALLEST_P = 1e-4


def drawn(hardening: Hardening, share: float = 1.0, count: int = COUNT) -> object:
    return sigma_of_batch(hardening, share, count, torch.Generator().manual_seed(1))


def test_sigma_rises_linearly_and_then_stays() -> None:
    ramp = Hardening(sigma_train=0.8, ramp=0.25)
    shares = (0.0, 0.0625, 0.125, 0.25, 0.5, 1.0)
    assert [drawn(ramp, share) for share in shares] == pytest.approx([0, 0.2, 0.4, 0.8, 0.8, 0.8])
    by_layer = Hardening(sigma_train={"conv1": 1.0, "fc2": 0.5}, ramp=0.5)
    assert drawn(by_layer, 0.25) == {"conv1": 0.5, "fc2": 0.25}
    assert drawn(Hardening(sigma_train=0.8), 0.0) == 0.8


def test_normal_sigma_is_cut_off_at_zero_and_follows_the_paper_above() -> None:
    """Kolmogorov-Smirnov at a chance of error of 1e-4."""
    sigma = drawn(Hardening(sigma_train=0.8, variance=Variance(0.5, 0.3)))
    assert isinstance(sigma, Tensor)
    assert sigma.shape == (COUNT,)
    assert (sigma >= 0).all()
    at_zero = float((sigma == 0).float().mean())
    below = norm.cdf(0, 0.4, 0.3)
    assert at_zero == pytest.approx(below, abs=4 * math.sqrt(below * (1 - below) / COUNT))
    above = (sigma[sigma > 0].double().numpy() - 0.4) / 0.3
    assert kstest(above, "truncnorm", args=(-0.4 / 0.3, math.inf)).pvalue > SMALLEST_P


def test_half_normal_sigma_follows_the_code() -> None:
    """Kolmogorov-Smirnov at a chance of error of 1e-4."""
    variance = Variance(0.5, 0.3, "half_normal")
    sigma = drawn(Hardening(sigma_train=0.8, variance=variance))
    assert isinstance(sigma, Tensor)
    distance = ((sigma - 0.4) / 0.3).double().numpy()
    assert distance.min() >= 0
    assert kstest(distance, "halfnorm").pvalue > SMALLEST_P


def test_variance_is_switched_on_after_the_ramp() -> None:
    hardening = Hardening(sigma_train=0.8, ramp=0.5, variance=Variance(0.5, 0.3))
    assert drawn(hardening, 0.25) == pytest.approx(0.4)
    assert isinstance(drawn(hardening, 0.5), Tensor)


def test_all_layers_of_an_image_rise_and_fall_together_and_quiet_ones_stay_quiet() -> None:
    by_layer = {"conv1": 1.0, "conv2": 0.0, "fc2": 0.5}
    variance = Variance(1.0, 0.1)
    sigma = drawn(Hardening(sigma_train=by_layer, variance=variance), count=50)
    assert isinstance(sigma, dict)
    assert sigma["conv2"] == 0
    torch.testing.assert_close(sigma["conv1"] - 1.0, sigma["fc2"] - 0.5)


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_each_image_meets_its_own_sigma_at_every_inner_point(kind: NoiseKind) -> None:
    network = MnistCnn(kind, fc_units=16).eval()
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.0, 0.2, 0.4, 0.8])
    generator = torch.Generator().manual_seed(2)
    source = fresh_noise(kind, sigma.repeat(2), generator)
    measured: dict[str, Tensor] = {}

    def watch(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:
        noisy = source(point, signal, step)
        added = (noisy - signal) / (signal if kind is NoiseKind.MULTIPLICATIVE else 1)
        measured[point.name] = torch.stack([row[row.isfinite()].std() for row in added])
        return noisy

    with torch.no_grad(), noise_from(network, watch):
        network(images.repeat(2, 1, 1, 1))
    for name in ("conv1", "conv2", "conv3", "conv4"):
        torch.testing.assert_close(measured[name], sigma.repeat(2), rtol=0.05, atol=1e-3)


@pytest.mark.parametrize("loss", ["cross_entropy", "marginal", "vote"])
@pytest.mark.parametrize("passes", [1, 3])
def test_sigma_zero_for_every_image_is_training_without_noise(loss: str, passes: int) -> None:
    network = MnistCnn(fc_units=16).eval()
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(4)
    variance = Variance(0.0, 0.0)
    quiet = Hardening(sigma_train=1.0, variance=variance, loss=loss, pass_draws=passes)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        outputs = inner_outputs(network, images, quiet, torch.zeros(4), generator)
        torch.testing.assert_close(outputs, network(images).expand(passes, 4, 10))
        value = step_loss(quiet)(network, images, labels, generator, 1.0)
        clean = step_loss(Hardening(loss="cross_entropy"))(network, images, labels, generator, 1.0)
    if loss == "vote":
        assert value.isfinite()
    else:
        torch.testing.assert_close(value, clean)
