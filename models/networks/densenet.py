"""The densely connected networks for 32 x 32 pictures of ten classes.

Every layer of a block reads the maps of all layers before it, in the order batch norm, ReLU,
convolution, noise. A map's noise is drawn once, when the map is made; all later layers read the
same noisy map. Between two blocks a transition (batch norm, ReLU, convolution 1x1, noise, average
over 2x2) halves the side. The last maps pass batch norm, ReLU, the average over the picture, and a
fully connected layer with noise.

=======================  =========================  ==========================
network                  ``densenet40``             ``densenet100``
=======================  =========================  ==========================
first convolution 3x3    16 maps                    24 maps
layers of a block        12                         16, each with a bottleneck:
                                                    48 maps by 1x1, then 3x3
maps a layer adds        12                         12
maps of transitions      all (160, 304)             half (108, 150)
parameters               1.0 M                      0.77 M
normals of a vote        451,594                    1,463,818
=======================  =========================  ==========================

Pictures come in as 0..1; the first step inside the network centres and scales the colours by the
mean and spread of CIFAR-10's training pictures, and padding is that mean.

Source: G. Huang et al., "Densely Connected Convolutional Networks", arXiv 1608.06993, sections 3
and 4 (networks); Qin & Vucinic, arXiv 1811.10649, section 3 (noise after each convolution and the
fully connected layer). Whether their depth-100 network has bottlenecks is not said; this one does.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from noisevote.models.errors import TrainingError
from noisevote.models.networks.noise_points import NoisePoint
from noisevote.models.networks.quantisers import (
    Quantisation,
    QuantisedConv2d,
    QuantisedLinear,
    activation,
    quantise_weights,
)
from noisevote.models.noise import NoiseKind

CLASSES = 10
COLOURS = 3
SIDE = 32
BLOCKS = 3
BOTTLENECK_MAPS = 4
"""Maps between the two convolutions of a layer with a bottleneck, per map that it adds."""

MEAN = (0.4914, 0.4822, 0.4465)
"""Mean of red, green and blue over CIFAR-10's training pictures."""

SPREAD = (0.2470, 0.2435, 0.2616)
"""Standard deviation of red, green and blue over CIFAR-10's training pictures."""


class NoisyConv(nn.Module):
    """Batch norm, ReLU, convolution, noise point; keeps the side of the maps.

    Args:
        name: name of the noise point.
        channels: maps read and maps made.
        side: height and width of the maps.
        kernel: height and width of the kernel.
        kind: with additive noise, a batch norm without trainable scale and shift stands between
            the convolution and its noise. It keeps the power of each map at 1, so that the weights
            cannot outgrow the noise. The batch norm before the ReLU scales signal and noise alike
            and needs no such limit.
        quantisation: quantisation of the activations; that of the kernels is set for the whole
            network.
    """

    def __init__(
        self,
        name: str,
        channels: tuple[int, int],
        side: int,
        kernel: int,
        kind: NoiseKind,
        quantisation: Quantisation | None = None,
    ) -> None:
        super().__init__()
        inputs, outputs = channels
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = activation(quantisation, in_place=True)
        self.conv = QuantisedConv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.power = unit_power(outputs, kind)
        macs = inputs * outputs * kernel**2 * side**2
        self.noise = NoisePoint(name, (outputs, side, side), macs)

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``[batch, inputs, side, side]`` to ``[batch, outputs, side, side]``."""
        noisy: Tensor = self.noise(self.power(self.conv(self.relu(self.norm(maps)))))
        return noisy


def unit_power(maps: int, kind: NoiseKind) -> nn.Module:
    """Return what stands between a convolution and its noise point."""
    return nn.BatchNorm2d(maps, affine=False) if kind is NoiseKind.ADDITIVE else nn.Identity()


class DenseBlock(nn.Module):
    """Layers that each read all maps before them and add ``growth`` maps.

    Args:
        name: name of the block, the first part of its noise points' names.
        inputs: maps that the block reads.
        layers: layers of the block.
        growth: maps a layer adds.
        side: height and width of the maps.
        bottleneck: whether a layer has a convolution 1x1 before its convolution 3x3.
        build: :class:`NoisyConv`, given the kind of the noise and the quantisation.
    """

    def __init__(
        self,
        name: str,
        inputs: int,
        layers: int,
        growth: int,
        side: int,
        bottleneck: bool,
        build: Callable[..., NoisyConv],
    ) -> None:
        super().__init__()
        self.outputs = inputs + layers * growth
        self.layers = nn.ModuleList()
        for number in range(1, layers + 1):
            read = inputs + (number - 1) * growth
            layer = nn.Sequential()
            if bottleneck:
                between = BOTTLENECK_MAPS * growth
                layer.append(build(f"{name}.bottleneck{number}", (read, between), side, 1))
                read = between
            layer.append(build(f"{name}.conv{number}", (read, growth), side, 3))
            self.layers.append(layer)

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``[batch, inputs, side, side]`` to ``[batch, outputs, side, side]``."""
        for layer in self.layers:
            maps = torch.cat([maps, layer(maps)], dim=1)
        return maps


class DenseNet(nn.Module):
    """Maps pictures ``[batch, 3, 32, 32]`` in 0..1 to outputs ``[batch, 10]``.

    Args:
        kind: kind of the noise; see :class:`NoisyConv`.
        depth: layers with weights, shortcuts not counted.
        growth: maps that each layer of a block adds.
        bottleneck: whether the layers have bottlenecks and the transitions halve the maps.
        quantisation: quantisation of all weights, and of the activations after each ReLU.
    """

    def __init__(
        self,
        kind: NoiseKind = NoiseKind.MULTIPLICATIVE,
        depth: int = 40,
        growth: int = 12,
        bottleneck: bool = False,
        quantisation: Quantisation | None = None,
    ) -> None:
        super().__init__()
        build = partial(NoisyConv, kind=kind, quantisation=quantisation)
        layers, left = divmod(depth - 4, BLOCKS * (2 if bottleneck else 1))
        if layers < 1 or left or growth < 1:
            raise TrainingError(
                f"no DenseNet has depth {depth} and growth {growth}; the depth is 4 more than a "
                f"multiple of {BLOCKS}, of {2 * BLOCKS} with bottlenecks, and the growth positive"
            )
        maps = 2 * growth if bottleneck else 16
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(-1, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD).view(-1, 1, 1), persistent=False)
        self.conv = QuantisedConv2d(COLOURS, maps, 3, padding=1, bias=False)
        self.power = unit_power(maps, kind)
        self.noise = NoisePoint("conv1", (maps, SIDE, SIDE), COLOURS * maps * 9 * SIDE**2)
        self.blocks = nn.Sequential()
        side = SIDE
        for number in range(1, BLOCKS + 1):
            block = DenseBlock(f"block{number}", maps, layers, growth, side, bottleneck, build)
            self.blocks.append(block)
            if number == BLOCKS:
                break
            maps = block.outputs // 2 if bottleneck else block.outputs
            self.blocks.append(build(f"transition{number}", (block.outputs, maps), side, 1))
            self.blocks.append(nn.AvgPool2d(2))
            side //= 2
        self.norm = nn.BatchNorm2d(block.outputs)
        self.relu = activation(quantisation, in_place=True)
        self.fc = QuantisedLinear(block.outputs, CLASSES)
        self.output_noise = NoisePoint("fc", (CLASSES,), block.outputs * CLASSES)
        quantise_weights(self, quantisation)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``images`` ``[batch, 3, 32, 32]`` to outputs ``[batch, 10]``."""
        maps = self.noise(self.power(self.conv((images - self.mean) / self.spread)))
        maps = self.relu(self.norm(self.blocks(maps)))
        outputs: Tensor = self.output_noise(self.fc(maps.mean(dim=(2, 3))))
        return outputs
