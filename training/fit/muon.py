"""The optimiser Muon for kernels of convolutions, with AdamW for all other weights.

The step of a kernel, seen as a matrix ``[maps made, rest]``, is its gradient's momentum with all
singular values brought near 1. Before each step a kernel is scaled to the norm ``sqrt(maps made)``:
a batch norm follows, so its size does not matter to the outputs, but it does to how far a step of
one length turns it.

Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), and K.
Jordan's CIFAR-10 speed runs, which scale the kernels.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from noisevote.models.errors import TrainingError


class KernelMuon(Optimizer):
    """Muon on the kernels of a network but the first, AdamW on the rest.

    Args:
        network: network whose convolutions are each followed by a batch norm, sooner or later.
        rates: learning rate of the kernels and of the rest.
        momentum: momentum of the kernels' gradients, with Nesterov's look ahead.
        weight_decay: weight decay of the rest, decoupled.

    Raises:
        TrainingError: the network has no kernels beside the first.
    """

    def __init__(
        self, network: nn.Module, rates: tuple[float, float], momentum: float, weight_decay: float
    ) -> None:
        self.kernels = [each for each in network.parameters() if each.dim() == 4][1:]
        if not self.kernels:
            raise TrainingError(
                "the optimizer muon needs convolutions beside the first one; take adamw or sgd"
            )
        taken = {id(kernel) for kernel in self.kernels}
        rest = [each for each in network.parameters() if id(each) not in taken]
        # Torch's Muon takes matrices alone.
        self.matrices = [nn.Parameter(as_matrix(kernel)) for kernel in self.kernels]
        self.muon = Muon(self.matrices, rates[0], weight_decay=0.0, momentum=momentum)
        self.adamw = AdamW(rest, rates[1], weight_decay=weight_decay)
        super().__init__([{"params": self.kernels}, {"params": rest}], {})
        # One list, so that what sets the learning rates sets those of both.
        self.param_groups = self.muon.param_groups + self.adamw.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the network."""
        for kernel in self.kernels:
            kernel.grad = None
        self.adamw.zero_grad(set_to_none)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Change the weights by their gradients.

        Args:
            closure: none is taken.
        """
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            matrix.copy_(scaled(as_matrix(kernel)))
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        self.muon.step()  # type: ignore[no-untyped-call]
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            kernel.copy_(matrix.view_as(kernel))
        self.adamw.step(closure)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the state of both."""
        self.muon.load_state_dict(state_dict["muon"])
        self.adamw.load_state_dict(state_dict["adamw"])
        self.param_groups = self.muon.param_groups + self.adamw.param_groups


def as_matrix(kernel: Tensor) -> Tensor:
    """Return a copy of a kernel as a matrix ``[maps made, rest]``."""
    return kernel.detach().flatten(1).clone(memory_format=torch.contiguous_format)


def scaled(matrix: Tensor) -> Tensor:
    """Return the matrix of a kernel ``[maps made, rest]`` at the norm sqrt(maps made)."""
    result: Tensor = matrix * (len(matrix) ** 0.5 / matrix.norm().clamp_min(1e-12))
    return result
