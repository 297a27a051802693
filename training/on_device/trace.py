"""What signals are made of, noted while a network computes.

Each function of torch that a network calls passes here. A product by one of the network's weights
gets an :class:`Origin`; a batch norm, a bias and the taking apart of steps carry it on; whatever
else is done to a signal loses it. So the noise source at a point knows which product its signal is,
and what it was scaled and shifted by.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

CONVOLUTIONS: dict[Callable[..., Any], int] = {
    torch.conv1d: 1,
    torch.conv2d: 2,
    torch.conv3d: 3,
}
"""Each with the number of its places' axes."""

MULTIPLIED = (
    torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__,
)  # fmt: skip
ADDED = (torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__)
TAKEN_APART = (torch.unbind, Tensor.unbind)

LAST = -1


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """A signal as ``scale * product + offset``.

    Attributes:
        weights: names of the parameters that were multiplied by, and the axis of their columns.
        axis: of the signal along which columns follow each other.
        squares: sum of the squared inputs of a column at each place, 1 long along the columns; None
            where nobody asks.
        scale: ``[columns]``.
        offset: ``[columns]``.
    """

    weights: tuple[tuple[str, int], ...]
    axis: int
    squares: Tensor | None
    scale: Tensor
    offset: Tensor

    def shifted(self, bias: Tensor | None) -> "Origin":
        """Return it with a bias added."""
        return self if bias is None else replace(self, offset=self.offset + bias.detach().float())

    def plus(self, other: "Origin") -> "Origin":
        """Return the sum of two products."""
        squares = (
            None if self.squares is None or other.squares is None else self.squares + other.squares
        )
        more = tuple(entry for entry in other.weights if entry not in self.weights)
        return replace(
            self,
            weights=(*self.weights, *more),
            squares=squares,
            offset=self.offset + other.offset,
        )


class Tracing(TorchFunctionMode):
    """Follows the products of a network; a subclass changes what they multiply.

    Args:
        network: that computes inside the block.
    """

    reads_squares = False
    """Whether sums of squared inputs are wanted."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._names = {id(weights): name for name, weights in network.named_parameters()}
        self._origins: dict[int, tuple[Tensor, Origin]] = {}

    def origin(self, signal: Tensor) -> Origin | None:
        """Return the origin of a signal, which is forgotten."""
        found = self._origins.pop(id(signal), None)
        return None if found is None else found[1]

    def entering(self, name: str, inputs: Tensor) -> Tensor:  # noqa: ARG002
        """Return what is multiplied by the parameter of a name."""
        return inputs

    def held(self, name: str, weights: Tensor) -> Tensor:  # noqa: ARG002
        """Return what inputs are multiplied by in the place of a parameter."""
        return weights

    def normalised(self, origin: Origin, call: "Norm") -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG002
        """Return a signal behind its batch norm, and the mean and variance that this took."""
        return call.usual()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],  # noqa: ARG002
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Compute what a network asks torch for."""
        named = kwargs or {}
        if func in CONVOLUTIONS:
            return self._convolve(func, *args, **named)
        if func is functional.linear:
            return self._linear(*args, **named)
        if func in MULTIPLIED:
            return self._multiply(func, *args, **named)
        if func in {torch.addmm, Tensor.addmm} and len(args) == 3:
            return self._add_product(*args, **named)
        if func in ADDED and len(args) == 2:
            return self._add(func, *args, **named)
        if func in TAKEN_APART:
            return self._take_apart(func, *args, **named)
        if func is functional.batch_norm:
            return self._normalise(*args, **named)
        return func(*args, **named)

    def _name(self, weights: object) -> str | None:
        return self._names.get(id(weights)) if isinstance(weights, Tensor) else None

    def _noted(self, signal: Tensor, origin: Origin) -> Tensor:
        self._origins[id(signal)] = signal, origin
        return signal

    def _product(
        self, name: str, columns: tuple[int, int], axis: int, squares: Tensor | None, like: Tensor
    ) -> Origin:
        one = torch.ones(columns[1], device=like.device)
        return Origin(((name, columns[0]),), axis, squares, one, torch.zeros_like(one))

    def _convolve(
        self,
        func: Callable[..., Any],
        input: Tensor,  # noqa: A002 - as torch calls it
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        name = self._name(weight)
        if name is None:
            return func(input, weight, bias, stride, padding, dilation, groups)
        entering = self.entering(name, input)
        given = (stride, padding, dilation)
        signal = func(entering, self.held(name, weight), bias, *given, groups)
        squares = None
        if self.reads_squares:
            with torch.no_grad():
                squared = entering.float().square()
                shape: tuple[int, ...] = (1, 1, *weight.shape[2:])
                if groups == 1:
                    squared = squared.sum(1, keepdim=True)
                else:
                    shape = tuple(weight.shape)
                squares = func(squared, squared.new_ones(shape), None, *given, groups)
        origin = self._product(name, (0, weight.shape[0]), 1, squares, signal)
        return self._noted(signal, origin.shifted(bias))

    def _squares(self, entering: Tensor) -> Tensor | None:
        if not self.reads_squares:
            return None
        return entering.detach().float().square().sum(-1, keepdim=True)

    def _linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:  # noqa: A002
        name = self._name(weight)
        if name is None:
            return functional.linear(input, weight, bias)
        entering = self.entering(name, input)
        signal = functional.linear(entering, self.held(name, weight), bias)
        squares = self._squares(entering)
        origin = self._product(name, (0, weight.shape[0]), LAST, squares, signal)
        return self._noted(signal, origin.shifted(bias))

    def _multiply(self, func: Callable[..., Any], left: Tensor, right: Tensor, **named: Any) -> Any:
        name = self._name(right)
        if name is None or right.dim() != 2:
            return func(left, right, **named)
        entering = self.entering(name, left)
        signal = func(entering, self.held(name, right), **named)
        return self._noted(signal, self._of_matrix(name, right, entering, signal))

    def _of_matrix(self, name: str, right: Tensor, entering: Tensor, signal: Tensor) -> Origin:
        columns = (1, right.shape[1])
        return self._product(name, columns, LAST, self._squares(entering), signal)

    def _add_product(self, added: Tensor, left: Tensor, right: Tensor, **named: Any) -> Any:
        name, before = self._name(right), self.origin(added)
        if name is None:
            return torch.addmm(added, left, right, **named)
        entering = self.entering(name, left)
        signal = torch.addmm(added, entering, self.held(name, right), **named)
        origin = self._of_matrix(name, right, entering, signal)
        if before is not None and not named:
            return self._noted(signal, before.plus(origin))
        is_bias = self._name(added) is not None and added.dim() == 1 and not named
        return self._noted(signal, origin.shifted(added)) if is_bias else signal

    def _add(self, func: Callable[..., Any], left: Any, right: Any, **named: Any) -> Any:
        signal = func(left, right, **named)
        if named or not (isinstance(left, Tensor) and isinstance(right, Tensor)):
            return signal
        of_left, of_right = self.origin(left), self.origin(right)
        origin = of_left if of_right is None else of_right
        if of_left is not None and of_right is not None:
            return self._noted(signal, of_left.plus(of_right))
        bias = right if of_right is None else left
        is_bias = self._name(bias) is not None and bias.dim() == 1
        if origin is not None and is_bias and origin.axis in {LAST, signal.dim() - 1}:
            self._noted(signal, origin.shifted(bias))
        return signal

    def _take_apart(self, func: Callable[..., Any], signal: Tensor, dim: int = 0) -> Any:
        parts, origin = func(signal, dim), self.origin(signal)
        if origin is not None and dim not in {LAST, signal.dim() - 1} and origin.axis == LAST:
            squares = [None] * len(parts) if origin.squares is None else origin.squares.unbind(dim)
            for part, own in zip(parts, squares, strict=True):
                self._noted(part, replace(origin, squares=own))
        return parts

    def _normalise(self, input: Tensor, *args: Any, **named: Any) -> Any:  # noqa: A002
        origin, call = self.origin(input), Norm(input, *args, **named)
        if origin is None:
            return call.usual()[0]
        signal, mean, variance = self.normalised(origin, call)
        with torch.no_grad():
            factor = torch.rsqrt(variance.float() + call.eps)
            if call.weight is not None:
                factor = factor * call.weight
            offset = (origin.offset - mean) * factor
            found = replace(origin, scale=origin.scale * factor, offset=offset)
        return self._noted(signal, found.shifted(call.bias))


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
