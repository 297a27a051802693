"""The 6-layer convolutional network for 28 x 28 pictures of digits.

================  ==================  =======================  ============
layer             output of an image  noise point              normals
================  ==================  =======================  ============
conv1 3x3, BN     32 x 28 x 28        ``conv1``, then ReLU     25,088
conv2 3x3, BN     32 x 28 x 28        ``conv2``, then ReLU     25,088
max-pool 2x2      32 x 14 x 14
conv3 3x3, BN     64 x 14 x 14        ``conv3``, then ReLU     12,544
conv4 3x3, BN     64 x 14 x 14        ``conv4``, then ReLU     12,544
max-pool 2x2      64 x 7 x 7
fc1, BN           256                 ``fc1``, then ReLU       256
fc2               10                  ``fc2``                  10
================  ==================  =======================  ============

Source: Qin & Vucinic, arXiv 1811.10649, section 3 and Table 1. The widths are lost from the
public copies of the paper; 32, 32, 64, 64 and 256 are this project's choice.
"""

import torch
from torch import Tensor, nn

from noisevote.models.networks.noise_points import NoisePoint
from noisevote.models.networks.quantisers import (
    Quantisation,
    QuantisedConv2d,
    QuantisedLinear,
    activation,
    quantise_weights,
)
from noisevote.models.noise import NoiseKind


class ConvBlock(nn.Module):
    """Convolution 3x3, batch norm, noise point, ReLU; keeps the picture's size."""

    def __init__(
        self,
        name: str,
        channels: tuple[int, int],
        size: int,
        affine: bool,
        quantisation: Quantisation | None,
    ) -> None:
        super().__init__()
        inputs, outputs = channels
        self.conv = QuantisedConv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=affine)
        self.noise = NoisePoint(name, (outputs, size, size), inputs * outputs * 9 * size * size)
        self.relu = activation(quantisation)

    def forward(self, signal: Tensor) -> Tensor:
        """Map ``[batch, inputs, size, size]`` to ``[batch, outputs, size, size]``."""
        activated: Tensor = self.relu(self.noise(self.norm(self.conv(signal))))
        return activated


class MnistCnn(nn.Module):
    """Maps pictures ``[batch, 1, 28, 28]`` in 0..1 to outputs ``[batch, 10]``.

    Args:
        kind: with multiplicative noise the batch norms have trainable scale and shift; with
            additive noise they have none, so that the signal keeps a power of 1 and cannot
            outgrow the noise (section 3 of the paper).
        fc_units: width of the first fully connected layer.
        quantisation: quantisation of all weights, and of the activations after each ReLU.
    """

    def __init__(
        self,
        kind: NoiseKind = NoiseKind.MULTIPLICATIVE,
        fc_units: int = 256,
        quantisation: Quantisation | None = None,
    ) -> None:
        super().__init__()
        affine = kind is NoiseKind.MULTIPLICATIVE
        self.conv1 = ConvBlock("conv1", (1, 32), 28, affine, quantisation)
        self.conv2 = ConvBlock("conv2", (32, 32), 28, affine, quantisation)
        self.conv3 = ConvBlock("conv3", (32, 64), 14, affine, quantisation)
        self.conv4 = ConvBlock("conv4", (64, 64), 14, affine, quantisation)
        self.fc1 = QuantisedLinear(64 * 7 * 7, fc_units, bias=False)
        self.norm1 = nn.BatchNorm1d(fc_units, affine=affine)
        self.noise1 = NoisePoint("fc1", (fc_units,), 64 * 7 * 7 * fc_units)
        self.relu1 = activation(quantisation)
        self.fc2 = QuantisedLinear(fc_units, 10)
        self.noise2 = NoisePoint("fc2", (10,), fc_units * 10)
        quantise_weights(self, quantisation)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``images`` ``[batch, 1, 28, 28]`` to outputs ``[batch, 10]``."""
        signal = torch.max_pool2d(self.conv2(self.conv1(images)), 2)
        signal = torch.max_pool2d(self.conv4(self.conv3(signal)), 2)
        signal = self.noise1(self.norm1(self.fc1(signal.reshape(-1, 64 * 7 * 7))))
        outputs: Tensor = self.noise2(self.fc2(self.relu1(signal)))
        return outputs
