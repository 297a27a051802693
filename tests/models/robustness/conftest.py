"""Drawn digits, and a small network that learns them in seconds."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.report import Report
from noisevote.models.robustness.surrogate import TorchSurrogate
from tests.models.robustness.assessed import ABOUT, run_of
from tests.models.robustness.worlds import drawn_samples

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> Samples:
    return drawn_samples(60, seed=1)


@pytest.fixture(scope="session")
def small_network() -> nn.Module:
    """A network of the attack literature's shape, trained on other drawn digits."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 7 * 7, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    learned = drawn_samples(600, seed=2)
    inputs, labels = torch.from_numpy(learned.inputs), torch.from_numpy(learned.labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for step in range(120):
        batch = torch.arange(64) * 7 + step * 61
        batch %= len(labels)
        loss = functional.cross_entropy(network(inputs[batch]), labels[batch], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="session")
def surrogate(small_network: nn.Module) -> TorchSurrogate:
    return TorchSurrogate(small_network)


@pytest.fixture(scope="session")
def report() -> Report:
    """The report of the plan on the line, which every part of it can be read from."""
    return assess(run_of(), ABOUT)
