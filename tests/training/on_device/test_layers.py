"""The layers behind noise points that a device stands for, and the clip of their weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from noisevote.models.errors import TrainingError
from noisevote.models.networks.brought import Brought
from noisevote.models.networks.densenet import DenseNet
from noisevote.models.networks.mnist_cnn import MnistCnn
from noisevote.models.networks.noise_points import NoisePoint, noise_points
from noisevote.models.networks.stroke_lstm import StrokeLstm
from noisevote.models.noise import NoiseKind
from noisevote.training.on_device.layers import Layer, clip_weights, layers_of
from tests.training.on_device.support import IMAGE


def test_layers_are_found_behind_every_point_of_our_networks() -> None:
    found = layers_of(MnistCnn(fc_units=16), IMAGE, "a device")
    assert list(found) == ["conv1", "conv2", "conv3", "conv4", "fc1", "fc2"]
    assert found["conv2"] == Layer("conv2", (("conv2.conv.weight", 0),), 32, 32 * 9)
    gates = layers_of(StrokeLstm(units=8, steps=3), (3, 2), "a device")["gates"]
    assert gates == Layer("gates", (("input_weight", 1), ("state_weight", 1)), 32, 10)
    densenet = DenseNet(NoiseKind.MULTIPLICATIVE, depth=10)
    assert list(layers_of(densenet, (3, 32, 32), "a device")) == [
        point.name for point in noise_points(densenet)
    ]


def test_layers_of_an_imported_module_are_found_and_its_softmax_is_no_layer() -> None:
    inner = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3),
        nn.Softmax(1),
    )  # fmt: skip
    found = layers_of(Brought(inner, (1, 8, 8)), (1, 8, 8), "a device")
    assert [(name, of.columns, of.fan_in) for name, of in found.items()] == [
        ("0", 4, 9), ("4", 3, 144),
    ]  # fmt: skip


def test_a_point_behind_something_else_than_a_layer_is_refused_by_name() -> None:
    class Squared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)
            self.noise = NoisePoint("squared", (3,), 12)

        def forward(self, inputs: Tensor) -> Tensor:
            outputs: Tensor = self.noise(self.layer(inputs) ** 2)
            return outputs

    with pytest.raises(
        TrainingError, match=r"hardening\.device needs .* at squared the signal is no"
    ):
        layers_of(Squared(), (4,), "hardening.device")


@settings(max_examples=50, deadline=None)
@given(
    deviations=st.floats(1, 4),
    weights=st.lists(
        st.lists(st.floats(-1e3, 1e3, width=32), min_size=6, max_size=6), min_size=1, max_size=4
    ),
)
def test_no_weight_stays_beyond_the_clip_of_its_column_and_smaller_ones_stay(
    deviations: float, weights: list[list[float]]
) -> None:
    layer = nn.Linear(6, len(weights), bias=False)
    before = torch.tensor(weights)
    layer.weight.data.copy_(before)
    clip_weights(layer, [Layer("fc", (("weight", 0),), len(weights), 6)], deviations)
    bound = deviations * before.double().square().mean(1, keepdim=True).sqrt().float()
    expected = torch.maximum(torch.minimum(before, bound), -bound)
    torch.testing.assert_close(layer.weight.data, expected, rtol=1e-5, atol=1e-30)
