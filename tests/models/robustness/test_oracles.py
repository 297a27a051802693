"""Against targets that always answer alike, a well-kept library must agree with our attacks.

The oracle is the Adversarial Robustness Toolbox (ART). Both attack the same samples; they agree if
no more of the samples that only one of them fools fall to one side than chance allows (exact
McNemar test). A right attack fails here with a chance of at most 1 %, once, for these seeds.
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from noisevote.models.robustness.aim import Aim
from noisevote.models.robustness.attacks.art import seeded_globally
from noisevote.models.robustness.attacks.square import SquareAttack, square_attack
from noisevote.models.robustness.ball import Ball, Norm, Samples
from noisevote.models.robustness.pgd import TransferAttack, attack_surrogate, strongest
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.surrogate import TorchSurrogate
from noisevote.models.statistics import mcnemar_p_value
from tests.models.robustness.worlds import drawn_samples

pytest.importorskip("art")

BALLS = {
    Norm.LINF: Ball(Norm.LINF, 0.1, 0.0, 1.0),
    Norm.L2: Ball(Norm.L2, 1.8, 0.0, 1.0),
}
NORMS = [Norm.LINF, pytest.param(Norm.L2, marks=pytest.mark.slow)]
SQUARE_BALLS = {
    Norm.LINF: Ball(Norm.LINF, 0.125, 0.0, 1.0),
    Norm.L2: Ball(Norm.L2, 3.5, 0.0, 1.0),
}


@pytest.fixture(scope="module")
def samples() -> Samples:
    return drawn_samples(60, seed=5)


@pytest.fixture(scope="module")
def art() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from art import attacks, estimators

        yield type("Art", (), {"attacks": attacks.evasion, "estimators": estimators.classification})


class Logits:
    """The margins of a network's outputs, as ART sees them."""

    is_random = False

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def outputs(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(self.network(torch.from_numpy(inputs)).numpy())

    def margins(self, inputs: NDArray[np.float32], aim: Aim) -> NDArray[np.float64]:
        outputs, rows = self.outputs(inputs).astype(np.float64), np.arange(len(inputs))
        classes = aim.labels if aim.target_classes is None else aim.target_classes
        of_class = outputs[rows, classes].copy()
        outputs[rows, classes] = -np.inf
        lead = of_class - outputs.max(axis=1)
        return np.asarray(lead if aim.target_classes is None else -lead)


def check_agreement(
    ours: NDArray[np.float32], theirs: NDArray[np.float32], samples: Samples, logits: Logits
) -> None:
    robust = [
        ~samples.aim.is_met(logits.outputs(examples).argmax(axis=1))
        for examples in (ours, theirs.astype(np.float32))
    ]
    first_only = int((robust[0] & ~robust[1]).sum())
    second_only = int((robust[1] & ~robust[0]).sum())
    assert 0.1 < robust[0].mean() < 0.9, "the test has no power at this epsilon"
    assert mcnemar_p_value(first_only, second_only) > 0.01, (first_only, second_only)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("targeted", [False, True])
def test_pgd_agrees_with_the_library(
    norm: Norm, targeted: bool, small_network: nn.Module, samples: Samples, art: Any
) -> None:
    if targeted:
        samples = replace(samples, target_classes=(samples.labels + 1) % 10)
    ball, step = BALLS[norm], BALLS[norm].epsilon / 4
    attack = TransferAttack(ball, step, steps=10, seed=1)
    surrogate = TorchSurrogate(small_network)
    ours = strongest(
        [attack_surrogate(surrogate, samples, attack, r, Progress()) for r in range(2)]
    )
    classifier = art.estimators.PyTorchClassifier(
        small_network, nn.CrossEntropyLoss(), (1, 28, 28), 10, clip_values=(0.0, 1.0)
    )
    with seeded_globally(0):
        theirs = art.attacks.ProjectedGradientDescentNumpy(
            classifier,
            norm=np.inf if norm is Norm.LINF else 2,
            eps=ball.epsilon,
            eps_step=step,
            max_iter=10,
            num_random_init=2,
            targeted=targeted,
            verbose=False,
        ).generate(samples.inputs, samples.target_classes if targeted else samples.labels)
    check_agreement(ours.examples, theirs, samples, Logits(small_network))


@pytest.mark.parametrize("norm", NORMS)
def test_square_agrees_with_the_library(
    norm: Norm, small_network: nn.Module, samples: Samples, art: Any
) -> None:
    logits, queries = Logits(small_network), 100
    ball = SQUARE_BALLS[norm]
    ours = square_attack(logits, samples, SquareAttack(ball, queries, seed=1, goal=0.0))
    classifier = art.estimators.BlackBoxClassifierNeuralNetwork(
        logits.outputs, (1, 28, 28), 10, clip_values=(0.0, 1.0)
    )
    with seeded_globally(0), np.errstate(all="ignore"):
        theirs = art.attacks.SquareAttack(
            classifier,
            norm=np.inf if norm is Norm.LINF else 2,
            eps=ball.epsilon,
            max_iter=queries,
            p_init=0.8,
            nb_restarts=1,
            verbose=False,
        ).generate(samples.inputs, samples.labels)
    check_agreement(ours.examples, theirs, samples, logits)
