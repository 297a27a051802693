"""Steps of training on a device: gradients, batch norms."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import profile_of
from noisevote.models.networks.brought import Brought
from noisevote.models.networks.mnist_cnn import MnistCnn
from noisevote.models.networks.noise_points import NoisePoint, noise_points
from noisevote.training.losses.hardening import step_loss
from noisevote.training.on_device.hardening import OnDevice
from noisevote.training.on_device.layers import layers_of
from noisevote.training.recipes.recipe import Hardening
from tests.training.on_device.support import FULL, IMAGE, device_for, generator

NOTHING = {"profile": 1, "name": "nothing"}


@pytest.mark.parametrize("name", ["full", "pcm-nandakumar", "brainscales-2"])
def test_gradients_reach_all_parameters_through_chips_and_converters(
    network: MnistCnn, images: Tensor, name: str
) -> None:
    profile = profile_of(FULL) if name == "full" else DeviceStore().find(name)
    hardening = Hardening(device=name, loss="marginal", output_draws=3, pass_draws=2)
    device = OnDevice(profile, layers_of(network, IMAGE, "a device"), hardening)
    network.train()
    device.begin_step(network, 0, generator())
    loss = step_loss(hardening, on_device=device)(
        network, images, torch.arange(4), generator(), 0.5
    )
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.any()


def stepped(
    network: MnistCnn, images: Tensor, hardening: Hardening, device: OnDevice | None
) -> MnistCnn:
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    network.train()
    random = generator()
    if device is not None:
        device.begin_step(network, 0, random)
    loss = step_loss(hardening, on_device=device)(network, images, torch.arange(4), random, 0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return network


def test_a_device_that_does_nothing_trains_as_without_noise(images: Tensor) -> None:
    torch.manual_seed(1)
    one, other = MnistCnn(fc_units=16), MnistCnn(fc_units=16)
    other.load_state_dict(one.state_dict())
    plain = stepped(one, images, Hardening(), None)
    profile = profile_of(NOTHING)
    hardening = Hardening(device="nothing")
    on_device = stepped(other, images, hardening, device_for(other, profile, IMAGE))
    found = on_device.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in plain.state_dict().items())


def test_where_chips_differ_batch_norms_take_running_statistics_of_all_chips() -> None:
    inner = nn.Sequential(
        nn.Linear(4, 3, bias=False), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)
    )
    network = Brought(inner, (4,))
    profile = profile_of({"profile": 1, "name": "gains", "column": {"gain_std": 0.1}})
    device = device_for(network, profile, (4,))
    norm = inner[1]
    assert isinstance(norm, nn.BatchNorm1d)
    inputs = torch.randn(64, 4, generator=generator())
    signal = inner[0](inputs).detach()
    seen: list[Tensor] = []
    network.train()
    point = noise_points(network)[0]
    with device.passing(network, device.drawn(network, generator()), generator()):
        inside = point.source
        assert inside is not None

        def noting(at: NoisePoint, given: Tensor, step: int | None) -> Tensor:
            seen.append(given.detach())
            return inside(at, given, step)

        point.source = noting
        network(inputs)
    # The statistics before the pass: mean 0, variance 1.
    torch.testing.assert_close(seen[0], signal / np.sqrt(1 + 1e-5))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    share = 0.1 / device.chip_steps
    torch.testing.assert_close(norm.running_mean, share * signal.mean(0))
    torch.testing.assert_close(norm.running_var, 1 - share + share * signal.square().mean(0))
