"""The DenseNets: their sizes, where their noise sits, and what it reaches."""

from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from noisevote.models.errors import TrainingError
from noisevote.models.networks.densenet import MEAN, DenseNet
from noisevote.models.networks.noise_points import NoisePoint, noise_from, noise_points
from noisevote.models.networks.registry import build_network
from noisevote.models.noise import NoiseKind
from tests.photographs import lived_in, photographs

SMALL: dict[str, Any] = {"depth": 10, "growth": 4}


@pytest.fixture(scope="module")
def small() -> nn.Module:
    torch.manual_seed(0)
    return lived_in(DenseNet(**SMALL))


def images(count: int = 2) -> Tensor:
    return torch.from_numpy(photographs(count)[0]).float() / 255


@pytest.mark.parametrize(
    ("name", "parameters", "points", "normals"),
    [("densenet40", 1_019_722, 40, 451_594), ("densenet100", 769_162, 100, 1_463_818)],
)
def test_sizes_are_those_of_the_literature(
    name: str, parameters: int, points: int, normals: int
) -> None:
    network = build_network(name, NoiseKind.MULTIPLICATIVE, {})
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert len(noise_points(network)) == points
    assert sum(prod(point.shape) for point in noise_points(network)) == normals


@pytest.mark.parametrize("options", [SMALL, {**SMALL, "depth": 16, "bottleneck": True}])
def test_points_follow_the_products_whose_work_they_count(options: dict[str, int]) -> None:
    network = DenseNet(**options)  # type: ignore[arg-type]
    events: list[tuple[str, tuple[int, ...], int]] = []

    def product(module: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        signal = output[0]
        per_output = module.weight[0].numel()
        events.append(("product", tuple(signal.shape), signal.numel() * per_output))

    def noise(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:
        assert step is None
        assert tuple(signal.shape[1:]) == point.shape
        events.append((point.name, point.shape, point.macs))
        assert point.latency == 1
        return signal

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(product)
    with torch.no_grad(), noise_from(network, noise):
        network(images())
    products, points = events[::2], events[1::2]
    assert {name for name, _, _ in products} == {"product"}
    assert [event[1:] for event in products] == [event[1:] for event in points]
    assert [name for name, _, _ in points] == [point.name for point in noise_points(network)]


def test_noise_points_are_named_by_block_and_layer() -> None:
    assert [point.name for point in noise_points(DenseNet(**SMALL))] == [
        "conv1", "block1.conv1", "block1.conv2", "transition1", "block2.conv1", "block2.conv2",
        "transition2", "block3.conv1", "block3.conv2", "fc",
    ]  # fmt: skip
    with_bottlenecks = noise_points(DenseNet(depth=16, growth=4, bottleneck=True))
    assert [point.name for point in with_bottlenecks[1:5]] == [
        "block1.bottleneck1", "block1.conv1", "block1.bottleneck2", "block1.conv2",
    ]  # fmt: skip


def test_all_later_layers_read_the_same_noisy_map(small: nn.Module) -> None:
    made: dict[str, Tensor] = {}
    read: list[Tensor] = []
    generator = torch.Generator().manual_seed(1)

    def noise(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:  # noqa: ARG001
        made[point.name] = signal * torch.randn(signal.shape, generator=generator)
        return made[point.name]

    norms = [module for module in small.modules() if isinstance(module, nn.BatchNorm2d)]
    # The layers of the first block and the transition behind it, which reads them all.
    hooks = [
        norm.register_forward_pre_hook(lambda _, args: read.append(args[0].clone()))
        for norm in norms[:3]
    ]
    with torch.no_grad(), noise_from(small, noise):
        small(images())
    for hook in hooks:
        hook.remove()
    maps = [made["conv1"], made["block1.conv1"], made["block1.conv2"]]
    for count, signal in enumerate(read, start=1):
        assert torch.equal(signal, torch.cat(maps[:count], dim=1))


def test_colours_are_centred_inside_the_network(small: nn.Module) -> None:
    signals: dict[str, Tensor] = {}

    def record(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:  # noqa: ARG001
        signals[point.name] = signal
        return signal

    mean = torch.tensor(MEAN).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    with torch.no_grad(), noise_from(small, record):
        small(mean)
    # Also at the edges: padding is the mean colour, not black.
    assert signals["conv1"].abs().max() == 0


def test_additive_noise_meets_maps_of_power_one() -> None:
    torch.manual_seed(0)
    network = DenseNet(NoiseKind.ADDITIVE, **SMALL).train()
    powers: dict[str, Tensor] = {}

    def record(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:  # noqa: ARG001
        if point.name != "fc":
            powers[point.name] = signal.pow(2).mean(dim=(0, 2, 3))
        return signal

    for parameter in network.parameters():  # larger weights must not outgrow the noise
        parameter.data.mul_(7.0)
    with torch.no_grad(), noise_from(network, record):
        network(images(8))
    for power in powers.values():
        torch.testing.assert_close(power, torch.ones_like(power), atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    "options",
    [{"depth": 41}, {"depth": 4}, {"depth": 40, "growth": 0}, {"depth": 13, "bottleneck": True}],
)
def test_depth_that_does_not_divide_into_blocks_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(TrainingError, match="no DenseNet has depth"):
        DenseNet(**options)  # type: ignore[arg-type]
