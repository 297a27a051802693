"""What the quantisers promise: levels, range, exact storage, gradients straight through."""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from torch import Tensor, nn

from noisevote.models.errors import TrainingError
from noisevote.models.networks.mnist_cnn import MnistCnn
from noisevote.models.networks.quantisers import (
    BASE,
    Quantisation,
    QuantisedConv2d,
    QuantisedLinear,
    QuantisedReLU,
    activation,
    bake_weights,
    quantised_weight,
    rounded,
)
from noisevote.models.networks.registry import build_network
from noisevote.models.noise import NoiseKind
from noisevote.training.losses.adversary import LinfAttack, adversarial

BITS = st.sampled_from([4, 8])
WEIGHTS = arrays(np.float32, (3, 2, 2, 2), elements=st.floats(-100, 100, width=32))
SIGNALS = arrays(np.float32, 64, elements=st.floats(-50, 50, width=32))


@given(WEIGHTS, BITS)
@settings(deadline=None, max_examples=40)
def test_stored_weights_are_their_own_quantisation(
    values: NDArray[np.float32], bits: Literal[4, 8]
) -> None:
    levels = quantised_weight(torch.from_numpy(values), bits)
    stored = levels.half()
    assert torch.equal(stored.float(), levels)
    assert torch.equal(quantised_weight(stored.float(), bits), levels)


@given(WEIGHTS, BITS)
@settings(deadline=None, max_examples=40)
def test_weights_of_a_channel_have_few_levels_and_stay_near(
    values: NDArray[np.float32], bits: Literal[4, 8]
) -> None:
    weight = torch.from_numpy(values)
    levels = quantised_weight(weight, bits)
    last = 2 ** (bits - 1) - 1
    for before, after in zip(weight, levels, strict=True):
        assert after.unique().numel() <= 2 * last + 1
        step = float(before.abs().max()) / last
        # Half a step, and what half precision rounds away.
        slack = 2**-10 * float(before.abs().max()) + 2**-14
        assert float((after - before).abs().max()) <= step / 2 + slack
        assert float(after.abs().max()) == pytest.approx(float(before.abs().max()), abs=slack)


@given(SIGNALS, BITS, st.floats(0.01, 20), st.booleans())
@settings(deadline=None, max_examples=40)
def test_activations_lie_on_levels_from_zero_to_the_ceiling(
    values: NDArray[np.float32], bits: Literal[4, 8], scale: float, is_learned: bool
) -> None:
    relu = QuantisedReLU(Quantisation(bits, "learned" if is_learned else "constant", scale))
    signal = torch.from_numpy(values)
    with torch.no_grad():
        outputs = relu(signal)
        again = relu(outputs)
    ceiling = relu.ceiling.item()
    assert ceiling == pytest.approx(6.0 if is_learned else BASE[bits] * scale, rel=1e-6)
    step = ceiling / (2**bits - 1)
    assert float(outputs.min()) >= 0
    assert float(outputs.max()) <= ceiling * (1 + 1e-6)
    torch.testing.assert_close(outputs / step, (outputs / step).round(), atol=1e-3, rtol=0)
    inside = (signal >= 0) & (signal <= ceiling)
    assert ((outputs - signal)[inside].abs() <= step * 0.5001).all()
    torch.testing.assert_close(again, outputs, atol=1e-6 * ceiling, rtol=0)


@given(SIGNALS)
@settings(deadline=None, max_examples=40)
def test_rounding_with_a_gradient_gives_the_same_numbers_as_without(
    values: NDArray[np.float32],
) -> None:
    signal = torch.from_numpy(values)
    with_gradient = rounded(signal.clone().requires_grad_(True))
    assert torch.equal(with_gradient.detach(), rounded(signal))


def test_gradient_passes_straight_through_where_nothing_is_cut_off() -> None:
    relu = QuantisedReLU(Quantisation(4, "constant", 0.1))
    signal = torch.tensor([-0.4, 0.03, 0.77, 1.49, 1.6, 9.0], requires_grad=True)
    relu(signal).sum().backward()
    assert signal.grad is not None
    torch.testing.assert_close(signal.grad, torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0, 0.0]))
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    quantised_weight(weight, 4).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(weight.grad, torch.ones(3, 4))


def test_gradient_of_the_ceiling_is_that_of_learned_step_sizes() -> None:
    relu = QuantisedReLU(Quantisation(4))
    signal = torch.tensor([-1.0, 0.9, 2.3, 7.0])
    relu(signal).sum().backward()
    step = 6.0 / 15
    # Equation 3 of arXiv 1902.08153, times d step / d ceiling.
    at_step = torch.where(
        signal <= 0, 0.0, torch.where(signal >= 6, 15.0, (signal / step).round() - signal / step)
    )
    assert relu.ceiling.grad is not None
    assert float(relu.ceiling.grad) == pytest.approx(float(at_step.sum()) / 15, rel=1e-5)


def test_constant_ceiling_is_not_learned() -> None:
    learned = MnistCnn(quantisation=Quantisation(8))
    constant = MnistCnn(quantisation=Quantisation(8, "constant"))
    names = {name for name, _ in learned.named_parameters()}
    assert names - {name for name, _ in constant.named_parameters()} == {
        *(f"conv{number}.relu.ceiling" for number in range(1, 5)),
        "relu1.ceiling",
    }
    assert constant.state_dict().keys() == learned.state_dict().keys()


@pytest.mark.parametrize("bits", [4, 8])
def test_baked_network_is_the_same_network(bits: Literal[4, 8]) -> None:
    network = MnistCnn(fc_units=16, quantisation=Quantisation(bits)).eval()
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = network(images)
        bake_weights(network)
        assert torch.equal(network(images), before)
        products = [
            module
            for module in network.modules()
            if isinstance(module, QuantisedConv2d | QuantisedLinear)
        ]
        assert len(products) == 6
        assert all(module.bits is None for module in products)
        assert all(torch.equal(m.weight, quantised_weight(m.weight, bits)) for m in products)


def test_more_bits_come_nearer_to_the_network_without() -> None:
    torch.manual_seed(1)
    plain = MnistCnn(fc_units=16).eval()
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))

    def distance(bits: Literal[4, 8]) -> float:
        network = MnistCnn(fc_units=16, quantisation=Quantisation(bits)).eval()
        network.load_state_dict(plain.state_dict(), strict=False)
        with torch.no_grad():
            difference: Tensor = network(images) - plain(images)
        return float(difference.square().mean().sqrt())

    assert 0 < distance(8) < distance(4)


def test_adversary_finds_a_gradient_through_a_quantised_network() -> None:
    network = MnistCnn(fc_units=16, quantisation=Quantisation(4)).eval().requires_grad_(False)
    images = torch.full((2, 1, 28, 28), 0.5)
    batch = images, torch.tensor([3, 4])
    generator = torch.Generator().manual_seed(0)
    moved = adversarial(network, batch, LinfAttack(0.1, 0.2, 1, 0.0, 1.0), None, generator)
    # At the full distance almost everywhere: the sign of a gradient of 0 would leave the start.
    assert ((moved - images).abs() > 0.099).float().mean() > 0.9


def test_only_quantisable_networks_are_quantised() -> None:
    assert isinstance(activation(None), nn.ReLU)
    with pytest.raises(TrainingError, match="stroke_lstm cannot be quantised; densenet40, d"):
        build_network("stroke_lstm", NoiseKind.MULTIPLICATIVE, {}, Quantisation(8))
    for name in ("madry_cnn", "mnist_cnn"):
        network = build_network(name, NoiseKind.ADDITIVE, {"fc_units": 8}, Quantisation(8))
        assert any(isinstance(module, QuantisedReLU) for module in network.modules())
