"""Quantisation-aware training: weights and activations on few levels, gradients straight through.

* Weights have ``2^bits - 1`` levels, symmetric about 0; each output channel has its own step, so
  that its largest weight is the last level. The levels are rounded to half precision, in which
  weights are stored: quantising the stored weights gives the stored weights.
* Activations after a ReLU have ``2^bits`` levels from 0 to a ceiling. It is learned, or constant:
  ``base(bits) * scale`` with base 15 and 256 for 4 and 8 bits.

Rounding passes gradients on as if it were not there; that of the ceiling is then equation 3 of
S. K. Esser et al., "Learned step size quantization", arXiv 1902.08153. Their rescaling of it is
left out: AdamW does not feel the length of a gradient.

Sources: X. Wang et al., arXiv 2501.14531 (the constant scale), with the settings of the code of
arXiv 2503.16183; Y. Bengio et al., arXiv 1308.3432 (the straight-through gradient).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

BASE = {4: 15, 8: 256}
CEILING = "ceiling"
"""The one name that a quantised network has in its state and another has not."""
FIRST_CEILING = 6.0
"""Of a learned ceiling, before training."""
SMALLEST_CEILING = 1e-3
SMALLEST_WEIGHT = 2.0**-14
"""The smallest normal number in half precision; smaller weights are stored less exactly."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How weights and activations are quantised.

    Attributes:
        bits: bits of weights and of activations.
        scale: whether the ceiling of the activations is ``learned`` or ``constant``.
        constant_scale: the ceiling is ``base(bits)`` times this, if it is constant.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    bits: Literal[4, 8]
    scale: Literal["learned", "constant"] = "learned"
    constant_scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


def rounded(values: Tensor) -> Tensor:
    """Round to whole numbers, half to even; the gradient passes through unchanged."""
    whole = values.round()
    if torch.is_grad_enabled() and values.requires_grad:
        return values + (whole - values).detach()
    return whole


def quantised_weight(weight: Tensor, bits: int) -> Tensor:
    """Return a weight ``[outputs, ...]`` on the levels of its output channels."""
    levels = (1 << (bits - 1)) - 1
    largest = weight.detach().float().abs().flatten(1).amax(1).clamp_min(SMALLEST_WEIGHT)
    step = (largest.half().float() / levels).view(-1, *(1,) * (weight.dim() - 1))
    # Nothing is cut off: rounded to half precision, the largest weight is within 2^-11 of itself.
    on_levels = rounded(weight.float() / step) * step
    return on_levels + (on_levels.half().float() - on_levels).detach()


class QuantisedConv2d(nn.Conv2d):
    """A convolution whose kernel may be quantised.

    Attributes:
        bits: bits of the kernel; None takes it as it is.
    """

    bits: int | None = None

    def forward(self, signal: Tensor) -> Tensor:
        """Convolve ``signal`` with the kernel."""
        kernel = self.weight if self.bits is None else quantised_weight(self.weight, self.bits)
        return functional.conv2d(signal, kernel, self.bias, self.stride, self.padding)


class QuantisedLinear(nn.Linear):
    """A matrix-vector product whose matrix may be quantised.

    Attributes:
        bits: bits of the matrix; None takes it as it is.
    """

    bits: int | None = None

    def forward(self, signal: Tensor) -> Tensor:
        """Multiply ``signal`` with the matrix."""
        matrix = self.weight if self.bits is None else quantised_weight(self.weight, self.bits)
        return functional.linear(signal, matrix, self.bias)


class QuantisedReLU(nn.Module):
    """A ReLU whose output is quantised.

    Attributes:
        ceiling: the largest output; learned or constant.
        levels: number of the last level.
    """

    def __init__(self, quantisation: Quantisation) -> None:
        super().__init__()
        self.levels = (1 << quantisation.bits) - 1
        self.ceiling: Tensor
        if quantisation.scale == "learned":
            self.ceiling = nn.Parameter(torch.tensor(FIRST_CEILING))
        else:
            constant = BASE[quantisation.bits] * quantisation.constant_scale
            self.register_buffer(CEILING, torch.tensor(constant))

    def forward(self, signal: Tensor) -> Tensor:
        """Map ``signal`` to the levels from 0 to the ceiling."""
        step = self.ceiling.clamp_min(SMALLEST_CEILING) / self.levels
        level: Tensor = (signal.float() / step).clamp(0, self.levels)
        return rounded(level) * step


def quantise_weights(network: nn.Module, quantisation: Quantisation | None) -> None:
    """Quantise the weights of all convolutions and matrix-vector products of a network."""
    for module in network.modules():
        if isinstance(module, QuantisedConv2d | QuantisedLinear):
            module.bits = None if quantisation is None else quantisation.bits


def activation(quantisation: Quantisation | None, in_place: bool = False) -> nn.Module:
    """Return a ReLU, quantised if asked for; else it may write over its input to save memory."""
    return nn.ReLU(in_place) if quantisation is None else QuantisedReLU(quantisation)


def bake_weights(network: nn.Module) -> None:
    """Put the levels of quantised weights in the place of the weights, in place."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, QuantisedConv2d | QuantisedLinear) and module.bits is not None:
                module.weight.copy_(quantised_weight(module.weight, module.bits))
                module.bits = None
