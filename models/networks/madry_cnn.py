"""The 4-layer convolutional network for digits of Madry et al., the usual surrogate of attacks.

================  ==================  =======================  ============
layer             output of an image  noise point              normals
================  ==================  =======================  ============
conv1 5x5         32 x 28 x 28        ``conv1``, then ReLU     25,088
max-pool 2x2      32 x 14 x 14
conv2 5x5         64 x 14 x 14        ``conv2``, then ReLU     12,544
max-pool 2x2      64 x 7 x 7
fc1               1024                ``fc1``, then ReLU       1,024
fc2               10                  ``fc2``                  10
================  ==================  =======================  ============

3.27 million parameters. There is no batch norm, so additive noise has no fixed signal power to be
measured against.

Source: A. Madry et al., arXiv 1706.06083, section 5, and the MadryLab/mnist_challenge code; it is
network A of Qin & Vucinic, arXiv 1811.10649, section 4.
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


class MadryCnn(nn.Module):
    """Maps pictures ``[batch, 1, 28, 28]`` in 0..1 to outputs ``[batch, 10]``.

    Args:
        kind: kind of the noise; the network is the same for both.
        fc_units: width of the first fully connected layer.
        quantisation: quantisation of all weights, and of the activations after each ReLU.
    """

    def __init__(
        self,
        kind: NoiseKind = NoiseKind.MULTIPLICATIVE,  # noqa: ARG002 - all networks are built alike
        fc_units: int = 1024,
        quantisation: Quantisation | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = QuantisedConv2d(1, 32, 5, padding=2)
        self.noise1 = NoisePoint("conv1", (32, 28, 28), 32 * 25 * 28 * 28)
        self.relu1 = activation(quantisation)
        self.conv2 = QuantisedConv2d(32, 64, 5, padding=2)
        self.noise2 = NoisePoint("conv2", (64, 14, 14), 32 * 64 * 25 * 14 * 14)
        self.relu2 = activation(quantisation)
        self.fc1 = QuantisedLinear(64 * 7 * 7, fc_units)
        self.noise3 = NoisePoint("fc1", (fc_units,), 64 * 7 * 7 * fc_units)
        self.relu3 = activation(quantisation)
        self.fc2 = QuantisedLinear(fc_units, 10)
        self.noise4 = NoisePoint("fc2", (10,), fc_units * 10)
        quantise_weights(self, quantisation)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``images`` ``[batch, 1, 28, 28]`` to outputs ``[batch, 10]``."""
        signal = torch.max_pool2d(self.relu1(self.noise1(self.conv1(images))), 2)
        signal = torch.max_pool2d(self.relu2(self.noise2(self.conv2(signal))), 2)
        signal = self.relu3(self.noise3(self.fc1(signal.reshape(-1, 64 * 7 * 7))))
        outputs: Tensor = self.noise4(self.fc2(signal))
        return outputs
