"""The losses against what they are said to compute."""

import math
from typing import get_args

import pytest
import torch
from torch.nn import functional

from noisevote.models.networks.mnist_cnn import MnistCnn
from noisevote.models.noise import NoiseKind
from noisevote.training.losses.hardening import (
    OF_DRAWS,
    distillation_loss,
    inner_outputs,
    marginal_loss,
    step_loss,
    with_output_noise,
)
from noisevote.training.recipes.recipe import Hardening, Loss, Teacher


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(8, 1, 28, 28, generator=generator), torch.arange(8)


def test_every_loss_that_a_recipe_may_name_is_there() -> None:
    assert set(OF_DRAWS) == set(get_args(Loss))


def test_without_noise_the_loss_is_the_cross_entropy(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    images, labels = batch
    network = MnistCnn(fc_units=16).eval()
    for loss in OF_DRAWS:
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
        inner = inner_outputs(network, images, hardening, 0.3, generator)
        outputs = with_output_noise(inner, hardening, 0.3, generator)
    assert outputs.shape == (2000, 8, 10)
    spread = outputs.std(0)
    if kind is NoiseKind.MULTIPLICATIVE:
        torch.testing.assert_close(spread, 0.3 * outputs.mean(0).abs(), rtol=0.1, atol=1e-4)
    else:
        torch.testing.assert_close(spread, torch.full_like(spread, 0.3), rtol=0.1, atol=0)


def test_passes_differ_in_all_of_their_noise(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, _ = batch
    # Without noise on the last layer, all that differs comes from the inner noise points.
    inner = {"conv1": 0.5, "fc1": 0.5}
    hardening = Hardening(sigma_train=inner, pass_draws=3)
    torch.manual_seed(4)  # of the weights: by chance two outputs could be close
    network = MnistCnn(fc_units=16).eval()
    with torch.no_grad():
        passes = inner_outputs(network, images, hardening, inner, torch.Generator().manual_seed(4))
    assert passes.shape == (3, 8, 10)
    assert not torch.isclose(passes[0], passes[1]).any()
    assert not torch.isclose(passes[1], passes[2]).any()


def test_distillation_loss_is_the_divergence_from_the_teacher() -> None:
    generator = torch.Generator().manual_seed(5)
    outputs = torch.randn(3, 4, 10, generator=generator, dtype=torch.float64)
    targets = torch.randn(4, 10, generator=generator, dtype=torch.float64)
    teacher, student = (targets / 2.5).softmax(-1), (outputs / 2.5).softmax(-1)
    divergence = (teacher * (teacher.log() - student.log())).sum(-1).mean()
    value = distillation_loss(outputs, targets, temperature=2.5)
    assert float(value) == pytest.approx(2.5**2 * float(divergence))
    assert float(distillation_loss(targets.expand(3, 4, 10), targets, 2.5)) == pytest.approx(0)


def test_teachers_part_of_the_loss_has_its_weight(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    images, labels = batch
    network, teaching = MnistCnn(fc_units=16).eval(), MnistCnn(fc_units=8).eval()
    teacher = Teacher("any", temperature=3.0, weight=0.25)
    value = step_loss(Hardening(), teacher, teaching)(
        network, images, labels, torch.Generator(), 0.0
    )
    outputs, targets = network(images), teaching(images)
    expected = 0.75 * functional.cross_entropy(outputs, labels)
    expected += 0.25 * distillation_loss(outputs[None], targets, 3.0)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
