"""The convolutions of a DenseNet in order, and the buffers that their maps lie in."""

from dataclasses import dataclass

from torch import nn

from models.networks.densenet import DenseNet, NoisyConv
from models.networks.noise_points import NoisePoint


@dataclass(frozen=True, slots=True)
class Stage:
    """A convolution, from buffer to buffer.

    Attributes:
        point: its noise point.
        norm: batch norm before it; the first convolution has none.
        conv: the convolution.
        source: buffer whose first maps it reads.
        target: buffer that it writes to.
        first: number of its first map there.
        pooled: whether 2x2 pixels are averaged.
    """

    point: NoisePoint
    norm: nn.BatchNorm2d | None
    conv: nn.Conv2d
    source: int
    target: int
    first: int
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The stages of a network, in order, and its buffers: of each, maps and halvings of the side.

    Buffer 0 holds the pictures, buffer ``last`` the maps that the fully connected layer sees.
    """

    stages: tuple[Stage, ...]
    buffers: tuple[tuple[int, int], ...]
    last: int


def plan_of(network: DenseNet) -> Plan:
    """Return the stages of a network."""
    conv = network.conv
    stages = [Stage(network.noise, None, conv, 0, 1, 0)]
    buffers = [(conv.in_channels, 0), (conv.out_channels, 0)]

    def add(layer: NoisyConv, source: int, target: int, *, pooled: bool = False) -> None:
        maps, halvings = buffers[target]
        stages.append(Stage(layer.noise, layer.norm, layer.conv, source, target, maps, pooled))
        buffers[target] = (maps + layer.conv.out_channels, halvings)

    block = 1
    for part in network.blocks:
        halvings = buffers[block][1]
        if isinstance(part, NoisyConv):  # a transition; the average pool behind it is fused
            buffers.append((0, halvings + 1))
            add(part, block, len(buffers) - 1, pooled=True)
            block = len(buffers) - 1
        for layer in getattr(part, "layers", ()):
            source = block
            for between in layer[:-1]:
                buffers.append((0, halvings))
                add(between, source, len(buffers) - 1)
                source = len(buffers) - 1
            add(layer[-1], source, block)
    return Plan(tuple(stages), tuple(buffers), block)
