"""Adversarial examples keep to their ball and raise the loss; training on them is reported."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from noisevote.models.data.dataset import Examples, LoadedDataset
from noisevote.models.errors import TrainingError
from noisevote.models.networks.mnist_cnn import MnistCnn
from noisevote.models.networks.noise_points import fresh_noise
from noisevote.models.noise import NoiseKind
from noisevote.training.fit.data import Batches
from noisevote.training.fit.loop import fit
from noisevote.training.fit.sources import weights_digest
from noisevote.training.fit.state import Progress
from noisevote.training.fit.validation import robust_accuracy
from noisevote.training.losses.adversary import (
    LinfAttack,
    adversarial,
    attack_of_step,
    with_adversarial_part,
)
from noisevote.training.recipes.recipe import Adversary, Recipe
from noisevote.training.recipes.vary import vary

quiet = Console(quiet=True)
FGSM = {"epsilon": 0.3, "step_size": 0.375}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MnistCnn(fc_units=16)


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(8, 1, 28, 28, generator=generator), torch.arange(8)


@given(
    epsilon=st.floats(0, 1),
    step_size=st.floats(1e-3, 2),
    steps=st.integers(1, 3),
    low=st.floats(-2, 0),
)
@settings(max_examples=20, deadline=None)
def test_examples_stay_in_the_ball_and_in_the_range(
    network: nn.Module,
    batch: tuple[Tensor, Tensor],
    epsilon: float,
    step_size: float,
    steps: int,
    low: float,
) -> None:
    attack = LinfAttack(epsilon, step_size, steps, low, 1.0)
    moved = adversarial(network, batch, attack, None, torch.Generator().manual_seed(2))
    assert not moved.requires_grad
    assert float((moved - batch[0]).abs().max()) <= epsilon + 1e-6
    assert float(torch.tensor(low)) <= float(moved.min())  # as single precision has it
    assert float(moved.max()) <= 1.0


def test_more_steps_raise_the_loss_further(
    network: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    network.eval()
    images, labels = batch

    def loss(moved: Tensor) -> float:
        return functional.cross_entropy(network(moved), labels).item()

    def after(steps: int) -> float:
        attack = LinfAttack(0.1, 0.02, steps, 0.0, 1.0)
        generator = torch.Generator().manual_seed(2)
        return loss(adversarial(network, batch, attack, None, generator))

    assert loss(images) < after(1) < after(4) < after(16)


def test_single_step_is_the_sign_of_the_gradient_at_the_random_start(
    network: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    network.eval()
    images, labels = batch
    images = 0.4 + 0.2 * images
    attack = LinfAttack(0.1, 0.125, 1, 0.0, 1.0)
    moved = adversarial(network, (images, labels), attack, None, torch.Generator().manual_seed(5))
    uniform = torch.rand(images.shape, generator=torch.Generator().manual_seed(5))
    start = (images + 0.1 * (2 * uniform - 1)).requires_grad_(True)
    functional.cross_entropy(network(start), labels).backward()  # type: ignore[no-untyped-call]
    assert start.grad is not None
    expected = images + (start.detach() + 0.125 * start.grad.sign() - images).clamp(-0.1, 0.1)
    torch.testing.assert_close(moved, expected)


def test_attack_leaves_mode_statistics_and_gradients_alone(
    network: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    network.train()
    network.zero_grad()
    before = weights_digest(network)
    source = fresh_noise(NoiseKind.MULTIPLICATIVE, 0.5, torch.Generator().manual_seed(3))
    attack = LinfAttack(0.3, 0.1, 2, 0.0, 1.0)
    adversarial(network, batch, attack, source, torch.Generator().manual_seed(2))
    assert network.training
    assert weights_digest(network) == before
    assert all(parameter.grad is None for parameter in network.parameters())


def test_half_of_the_batch_is_adversarial_and_half_as_it_was(
    network: nn.Module, batch: tuple[Tensor, Tensor], recipe: Recipe
) -> None:
    attacked = vary(recipe, {"adversary": FGSM})
    mixed = with_adversarial_part(network, batch, attacked, 0.5, torch.Generator().manual_seed(1))
    distance = (mixed - batch[0]).abs().amax((1, 2, 3))
    assert (distance[:4] > 0.2).all()
    assert (distance[4:] == 0).all()
    alone = with_adversarial_part(network, batch, recipe, 0.5, torch.Generator())
    assert torch.equal(alone, batch[0])


def test_epsilon_rises_linearly_and_then_stays() -> None:
    adversary = Adversary(0.4, 0.1, steps=7, ramp=0.5)
    rising = [attack_of_step(adversary, "mnist", share) for share in (0.0, 0.25, 0.5, 1.0)]
    assert [attack.epsilon for attack in rising] == pytest.approx([0.0, 0.2, 0.4, 0.4])
    assert [attack.step_size for attack in rising] == pytest.approx([0.0, 0.05, 0.1, 0.1])
    assert {(attack.steps, attack.low, attack.high) for attack in rising} == {(7, 0.0, 1.0)}


SMALL = {
    "validation_images": 32,
    "schedule.batch_size": 32,
    "hardening.sigma_train": 0,
    "hardening.output_draws": 1,
}


@pytest.fixture(scope="module")
def by_adversary(
    recipe: Recipe, dataset: LoadedDataset, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Progress]:
    """Two runs that differ in the adversary alone."""
    few = dataset.train.first(224)
    return {
        name: fit(
            vary(recipe, SMALL | {"adversary": setting}), few, tmp_path_factory.mktemp(name), quiet
        )
        for name, setting in (("none", None), ("fgsm", FGSM))
    }


def test_adversarial_training_makes_robust_and_shows_it(
    by_adversary: dict[str, Progress], dataset: LoadedDataset
) -> None:
    test = Batches.on("cpu", dataset.test)
    attack = LinfAttack(0.3, 0.3, 1, 0.0, 1.0)

    def robust(name: str) -> float:
        generator = torch.Generator().manual_seed(1)
        return robust_accuracy(by_adversary[name].network, test, attack, None, generator)

    assert robust("fgsm") > 0.5 > robust("none")
    assert by_adversary["fgsm"].history[-1]["robust_accuracy"] > 0.5
    assert all("robust_accuracy" not in row for row in by_adversary["none"].history)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_noisy_adversarial_run_in_pieces_gives_the_same_weights(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path, precision: str
) -> None:
    few: Examples = dataset.train.first(48)
    chosen = vary(
        recipe,
        {
            "validation_images": 16,
            "schedule.batch_size": 16,
            "schedule.precision": precision,
            "adversary": FGSM | {"ramp": 0.5},
        },
    )
    whole = fit(chosen, few, tmp_path / "whole", quiet).network
    while not (progress := fit(chosen, few, tmp_path / "pieces", quiet, minutes=0)).is_finished:
        pass
    assert weights_digest(progress.network) == weights_digest(whole)


def test_adversary_without_a_ball_is_refused(recipe: Recipe) -> None:
    with pytest.raises(TrainingError, match=r"adversary.epsilon is 0: .* greater than 0"):
        vary(recipe, {"adversary": FGSM | {"epsilon": 0}})
    with pytest.raises(TrainingError, match=r"adversary.step_size: .*required"):
        vary(recipe, {"adversary": {"epsilon": 0.3}})
