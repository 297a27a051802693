"""What is traced of a signal on its way to a noise point."""

import pytest
import torch
from torch import nn

from noisevote.training.on_device.trace import Tracing
from tests.training.on_device.support import generator


def test_what_follows_a_product_is_a_scale_and_an_offset_of_each_column() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)).eval()
    for name, values in [*layers.named_parameters(), *layers.named_buffers()]:
        if name != "0.weight" and values.dim() == 1:
            nn.init.uniform_(values, 0.5, 1.5)
    inputs = torch.randn(3, 2, 6, 6, generator=generator())
    tracing = Tracing(layers)
    with torch.no_grad(), tracing:
        signal = layers(inputs)
    found = tracing.origin(signal)
    assert found is not None
    product = nn.functional.conv2d(inputs, dict(layers.named_parameters())["0.weight"])
    scale, offset = (of.view(1, -1, 1, 1) for of in (found.scale, found.offset))
    torch.testing.assert_close(scale * product + offset, signal)


class Noting(Tracing):
    """Notes X of each signal behind a product."""

    reads_squares = True


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 4, 3, padding=1, stride=2),
        nn.Conv2d(6, 4, (3, 1), groups=2, dilation=2),
        nn.Conv1d(6, 4, 3, padding=1),
        nn.Linear(8, 4),
    ],
)
def test_the_sum_of_squared_inputs_is_that_of_each_column_at_each_place(layer: nn.Module) -> None:
    places = 2 if isinstance(layer, nn.Conv2d) else 1
    inputs = torch.randn(2, 6, *[8] * places, generator=generator())
    tracing = Noting(layer)
    with torch.no_grad(), tracing:
        signal = layer(inputs)
    found = tracing.origin(signal)
    assert found is not None
    assert found.squares is not None
    ones = {name: torch.ones_like(weights) for name, weights in layer.named_parameters()}
    ones["bias"].zero_()
    expected = torch.func.functional_call(layer, ones, inputs.square())
    torch.testing.assert_close(found.squares.expand_as(signal), expected)
