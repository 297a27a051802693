"""The surrogate of the attacks has the size and the noise points that it is said to have."""

import torch

from noisevote.models.networks.madry_cnn import MadryCnn
from noisevote.models.networks.noise_points import fresh_noise, noise_from, noise_points
from noisevote.models.noise import NoiseKind


def test_network_has_the_layers_of_the_paper() -> None:
    network = MadryCnn()
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_274_634
    assert network(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_each_noise_point_sees_the_signal_that_it_promises() -> None:
    network = MadryCnn(fc_units=32)
    seen = {}

    def watch(point: object, signal: torch.Tensor, step: int | None) -> torch.Tensor:  # noqa: ARG001
        seen[point.name] = tuple(signal.shape[1:])  # type: ignore[attr-defined]
        return signal

    with noise_from(network, watch):
        network(torch.zeros(2, 1, 28, 28))
    assert seen == {point.name: point.shape for point in noise_points(network)}
    assert list(seen) == ["conv1", "conv2", "fc1", "fc2"]


def test_noise_at_any_point_changes_the_outputs() -> None:
    network = MadryCnn(fc_units=32).eval()
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    clean = network(images)
    for point in noise_points(network):
        source = fresh_noise(
            NoiseKind.ADDITIVE, {point.name: 1.0}, torch.Generator().manual_seed(1)
        )
        with noise_from(network, source):
            assert not torch.isclose(network(images), clean).any()
