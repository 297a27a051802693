"""Chips in torch: what they hold, and what a network computes on one."""

import numpy as np
import pytest
import torch
from torch import Tensor

from noisevote.models.devices.cells import aged_weights
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import profile_of
from noisevote.models.networks.mnist_cnn import MnistCnn
from noisevote.models.networks.noise_points import noise_from, noise_points
from noisevote.models.networks.stroke_lstm import StrokeLstm
from noisevote.training.on_device.chips import OWNER, VOTES, age_between, on_chip
from noisevote.training.recipes.recipe import Hardening
from tests.training.on_device.support import FULL, IMAGE, device_for, generator

READ = {"profile": 1, "name": "read", "read": {"unit": "network", "a": 0.1}}


@pytest.mark.parametrize("name", ["pcm-hermes-2t", "reram-wan", "reram-cmo", "sonos-40nm"])
def test_a_chip_holds_what_its_cells_say_for_the_same_draws(name: str) -> None:
    profile = DeviceStore().find(name)
    weights = np.random.default_rng(3).normal(size=(6, 20)).astype(np.float32)
    chip, age_s = Chip(profile.digest, OWNER, 7), profile.age_range_s[0] or 60.0
    condition, held = on_chip(weights, "fc", profile, chip, age_s)
    largest = np.abs(weights).max(1, keepdims=True)
    window_s = VOTES * profile.flicker.vote_gap_s if profile.flicker else 0.0
    expected = aged_weights(
        weights / largest, profile, chip.draws_of("fc", weights.shape), age_s, window_s
    )
    assert held is not None
    np.testing.assert_allclose(held, expected.weights * largest, rtol=1e-6)
    np.testing.assert_allclose(condition.alpha, expected.alpha)
    np.testing.assert_allclose(condition.w2, expected.variance)


def test_a_network_on_a_chip_computes_with_the_weights_of_the_chip(
    network: MnistCnn, images: Tensor
) -> None:
    profile = profile_of(
        {"profile": 1, "name": "written", "cell": {"g_max_us": 25.0}, "program": {"std_us": 1.0}}
    )
    device = device_for(network.eval(), profile, IMAGE)
    chip = device.drawn(network, generator())
    with torch.no_grad():
        with device.passing(network, chip, generator()):
            found = network(images)
        changed = {
            name: weights + chip.added.get(name, 0.0)
            for name, weights in network.named_parameters()
        }
        expected = torch.func.functional_call(network, changed, images)
        plain = network(images)
    torch.testing.assert_close(found, expected)
    assert set(chip.added) == {name for name, of in network.named_parameters() if of.dim() > 1}
    assert not torch.allclose(found, plain, atol=1e-3)


def test_one_chip_is_the_same_in_all_passes_and_reads_differ(
    network: MnistCnn, images: Tensor
) -> None:
    device = device_for(network.eval(), DeviceStore().find("pcm-nandakumar"), IMAGE)
    chip = device.drawn(network, generator())

    def outputs(chip_seed: int | None, seed: int) -> Tensor:
        used = chip if chip_seed is None else device.drawn(network, generator(chip_seed))
        with torch.no_grad(), device.passing(network, used, generator(seed)):
            found: Tensor = network(images)
        return found

    assert torch.equal(outputs(None, 1), outputs(None, 1))
    assert torch.equal(outputs(None, 1), outputs(0, 1))
    assert not torch.isclose(outputs(None, 1), outputs(None, 2)).all()
    assert not torch.isclose(outputs(None, 1), outputs(5, 1)).all()


def test_draws_share_the_chip_and_the_inner_noise(network: MnistCnn, images: Tensor) -> None:
    hardening = Hardening(device="read", output_draws=500)
    device = device_for(network.eval(), profile_of(READ), IMAGE)
    chip = device.drawn(network, generator())
    with torch.no_grad(), device.passing(network, chip, generator(), draws=500):
        outputs = network(images).view(hardening.output_draws, 4, 10)
    torch.testing.assert_close(outputs.std(0), torch.full((4, 10), 0.1), rtol=0.2, atol=0)


def test_the_lstm_meets_a_device_at_every_step() -> None:
    torch.manual_seed(0)
    network = StrokeLstm(units=8, steps=3).eval()
    device = device_for(network, profile_of(FULL), (3, 2))
    chip = device.drawn(network, generator())
    sequences = torch.randn(5, 3, 2, generator=generator())
    with device.passing(network, chip, generator()):
        outputs = network(sequences)
    outputs.square().sum().backward()
    assert outputs.shape == (5, 10)
    assert all(parameter.grad is not None for parameter in network.parameters())
    with torch.no_grad(), device.passing(network, chip, generator(), strength=0.0):
        on_converters = network(sequences)
    with torch.no_grad():
        torch.testing.assert_close(on_converters, network(sequences), rtol=0.3, atol=0.3)


def test_ages_are_drawn_evenly_over_the_logarithm() -> None:
    assert age_between((20.0, 2e6), 0.5) == pytest.approx(np.sqrt(20 * 2e6))
    assert age_between((0.0, 0.0), 0.7) == 0


def test_nothing_of_a_device_is_left_behind_in_the_network(
    network: MnistCnn, images: Tensor
) -> None:
    device = device_for(network.eval(), DeviceStore().find("brainscales-2"), IMAGE)
    with torch.no_grad():
        before = network(images)
        with (
            noise_from(network, None),
            device.passing(network, device.drawn(network, generator()), generator()),
        ):
            assert not torch.equal(network(images), before)
        assert torch.equal(network(images), before)
    assert all(point.source is None for point in noise_points(network))
