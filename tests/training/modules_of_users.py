"""Torch modules as users bring them; tests copy this file into packages of other names."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """Two layers, a batch norm between them, and a layer that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 32)
        self.norm = nn.BatchNorm1d(32)
        self.unused = nn.Linear(3, 3)
        self.last = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.last(torch.relu(self.norm(self.first(x))))
        return outputs


class Deep(nn.Module):
    """Two convolutions and two layers, for rows of 64 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(128, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv1(x.view(-1, 1, 8, 8))))
        x = torch.relu(self.conv2(torch.max_pool2d(x, 2)))
        x = torch.max_pool2d(x, 2).flatten(1)
        outputs: Tensor = self.fc2(torch.relu(self.fc1(x)))
        return outputs


class Shared(Net):
    """One layer is called twice, and the outputs are probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.cell(torch.relu(self.cell(torch.relu(self.first(x))))))
        return torch.softmax(self.last(h), 1)


def make() -> nn.Module:
    torch.manual_seed(3)
    return Net()


def deep() -> nn.Module:
    torch.manual_seed(3)
    return Deep()


def shared() -> nn.Module:
    return Shared()


def sure() -> nn.Module:
    return nn.Sequential(make(), nn.Softmax(1))


def number() -> int:
    return 7


def leaves() -> nn.Module:
    raise SystemExit(0)
