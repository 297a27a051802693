"""A small network, and images for it."""

import pytest
import torch
from torch import Tensor

from noisevote.models.networks.mnist_cnn import MnistCnn
from tests.training.on_device.support import IMAGE, generator


@pytest.fixture
def network() -> MnistCnn:
    torch.manual_seed(1)
    return MnistCnn(fc_units=16)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, *IMAGE, generator=generator())
