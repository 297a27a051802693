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

from noisevote.training.on_device.calls import Norm, Window

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

    def normalised(self, origin: Origin, call: Norm) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG002
        """Return a signal behind its batch norm, and the mean and variance that this took."""
        return call.usual()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Compute what a network asks torch for."""
        named = kwargs or {}
        handler = HANDLERS.get(func)
        if handler is None or len(args) < POSITIONAL.get(handler, 1):
            return func(*args, **named)
        return handler(self, func, *args, **named)

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
        *where: Any,
        **named: Any,
    ) -> Any:
        name = self._name(weight)
        if name is None:
            return func(input, weight, bias, *where, **named)
        window = Window(*where, **named)
        entering = self.entering(name, input)
        signal = window.slide(func, entering, self.held(name, weight), bias)
        squares = None
        if self.reads_squares:
            with torch.no_grad():
                squares = window.squares(func, entering.float().square(), weight.shape)
        origin = self._product(name, (0, weight.shape[0]), 1, squares, signal)
        return self._noted(signal, origin.shifted(bias))

    def _squares(self, entering: Tensor) -> Tensor | None:
        if not self.reads_squares:
            return None
        return entering.detach().float().square().sum(-1, keepdim=True)

    def _linear(
        self,
        func: Callable[..., Any],
        input: Tensor,  # noqa: A002
        weight: Tensor,
        bias: Tensor | None = None,
    ) -> Any:
        name = self._name(weight)
        if name is None:
            return func(input, weight, bias)
        entering = self.entering(name, input)
        signal = func(entering, self.held(name, weight), bias)
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
        return self._product(name, (1, right.shape[1]), LAST, self._squares(entering), signal)

    def _add_product(
        self, func: Callable[..., Any], added: Tensor, left: Tensor, right: Tensor, **named: Any
    ) -> Any:
        name, before = self._name(right), self.origin(added)
        if name is None:
            return func(added, left, right, **named)
        entering = self.entering(name, left)
        signal = func(added, entering, self.held(name, right), **named)
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

    def _normalise(
        self,
        func: Callable[..., Any],  # noqa: ARG002 - torch's one batch norm
        input: Tensor,  # noqa: A002
        *args: Any,
        **named: Any,
    ) -> Any:
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


HANDLERS: dict[Callable[..., Any], Callable[..., Any]] = {
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), Tracing._convolve),
    functional.linear: Tracing._linear,
    **dict.fromkeys(
        (torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__), Tracing._multiply
    ),
    **dict.fromkeys((torch.addmm, Tensor.addmm), Tracing._add_product),
    **dict.fromkeys((torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__), Tracing._add),
    **dict.fromkeys((torch.unbind, Tensor.unbind), Tracing._take_apart),
    functional.batch_norm: Tracing._normalise,
}
"""What is done for a function of torch, in the place of calling it alone."""

POSITIONAL = {Tracing._multiply: 2, Tracing._add: 2, Tracing._add_product: 3}
"""Tensors that stand without their names; calls with fewer are left as they are."""
