"""The losses against what they are said to compute."""

import math

import pytest
import torch
from torch.nn import functional

from models.networks.mnist_cnn import MnistCnn
from models.noise import NoiseKind
from training.hardening import marginal_loss, noisy_outputs, step_loss
from training.recipes import Hardening


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(8, 1, 28, 28, generator=generator), torch.arange(8)


def test_without_noise_the_loss_is_the_cross_entropy(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    images, labels = batch
    network = MnistCnn(fc_units=16).eval()
    for loss in ("cross_entropy", "marginal"):
        hardening = Hardening(sigma_train=0.0, loss=loss, output_draws=3)
        value = step_loss(hardening)(network, images, labels, torch.Generator(), 0.5)
        expected = functional.cross_entropy(network(images), labels)
        assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_marginal_loss_is_the_log_of_the_mean_probability() -> None:
    outputs = torch.randn(5, 3, 10, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([1, 7, 0])
    probability = outputs.softmax(-1)[:, torch.arange(3), labels].mean(0)
    assert float(marginal_loss(outputs, labels)) == pytest.approx(float(-probability.log().mean()))


def test_marginal_loss_of_the_best_outputs_is_the_limit_of_one_vote() -> None:
    # Right class large, others zero: the vote is right with probability Phi(1 / sigma).
    generator = torch.Generator().manual_seed(2)
    ideal = torch.zeros(200_000, 1, 10)
    ideal[..., 4] = 1e4
    noisy = ideal * (1 + torch.randn(ideal.shape, generator=generator))
    limit = 0.5 * (1 + math.erf(1 / math.sqrt(2)))
    assert float(marginal_loss(noisy, torch.tensor([4]))) == pytest.approx(
        -math.log(limit), rel=0.01
    )


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_draws_share_the_inner_noise_and_differ_in_the_last_layers(
    batch: tuple[torch.Tensor, torch.Tensor], kind: NoiseKind
) -> None:
    images, _ = batch
    hardening = Hardening(kind, 0.3, output_draws=2000)
    network = MnistCnn(kind, fc_units=16).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        outputs = noisy_outputs(network, images, hardening, 0.3, generator)
    assert outputs.shape == (2000, 8, 10)
    spread = outputs.std(0)
    if kind is NoiseKind.MULTIPLICATIVE:
        torch.testing.assert_close(spread, 0.3 * outputs.mean(0).abs(), rtol=0.1, atol=1e-4)
    else:
        torch.testing.assert_close(spread, torch.full_like(spread, 0.3), rtol=0.1, atol=0)
