"""The chance of a right vote agrees with counting, and its best pattern with the known limit."""

import pytest
import torch

from noisevote.models.noise import NoiseKind
from noisevote.training.losses.vote_loss import log_vote_probability, vote_loss
from noisevote.training.recipes.recipe import Hardening
from noisevote.training.report.limit import one_vote_limit

DRAWS = 100_000


def chance(outputs: torch.Tensor, kind: NoiseKind, sigma: float) -> float:
    """Return the chance of class 0, averaged over many placings of the strata."""
    rows = outputs.expand(64, -1)
    labels = torch.zeros(64, dtype=torch.long)
    generator = torch.Generator().manual_seed(3)
    return float(log_vote_probability(rows, labels, kind, sigma, generator).exp().mean())


@pytest.mark.parametrize("kind", list(NoiseKind))
@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_chance_is_that_of_counted_votes(kind: NoiseKind, sigma: float) -> None:
    """100,000 votes: a standard error of at most 0.0016; 5 of them fail once in 1.7 million."""
    generator = torch.Generator().manual_seed(11)
    for _ in range(5):
        outputs = 2 * torch.randn(10, generator=generator)
        outputs[0] += 2
        noise = sigma * torch.randn((DRAWS, 10), generator=generator)
        noisy = outputs * (1 + noise) if kind is NoiseKind.MULTIPLICATIVE else outputs + noise
        counted = float((noisy.argmax(dim=1) == 0).float().mean())
        # 0.004 for the least spread of outputs near 0.
        assert chance(outputs, kind, sigma) == pytest.approx(counted, abs=5 * 0.0016 + 0.004)


@pytest.mark.parametrize("sigma", [0.8, 1.0])
def test_best_pattern_reaches_the_limit_of_one_vote(sigma: float) -> None:
    outputs = torch.zeros(10)
    outputs[0] = 1.0
    # The least spread of the others costs up to half a point.
    assert chance(outputs, NoiseKind.MULTIPLICATIVE, sigma) == pytest.approx(
        one_vote_limit(sigma), abs=0.008
    )


def test_loss_falls_when_the_right_output_rises_and_has_a_gradient_far_from_a_tie() -> None:
    outputs = torch.tensor([[30.0, *[-2.0] * 9]], requires_grad=True)
    generator = torch.Generator().manual_seed(1)
    loss = vote_loss(
        outputs.unsqueeze(0), torch.tensor([0]), Hardening(loss="vote"), 1.0, generator
    )
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert float(gradient[0, 0]) < 0
    assert float(gradient[0, 1].abs()) > 0


def test_each_image_may_have_its_own_sigma() -> None:
    outputs = torch.tensor([[3.0, 1.0, 0.0]]).repeat(2, 1)
    labels = torch.tensor([0, 0])
    sigma = torch.tensor([0.2, 1.0])
    generator = torch.Generator().manual_seed(1)
    together = log_vote_probability(outputs, labels, NoiseKind.ADDITIVE, sigma, generator)
    for row in range(2):
        generator.manual_seed(1)
        alone = log_vote_probability(
            outputs, labels, NoiseKind.ADDITIVE, float(sigma[row]), generator
        )
        assert torch.allclose(together[row], alone[row])


def test_power_one_is_the_share_of_wrong_votes_and_power_near_zero_the_logarithm() -> None:
    outputs, labels = (
        torch.randn((8, 10), generator=torch.Generator().manual_seed(2)),
        torch.arange(8),
    )

    def loss(power: float) -> float:
        hardening = Hardening(loss="vote", loss_power=power)
        return float(
            vote_loss(
                outputs.unsqueeze(0), labels, hardening, 1.0, torch.Generator().manual_seed(1)
            )
        )

    log_chance = log_vote_probability(
        outputs, labels, NoiseKind.MULTIPLICATIVE, 1.0, torch.Generator().manual_seed(1)
    )
    assert loss(1.0) == pytest.approx(float((1 - log_chance.exp()).mean()), rel=1e-5)
    assert loss(1e-3) == pytest.approx(loss(0.0), rel=1e-2)


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_images_without_noise_have_a_finite_loss_and_gradient(kind: NoiseKind) -> None:
    outputs = torch.tensor([[[2.0, 2.0, -1.0], [0.0, 1.0, 0.0]]], requires_grad=True)
    sigma = torch.tensor([0.0, 0.0])
    generator = torch.Generator().manual_seed(1)
    loss = vote_loss(outputs, torch.tensor([0, 1]), Hardening(kind, loss="vote"), sigma, generator)
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert loss.isfinite()
    assert gradient.isfinite().all()
