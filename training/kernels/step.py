"""The forward pass of a DenseNet in training mode by the compiled kernels.

The network of ``models/networks/densenet.py`` in training mode, to the order of the sums, in far
fewer passes over memory:

1. All maps of a block lie in one buffer; nothing is concatenated. Mean and variance of a map are
   summed up while it is made: all layers that read it share them.
2. Batch norm is a scale and a shift. It and the ReLU are applied in the cache, on the way into a
   convolution, again in the backward pass, and never stored.
3. In the backward pass the maps of a layer get their gradient from all layers that read them at
   once, so each map is read once and its gradient written once. What the batch norms take off it,
   ``constant + slope x``, is linear in two sums over the batch, and taken off when the gradient is
   used.
4. Noise factors are drawn where they are applied, and kept for the backward pass.

Means and variances are kept in double precision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from noisevote.models.networks.densenet import DenseNet, NoisyConv
from noisevote.models.networks.noise_points import NoisePoint, typed_noise_table
from noisevote.models.noise import NoiseKind
from noisevote.training.kernels.library import Head, Layer, Variant

Numbers = NDArray[np.float64]

GOLDEN = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: the seeds of the noise points are that far apart."""


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


class Step:
    """A forward pass that was made, and all that its backward pass needs.

    Args:
        plan: of a network in training mode; the running statistics of its batch norms move on.
        norm: the network's last batch norm.
        pictures: centred and scaled ``[batch, colours, side, side]``.
        sigma: of the noise at each stage.
        seed: of the noise.
        variant: what computes.
    """

    def __init__(
        self,
        plan: Plan,
        norm: nn.BatchNorm2d,
        pictures: Tensor,
        sigma: Sequence[float],
        seed: int,
        variant: Variant,
    ) -> None:
        self.plan = plan
        self.variant = variant
        self.norm = norm
        self.chunks, self.side = len(pictures) // variant.lanes, pictures.shape[-1]
        self.maps = [self.empty(buffer) for buffer in range(len(self.plan.buffers))]
        self.maps[0] = to_lanes(pictures, variant)
        self.mean = [np.zeros(maps) for maps, _ in self.plan.buffers]
        self.variance = [np.ones(maps) for maps, _ in self.plan.buffers]
        self.kept: list[Any] = []
        self.layers = [
            self.pass_stage(stage, level, seed_of_point(seed, number))
            for number, (stage, level) in enumerate(zip(self.plan.stages, sigma, strict=True))
        ]
        self.head = self.pass_head()

    def empty(self, buffer: int) -> Tensor:
        """Return room for a buffer ``[chunks, side, maps, side, lanes]``."""
        maps, halvings = self.plan.buffers[buffer]
        side = self.side >> halvings
        return torch.empty(
            self.chunks, side, maps, side, self.variant.lanes, dtype=self.variant.dtype
        )

    def keep(self, array: NDArray[Any] | Tensor) -> int:
        """Keep an array as long as this step, and return its address."""
        self.kept.append(array)
        return address(array)

    def folded(self, norm: nn.BatchNorm2d, buffer: int) -> tuple[int, int]:
        """Return where the scale and the shift of a batch norm on a buffer's first maps lie."""
        mean, gain = self.mean[buffer][: norm.num_features], gain_of(norm, self.variance[buffer])
        scale = numbers_of(norm.weight) * gain
        shift = numbers_of(norm.bias) - mean * scale
        return self.keep(scale.astype(np.float32)), self.keep(shift.astype(np.float32))

    def pass_stage(self, stage: Stage, sigma: float, seed: int) -> Layer:
        """Compute the maps of a stage."""
        conv, source, target = stage.conv, self.maps[stage.source], self.maps[stage.target]
        side, inputs, outputs = source.shape[1], conv.in_channels, conv.out_channels
        layer = Layer(
            chunks=self.chunks, side=side, inputs=inputs, outputs=outputs,
            kernel=conv.kernel_size[0], pooled=stage.pooled, active=stage.norm is not None,
            maps=source.data_ptr(), maps_width=source.shape[2],
            made=target.data_ptr(), made_width=target.shape[2], made_first=stage.first, seed=seed,
        )  # fmt: skip
        if stage.norm is None:
            layer.scale = self.keep(np.ones(inputs, np.float32))
            layer.shift = self.keep(np.zeros(inputs, np.float32))
        else:
            layer.scale, layer.shift = self.folded(stage.norm, stage.source)
            pixels = self.chunks * self.variant.lanes * side**2
            move_statistics(
                stage.norm, self.mean[stage.source], self.variance[stage.source], pixels
            )
        layer.weights = self.keep(conv.weight.detach().contiguous())
        if sigma:
            size = (self.chunks, side, outputs, side, self.variant.lanes)
            layer.noise = self.keep(torch.empty(size, dtype=self.variant.dtype))
            layer.factors = self.keep(factors(sigma, self.variant.dtype))
        sums = np.empty((2, outputs))
        layer.sums = address(sums)
        self.variant.forward(layer)
        made = slice(stage.first, stage.first + outputs)
        mean, square = sums / (target[:, :, 0].numel())
        self.mean[stage.target][made] = mean
        self.variance[stage.target][made] = np.maximum(square - mean**2, 0.0)
        return layer

    def pass_head(self) -> Head:
        """Prepare the last batch norm, the ReLU and the mean over the picture."""
        last, norm = self.plan.last, self.norm
        side = self.maps[last].shape[1]
        head = Head(chunks=self.chunks, side=side, count=norm.num_features)
        head.maps = self.maps[last].data_ptr()
        head.scale, head.shift = self.folded(norm, last)
        pixels = self.chunks * self.variant.lanes * side**2
        move_statistics(norm, self.mean[last], self.variance[last], pixels)
        return head

    def features(self) -> Tensor:
        """Return the means of the last maps over the picture ``[batch, maps]``."""
        batch = self.chunks * self.variant.lanes
        features = torch.empty(batch, self.norm.num_features)
        self.head.features = features.data_ptr()
        self.variant.head_forward(self.head)
        return features


def gain_of(norm: nn.BatchNorm2d, variance: Numbers) -> Numbers:
    """Return one over the standard deviation of the maps that a batch norm reads."""
    gain: Numbers = 1.0 / np.sqrt(variance[: norm.num_features] + norm.eps)
    return gain


def numbers_of(parameter: Tensor) -> Numbers:
    """Return a parameter in double precision."""
    return parameter.detach().numpy().astype(np.float64)


def move_statistics(norm: nn.BatchNorm2d, mean: Numbers, variance: Numbers, pixels: int) -> None:
    """Move the running statistics of a batch norm on, as torch's training mode does."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    share = norm.momentum
    if share is None:
        share = 1.0 / float(norm.num_batches_tracked)
    unbiased = variance[: norm.num_features] * (pixels / max(pixels - 1, 1))
    for running, values in ((norm.running_mean, mean), (norm.running_var, unbiased)):
        new = torch.from_numpy(values[: norm.num_features].astype(np.float32))
        running.lerp_(new, share)


def factors(sigma: float, dtype: torch.dtype) -> NDArray[Any]:
    """Return the table of noise factors."""
    return typed_noise_table(NoiseKind.MULTIPLICATIVE, sigma, dtype)


def address(array: NDArray[Any] | Tensor) -> int:
    """Return where an array lies in memory."""
    return array.data_ptr() if isinstance(array, Tensor) else int(array.ctypes.data)


def to_lanes(pictures: Tensor, variant: Variant) -> Tensor:
    """Lay out ``[batch, maps, side, side]`` as ``[chunks, side, maps, side, lanes]``."""
    chunks = pictures.view(-1, variant.lanes, *pictures.shape[1:]).permute(0, 3, 2, 4, 1)
    return chunks.to(variant.dtype).contiguous()


def from_lanes(maps: Tensor) -> Tensor:
    """Lay out ``[chunks, side, maps, side, lanes]`` as ``[batch, maps, side, side]`` float32."""
    return maps.permute(0, 4, 2, 1, 3).flatten(0, 1).float()


def seed_of_point(seed: int, number: int) -> int:
    """Return the seed of a noise point, by its number from 0."""
    return (seed + (number + 1) * GOLDEN) % 2**64
