"""The optimiser Muon: what a step does to a kernel, and to which weights."""

import pytest
import torch
from torch import nn

from noisevote.models.errors import TrainingError
from noisevote.training.fit.muon import KernelMuon

RATE = 0.1


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3), nn.Flatten(), nn.Linear(96, 2)
    )


def stepped(net: nn.Sequential) -> dict[str, torch.Tensor]:
    """Take one step; return the change of each weight from where the step began."""
    optimizer = KernelMuon(net, (RATE, 1e-3), momentum=0.6, weight_decay=0.0)
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    net(torch.randn(4, 3, 8, 8)).square().mean().backward()
    optimizer.step()
    kernel = before["2.weight"]
    before["2.weight"] = kernel / kernel.norm() * len(kernel) ** 0.5
    return {name: weight.detach() - before[name] for name, weight in net.named_parameters()}


def test_step_of_a_kernel_has_equal_singular_values_and_its_size_does_not_matter() -> None:
    one, other = network(), network()
    with torch.no_grad():
        other.get_parameter("2.weight").mul_(10)
    for net in (one, other):
        values = torch.linalg.svdvals(stepped(net)["2.weight"].flatten(1)) / RATE
        # Five iterations in bfloat16 bring them near 1, not to it.
        assert values.min() > 0.5
        assert values.max() < 1.5


def test_first_kernel_norms_and_matrices_are_left_to_adamw() -> None:
    for name, change in stepped(network()).items():
        if name != "2.weight":
            # AdamW's first step is as long as its rate, whatever the gradient.
            assert change.abs().max() <= 1.01e-3, name


def test_learning_rates_of_both_are_set_together() -> None:
    optimizer = KernelMuon(network(), (RATE, 1e-3), momentum=0.6, weight_decay=0.0)
    assert [group["lr"] for group in optimizer.param_groups] == [RATE, 1e-3]
    optimizer.load_state_dict(optimizer.state_dict())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    net = network()
    optimizer = KernelMuon(net, (RATE, 1e-3), momentum=0.6, weight_decay=0.0)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = net.get_parameter("4.weight").detach().clone()
    net(torch.randn(4, 3, 8, 8)).square().mean().backward()
    optimizer.step()
    assert torch.equal(net.get_parameter("4.weight"), before)


def test_network_without_inner_kernels_is_refused() -> None:
    with pytest.raises(TrainingError, match="needs convolutions"):
        KernelMuon(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(2, 2)), (RATE, RATE), 0.6, 0.0)
