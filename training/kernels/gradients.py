"""The backward pass of a DenseNet by the compiled kernels; see ``step``.

What the batch norms that read a map take off its gradient is ``constant + slope x``; both follow
from two sums over the batch, those of the gradients past the ReLUs and of these times the map.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from noisevote.training.kernels.library import Group, Head
from noisevote.training.kernels.step import Numbers, Step, address, from_lanes, gain_of, numbers_of


class Gradients:
    """The backward pass of a step.

    Args:
        step: the forward pass.
        of_features: gradient of what it gave ``[batch, maps]``.

    Attributes:
        pictures: gradient of the pictures ``[batch, colours, side, side]``.
        parameters: gradients of the stages' batch norms and weights, and of the last batch norm,
            by parameter.
    """

    def __init__(self, step: Step, of_features: Tensor) -> None:
        self.step = step
        self.parameters: dict[Tensor, Tensor] = {}
        self.norms: dict[nn.BatchNorm2d, tuple[tuple[Numbers, Numbers, Numbers], Numbers]] = {}
        buffers = range(len(step.plan.buffers))
        self.of_maps = {buffer: step.empty(buffer) for buffer in buffers if buffer != 0}
        self.sums = [np.zeros((2, maps)) for maps, _ in step.plan.buffers]
        self.begun = set[int]()
        self.input_sums = [np.zeros((2, layer.inputs)) for layer in step.layers]
        self.kept: list[Any] = []
        self.pass_head(of_features)
        for number in reversed(range(len(step.layers))):
            self.pass_stage(number)
        self.of_maps[0] = step.empty(0)
        self.gather([0], 0, 0, step.layers[0].inputs)
        self.pictures = from_lanes(self.of_maps[0])
        for norm, (_, found) in self.norms.items():
            of_shift, of_scale = torch.from_numpy(found.astype(np.float32))
            self.parameters |= {norm.bias: of_shift, norm.weight: of_scale}

    def keep(self, array: NDArray[Any] | Tensor) -> int:
        """Keep an array until the pass is over, and return its address."""
        self.kept.append(array)
        return address(array)

    def pass_head(self, of_features: Tensor) -> None:
        """Set the gradient of the last maps."""
        step, last = self.step, self.step.plan.last
        sums = np.empty((2, step.norm.num_features))
        head = Head.from_buffer_copy(step.head)
        head.features_gradient = self.keep(of_features.float().contiguous())
        head.gradient = self.of_maps[last].data_ptr()
        head.sums = address(sums)
        step.variant.head_backward(head)
        self.begun.add(last)
        self.settle(step.norm, last, sums, slice(0, step.norm.num_features))

    def pass_stage(self, number: int) -> None:
        """Complete the gradient of the maps that a stage made, and take it past the noise."""
        step, stage = self.step, self.step.plan.stages[number]
        outputs = stage.conv.out_channels
        readers = [
            reader
            for reader, other in enumerate(step.plan.stages)
            if other.source == stage.target
            and other.conv.in_channels > stage.first
            and not other.pooled
        ]
        if readers:
            self.gather(readers, stage.target, stage.first, outputs)
        maps, layer = step.maps[stage.target], step.layers[number]
        made = slice(stage.first, stage.first + outputs)
        constant, slope = self.taken_off(stage.target, made, maps[:, :, 0].numel())
        layer.made_gradient = self.of_maps[stage.target].data_ptr()
        layer.constant, layer.slope = self.keep(constant), self.keep(slope)
        size = (step.chunks, layer.side, outputs, layer.side, step.variant.lanes)
        layer.gradient = self.keep(torch.empty(size, dtype=step.variant.dtype))
        weight_gradient = torch.empty(stage.conv.weight.shape)
        layer.weight_gradient = weight_gradient.data_ptr()
        self.parameters[stage.conv.weight] = weight_gradient
        layer.input_sums = address(self.input_sums[number])
        step.variant.behind_noise(layer)
        if stage.pooled:
            self.gather([number], stage.source, 0, layer.inputs)

    def gather(self, readers: Sequence[int], buffer: int, first: int, count: int) -> None:
        """Put together the gradient of maps from the stages that read them."""
        step, maps = self.step, self.step.maps[buffer]
        group = Group(
            chunks=step.chunks, side=maps.shape[1], maps=maps.data_ptr(), maps_width=maps.shape[2],
            gradient=self.of_maps[buffer].data_ptr(), first=first, count=count,
            fresh=buffer not in self.begun,
        )  # fmt: skip
        step.variant.backward([step.layers[reader] for reader in readers], group)
        if step.plan.stages[readers[0]].pooled:
            self.begun.add(buffer)
        for reader in readers:
            norm = step.plan.stages[reader].norm
            if norm is not None:
                made = slice(first, first + count)
                self.settle(norm, buffer, self.input_sums[reader][:, made], made)

    def settle(self, norm: nn.BatchNorm2d, buffer: int, sums: Numbers, made: slice) -> None:
        """Note the gradients of a batch norm's shift and scale, for some of its maps."""
        if norm not in self.norms:
            mean, variance = self.step.mean[buffer], self.step.variance[buffer]
            of_norm = (numbers_of(norm.weight), mean, gain_of(norm, variance))
            self.norms[norm] = of_norm, np.zeros((2, norm.num_features))
        (weight, mean, gain), gradients = self.norms[norm]
        gradients[0, made] = sums[0]
        gradients[1, made] = gain[made] * (sums[1] - mean[made] * sums[0])
        self.sums[buffer][:, made] += weight[made] * gradients[:, made]

    def taken_off(
        self, buffer: int, made: slice, pixels: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what the batch norms that read maps take off their gradient: constant, slope."""
        step, (of_shift, of_scale) = self.step, self.sums[buffer][:, made]
        gain = 1.0 / np.sqrt(step.variance[buffer][made] + step.norm.eps)
        slope = gain**2 * of_scale / pixels
        constant = gain * of_shift / pixels - slope * step.mean[buffer][made]
        return constant.astype(np.float32), slope.astype(np.float32)
