"""Torch modules of others, with noise points behind their layers.

What ``MODULE:CALLABLE`` names is imported and called: it is the user's own code, run on the command
line and never for a request.
"""

import importlib
import re
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from noisevote.models.errors import ImportingError
from noisevote.models.networks.noise_points import NoisePoint

LAYERS = (nn.Linear, _ConvNd)
OUTPUTS = "outputs"
"""Name of the point behind a network whose last layer does not give its outputs."""

SOURCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_brought(network: str) -> bool:
    """Return whether the name of a network is that of a callable."""
    return SOURCE.fullmatch(network) is not None


def module_from(source: str, weights: str | None = None) -> nn.Module:
    """Return the torch module that ``MODULE:CALLABLE`` gives, in evaluation mode.

    Args:
        source: is looked for in the working directory, too.
        weights: file of its weights, safetensors or of torch; nothing is unpickled of the latter
            but tensors.

    Raises:
        ImportingError: it cannot be imported or called, gives something else, or its weights are
            others.
    """
    module, _, name = source.partition(":")
    stem = module.removesuffix(".py").replace("/", ".") if module.endswith(".py") else ""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        network = found if isinstance(found, nn.Module) else found()
    except (Exception, SystemExit) as error:  # a program of the user's may end where it is imported
        hint = f"; write it as an import does, {stem}:{name}" if stem else ""
        raise ImportingError(f"{source} cannot be called: {described(error)}{hint}") from error
    if not isinstance(network, nn.Module):
        raise ImportingError(f"{source} gives a {type(network).__name__}; needed is a torch module")
    if weights is not None:
        take_weights(network, Path(weights))
    return network.eval()


def take_weights(network: nn.Module, path: Path) -> None:
    """Load weights into a module.

    Raises:
        ImportingError: the file cannot be read, or holds the weights of another module.
    """
    try:
        state: dict[str, Any]
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        state = dict(state.get("state_dict", state))
        network.load_state_dict(state)
    except (OSError, SafetensorError) as error:
        raise ImportingError(f"{path} cannot be read: {described(error)}") from error
    except Exception as error:
        raise ImportingError(
            f"{path} does not hold the weights of the module: {described(error)}"
        ) from error


def described(error: BaseException) -> str:
    """Return the class of an error and its first line."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"[:300]


class Brought(nn.Module):
    """A module of others whose layers are followed by noise points.

    A point stands behind a layer, or behind the batch norm that takes its output.

    Args:
        network: takes one tensor.
        shape: of one input.
        patterns: of the names of the layers that get a point; by default all of them.
        marks_outputs: whether outputs that are no layer's get a point, too.

    Attributes:
        classes: number of outputs.

    Raises:
        ImportingError: a pattern fits no layer that is called, or the module fails.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: tuple[int, ...],
        patterns: Sequence[str] = (),
        marks_outputs: bool = True,
    ) -> None:
        super().__init__()
        self.network = network
        called, outputs = calls_in(network, shape)
        ends = ends_of(called)
        names = [
            name for name in ends if not patterns or any(fnmatchcase(name, p) for p in patterns)
        ]
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in ends):
                raise ImportingError(
                    f"{pattern!r} fits no layer that is called; there are: {', '.join(ends)}"
                )
        if not names:
            raise ImportingError("the module calls no linear layer and no convolution")
        self.points = nn.ModuleList()
        modules = dict(network.named_modules())
        last: Tensor | None = None
        for name in names:
            end, last = ends[name]
            point = NoisePoint(name, tuple(last.shape[1:]), 1)
            self.points.append(point)
            modules[end].register_forward_hook(partial(passed_through, point))
        self.classes = int(outputs.shape[1])
        self.ends_in_noise = last is outputs
        self.marks_outputs = marks_outputs and not self.ends_in_noise
        if self.marks_outputs:
            self.points.append(NoisePoint(OUTPUTS, tuple(outputs.shape[1:]), 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs ``[batch, classes]`` of inputs ``[batch, *shape]``."""
        outputs: Tensor = self.network(inputs)
        return self.points[-1](outputs) if self.marks_outputs else outputs


def passed_through(point: NoisePoint, *call: Any) -> Tensor:
    """Pass the output of a module, the last of what a hook is told, through its noise point."""
    noisy: Tensor = point(call[-1])
    return noisy


Call = tuple[str, nn.Module, Tensor, Tensor]
"""Name of a module, itself, the first tensor it took, and what it gave."""


def calls_in(network: nn.Module, shape: tuple[int, ...]) -> tuple[list[Call], Tensor]:
    """Return the layers and batch norms that a pass calls, in order, and the outputs.

    Raises:
        ImportingError: the pass fails.
    """
    called: list[Call] = []
    handles = [
        module.register_forward_hook(
            lambda module, inputs, output, name=name: called.append(
                (name, module, inputs[0], output)
            )
        )
        for name, module in network.named_modules()
        if isinstance(module, (*LAYERS, _BatchNorm))
    ]
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            outputs = network.eval()(torch.zeros(2, *shape, device=device))
    except Exception as error:
        raise ImportingError(
            f"the module takes no inputs of the shape {list(shape)}: {described(error)}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(outputs, Tensor) or outputs.dim() != 2:
        given = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ImportingError(f"the module gives {given} for 2 inputs; needed is [2, classes]")
    return called, outputs


def ends_of(called: Sequence[Call]) -> dict[str, tuple[str, Tensor]]:
    """Return by the name of each layer the module behind which its noise stands, and its signal."""
    ends: dict[str, tuple[str, Tensor]] = {}
    for name, module, _, output in called:
        if isinstance(module, LAYERS):
            after = next(
                (c for c in called if isinstance(c[1], _BatchNorm) and c[2] is output), None
            )
            ends[name] = (name, output) if after is None else (after[0], after[3])
    return ends


def brought_network(source: str, options: dict[str, Any]) -> Brought:
    """Build the network of a recipe whose network is a callable.

    Args:
        source: ``MODULE:CALLABLE``.
        options: ``shape`` of one input, ``points`` (patterns of layers), ``weights`` (file).
    """
    network = module_from(source, options.get("weights"))
    return Brought(network, tuple(options["shape"]), tuple(options.get("points", ())))
