"""Calls of torch's functions, with the arguments that it gives them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class Window:
    """How a convolution moves over its inputs, as torch calls it."""

    def __init__(
        self, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> None:
        self._given = stride, padding, dilation
        self._groups = groups

    def slide(
        self, func: Callable[..., Any], inputs: Tensor, weights: Tensor, bias: Tensor | None
    ) -> Tensor:
        """Return the convolution."""
        found: Tensor = func(inputs, weights, bias, *self._given, self._groups)
        return found

    def squares(self, func: Callable[..., Any], squared: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return X of each place, and of each column if the columns are grouped.

        Args:
            func: convolution.
            squared: squares of what enters it.
            shape: of its weights.
        """
        if self._groups == 1:
            squared, shape = squared.sum(1, keepdim=True), (1, 1, *shape[2:])
        return self.slide(func, squared, squared.new_ones(shape), None)


@dataclass(slots=True, eq=False)
class Norm:
    """A call of a batch norm, as torch has it."""

    input: Tensor
    running_mean: Tensor | None = None
    running_var: Tensor | None = None
    weight: Tensor | None = None
    bias: Tensor | None = None
    training: bool = False
    momentum: float = 0.1
    eps: float = 1e-5

    def by(self, mean: Tensor | None, variance: Tensor | None, training: bool) -> Tensor:
        """Return the signal behind it, by other statistics."""
        return functional.batch_norm(
            self.input, mean, variance, self.weight, self.bias, training, self.momentum, self.eps
        )

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the batch ``[columns]``."""
        with torch.no_grad():
            flat = self.input.float().movedim(1, -1).reshape(-1, self.input.shape[1])
            mean = flat.mean(0)
            return mean, (flat - mean).square_().mean(0)

    def usual(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the signal behind it, and the mean and variance that it took."""
        if self.training or self.running_mean is None or self.running_var is None:
            mean, variance = self.moments()
        else:
            mean, variance = self.running_mean, self.running_var
        return self.by(self.running_mean, self.running_var, self.training), mean, variance
