"""Attacks on a surrogate: what they find, and what it depends on."""

import threading
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.errors import CancelledError, InputError
from noisevote.models.networks.trained import load_network
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.ball import Ball, Norm, Samples
from noisevote.models.robustness.pgd import (
    GRADIENT_COST,
    Restart,
    SurrogateNoise,
    TransferAttack,
    attack_surrogate,
    attack_with_restarts,
    strongest,
)
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.surrogate import TorchSurrogate, log_odds_against, surrogate_from

CLEAN = "mnist_cnn-clean"
BALL = Ball(Norm.LINF, 0.1, 0.0, 1.0)
PGD = TransferAttack(BALL, step_size=0.02, steps=10, seed=3)
ATTACKS = {
    "pgd": PGD,
    "momentum": replace(PGD, momentum=1.0),
    "l2": replace(PGD, ball=Ball(Norm.L2, 2.0, 0.0, 1.0), step_size=0.5),
    "momentum, l2": TransferAttack(Ball(Norm.L2, 2.0, 0.0, 1.0), 0.5, 10, momentum=1.0),
}


@pytest.fixture(scope="module")
def noisy() -> TorchSurrogate:
    """A shipped network behind noise."""
    clean = surrogate_from(Checkpoint(SHIPPED / CLEAN))
    return clean.with_noise(SurrogateNoise(NoiseKind.MULTIPLICATIVE, 0.5, draws=3, seed=5))


@pytest.mark.parametrize("name", ATTACKS)
def test_examples_are_in_the_ball_and_raise_the_loss(
    name: str, surrogate: TorchSurrogate, digits: Samples
) -> None:
    attack = ATTACKS[name]
    found = attack_surrogate(surrogate, digits, attack, 0, Progress())
    assert attack.ball.holds(found.examples, digits.inputs)
    attacked = digits.with_inputs(found.examples)
    assert np.array_equal(found.losses, surrogate.losses(attacked, 0))
    assert (found.losses > surrogate.losses(digits, 0)).all()
    before = (surrogate.predictions(digits, 0) == digits.labels).mean()
    after = (surrogate.predictions(attacked, 0) == digits.labels).mean()
    assert after < before - 0.3


def test_momentum_takes_another_way(surrogate: TorchSurrogate, digits: Samples) -> None:
    plain = attack_surrogate(surrogate, digits, PGD, 0, Progress())
    momentum = attack_surrogate(surrogate, digits, ATTACKS["momentum"], 0, Progress())
    assert not np.array_equal(plain.examples, momentum.examples)


def test_same_seed_gives_the_same_and_another_restart_something_else(
    surrogate: TorchSurrogate, digits: Samples
) -> None:
    once, again, other = (
        attack_surrogate(surrogate, digits, PGD, restart, Progress()) for restart in (0, 0, 1)
    )
    assert np.array_equal(once.examples, again.examples)
    assert not np.array_equal(once.examples, other.examples)


@pytest.mark.parametrize("chosen", [[0], [3, 1], list(range(10, 57))], ids=str)
def test_result_of_a_sample_does_not_depend_on_its_neighbours(
    chosen: list[int], surrogate: TorchSurrogate, digits: Samples
) -> None:
    rows = np.array(chosen)
    together = attack_surrogate(surrogate, digits, PGD, 1, Progress())
    alone = attack_surrogate(surrogate, digits.take(rows), PGD, 1, Progress())
    assert np.array_equal(alone.examples, together.examples[rows])
    assert np.array_equal(alone.losses, together.losses[rows])


def test_noisy_surrogate_does_not_depend_on_neighbours_either(
    noisy: TorchSurrogate, digits: Samples
) -> None:
    few, attack = digits.take(slice(13)), replace(PGD, steps=2)
    together = attack_surrogate(noisy, few, attack, 0, Progress())
    alone = attack_surrogate(noisy, few.take(slice(5, 6)), attack, 0, Progress())
    assert np.array_equal(alone.examples, together.examples[5:6])


@pytest.mark.parametrize("at_once", [2, 5])
def test_result_does_not_depend_on_how_many_threads_climb(
    at_once: int, surrogate: TorchSurrogate, noisy: TorchSurrogate, digits: Samples
) -> None:
    for climbed, steps in ((surrogate, 10), (noisy, 2)):
        attack, work = replace(PGD, steps=steps), dict[int, list[float]]()
        found = {}
        for threads in (1, at_once):
            shares = work[threads] = []
            progress = Progress(lambda _, share, shares=shares: shares.append(share))  # type: ignore[misc]
            together = replace(attack, at_once=threads)
            found[threads] = attack_with_restarts(climbed, digits, together, 2, progress)
        assert np.array_equal(found[1].examples, found[at_once].examples)
        assert np.array_equal(found[1].losses, found[at_once].losses)
        assert len(work[1]) == len(work[at_once])


def test_a_network_that_cannot_be_copied_is_climbed_on_one_thread(digits: Samples) -> None:
    network = load_network(SHIPPED / CLEAN, Checkpoint(SHIPPED / CLEAN).card)
    network.lock = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="pickle"):
        deepcopy(network)
    noise = SurrogateNoise(NoiseKind.MULTIPLICATIVE, 0.5, draws=1, seed=5)
    noisy = TorchSurrogate(network).with_noise(noise)
    few, attack = digits.take(slice(2)), replace(PGD, steps=1)
    found = attack_surrogate(noisy, few, attack, 0, Progress())
    assert BALL.holds(found.examples, few.inputs)


def test_cancelling_stops_all_threads(surrogate: TorchSurrogate, digits: Samples) -> None:
    calls: list[int] = []

    def after_three() -> bool:
        calls.append(1)
        return len(calls) > 3

    attack = replace(PGD, at_once=2)
    with pytest.raises(CancelledError):
        attack_surrogate(surrogate, digits, attack, 0, Progress(is_cancelled=after_three))
    assert len(calls) <= 5, "each thread hears it once"


def test_gradient_is_the_mean_over_noise_and_noise_is_fresh_each_turn(
    noisy: TorchSurrogate, digits: Samples
) -> None:
    few = digits.take(slice(2))
    losses, gradients = noisy.gradients(few, turn=0)
    assert np.array_equal(losses, noisy.losses(few, turn=0))
    assert not np.array_equal(losses, noisy.losses(few, turn=1))
    # The loss along the gradient rises as the gradient says, with the noise held fixed.
    small = np.float32(1e-3) * gradients / np.linalg.norm(gradients.reshape(2, -1))
    risen = noisy.losses(few.with_inputs(few.inputs + small), turn=0) - losses
    assert risen == pytest.approx((gradients * small).sum(axis=(1, 2, 3)), rel=0.05)


def test_loss_ranks_as_the_cross_entropy_and_does_not_vanish_where_it_does() -> None:
    labels = torch.tensor([0, 0, 0])
    outputs = torch.tensor([[1.0, 2.0, 0.5], [3.0, 1.0, -1.0], [200.0, 0.0, 1.0]])
    outputs.requires_grad_(True)
    odds = log_odds_against(outputs, labels)
    entropy = functional.cross_entropy(outputs, labels, reduction="none")
    assert functional.softplus(odds[:2]).tolist() == pytest.approx(entropy[:2].tolist())
    (of_entropy,) = torch.autograd.grad(entropy.sum(), outputs)
    (of_odds,) = torch.autograd.grad(odds.sum(), outputs)
    cosine = functional.cosine_similarity(of_entropy[:2], of_odds[:2])
    assert cosine.tolist() == pytest.approx([1, 1])
    assert not of_entropy[2].any()
    assert of_odds[2].tolist() == pytest.approx([-1, 0.2689, 0.7311], abs=1e-3)


def test_surrogate_without_noise_points_says_so(small_network: nn.Module) -> None:
    with pytest.raises(InputError, match="no noise points"):
        TorchSurrogate(small_network).with_noise(
            SurrogateNoise(NoiseKind.ADDITIVE, 0.5, draws=1, seed=0)
        )


def test_submitted_restart_has_the_highest_loss() -> None:
    losses = ([1.0, 5.0, 2.0], [3.0, 5.0, 1.0])
    restarts = [
        Restart(np.full((3, 1), number, np.float32), np.array(of, np.float32))
        for number, of in enumerate(losses)
    ]
    best = strongest(restarts)
    assert best.examples[:, 0].tolist() == [1, 0, 0]
    assert best.losses.tolist() == [3, 5, 2]


def test_dropping_fooled_samples_spares_work_and_loses_no_success(
    surrogate: TorchSurrogate, digits: Samples
) -> None:
    attack, restarts = replace(PGD, step_size=0.03, steps=5), 4
    work: list[float] = []
    progress = Progress(lambda _, share: work.append(share))
    all_work = GRADIENT_COST * attack.steps * len(digits) * restarts
    progress.begin("all", before=0, work=all_work, total=all_work)
    found = attack_with_restarts(surrogate, digits, attack, restarts, progress)
    all_restarts = [
        attack_surrogate(surrogate, digits, attack, restart, Progress())
        for restart in range(restarts)
    ]
    fooled_once = np.any(
        [
            surrogate.predictions(digits.with_inputs(each.examples), 0) != digits.labels
            for each in all_restarts
        ],
        axis=0,
    )
    fooled = surrogate.predictions(digits.with_inputs(found.examples), 0) != digits.labels
    assert fooled_once.any()
    assert not fooled_once.all()
    assert np.array_equal(fooled, fooled_once)
    standing = ~fooled
    highest = strongest(all_restarts)
    assert np.array_equal(found.losses[standing], highest.losses[standing])
    assert max(work) < 0.8


def test_cancelling_stops_between_batches(surrogate: TorchSurrogate, digits: Samples) -> None:
    calls: list[int] = []

    def after_three() -> bool:
        calls.append(1)
        return len(calls) > 3

    with pytest.raises(CancelledError):
        attack_surrogate(surrogate, digits, PGD, 0, Progress(is_cancelled=after_three))
    assert len(calls) == 4


def test_attack_leaves_the_network_as_it_was(small_network: nn.Module, digits: Samples) -> None:
    before = {name: tensor.clone() for name, tensor in small_network.state_dict().items()}
    attack_surrogate(TorchSurrogate(small_network), digits, PGD, 0, Progress())
    after = small_network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
