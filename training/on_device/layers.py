"""The layers of a torch network that lie on arrays: which weights lead to each noise point."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from noisevote.models.errors import TrainingError
from noisevote.models.networks.brought import OUTPUTS
from noisevote.models.networks.noise_points import NoisePoint, noise_from, noise_points
from noisevote.training.on_device.trace import Tracing


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer whose weights lie on one array.

    Attributes:
        point: name of its noise point.
        weights: names of its parameters, with the axis along which columns follow each other;
            several where their products are summed.
        columns: of the array.
        fan_in: rows of the array.
    """

    point: str
    weights: tuple[tuple[str, int], ...]
    columns: int
    fan_in: int

    def matrix(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return its weights ``[columns, rows]``."""
        parts = [by_column(parameters[name].detach(), axis) for name, axis in self.weights]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def parted(self, matrix: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a matrix ``[columns, rows]`` in the shapes of the parameters, by their names."""
        found, first = {}, 0
        for name, axis in self.weights:
            shape = parameters[name].movedim(axis, 0).shape
            rows = parameters[name].numel() // self.columns
            part = matrix[:, first : first + rows].reshape(shape).movedim(0, axis)
            found[name] = torch.empty_like(parameters[name]).copy_(part)
            first += rows
        return found


def by_column(weights: Tensor, axis: int) -> Tensor:
    """Return weights as a matrix ``[columns, rows]``."""
    return weights.movedim(axis, 0).reshape(weights.shape[axis], -1)


def layers_of(network: nn.Module, shape: Iterable[int], use: str) -> dict[str, Layer]:
    """Return the layer of each noise point, in the order in which they are passed.

    Args:
        network: stays as it is.
        shape: of one input.
        use: what they are needed for, as errors say it.

    Raises:
        TrainingError: what meets the noise of a point is no product of weights, with bias and
            batch norm at most.
    """
    weights: dict[str, dict[tuple[str, int], None]] = {}
    without: list[str] = []
    parameters = dict(network.named_parameters())
    tracing = Tracing(network)

    def note(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:  # noqa: ARG001
        origin = tracing.origin(signal)
        if origin is not None:
            weights.setdefault(point.name, {}).update(dict.fromkeys(origin.weights))
        elif point.name != OUTPUTS:
            without.append(point.name)
        return signal

    was_training = network.training
    zeros = torch.zeros(2, *shape, device=next(iter(parameters.values())).device)
    with torch.no_grad(), tracing, noise_from(network.eval(), note):
        network(zeros)
    network.train(was_training)
    missed = [point.name for point in noise_points(network) if point.name not in weights]
    if wrong := dict.fromkeys([*without, *(name for name in missed if name != OUTPUTS)]):
        raise TrainingError(
            f"{use} needs layers that lie on arrays; at {', '.join(wrong)} the signal is no "
            "product of the network's weights, followed by bias and batch norm at most"
        )
    layers = {point: layer_at(point, used, parameters) for point, used in weights.items()}
    check_shared(layers.values(), use)
    return layers


def layer_at(
    point: str, weights: Iterable[tuple[str, int]], parameters: Mapping[str, Tensor]
) -> Layer:
    """Return the layer of weights."""
    used = tuple(weights)
    columns = parameters[used[0][0]].shape[used[0][1]]
    fan_in = sum(parameters[name].numel() for name, _ in used) // columns
    return Layer(point, used, columns, fan_in)


def check_shared(layers: Iterable[Layer], use: str) -> None:
    """Refuse weights that lead to several points.

    Raises:
        TrainingError: there are some.
    """
    holders: dict[str, str] = {}
    for layer in layers:
        for name, _ in layer.weights:
            if holders.setdefault(name, layer.point) != layer.point:
                raise TrainingError(
                    f"{use}: {name} leads to both {holders[name]} and {layer.point}; it can lie on "
                    "one array"
                )


def clip_weights(network: nn.Module, layers: Iterable[Layer], deviations: float) -> None:
    """Clip each column's weights at so many standard deviations from 0, in place.

    The deviation is that about 0: columns are scaled by their largest magnitude, and an error is
    relative to that (V. Joshi et al., Nature Communications 11 (2020) 2473, clip whole layers).
    """
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for layer in layers:
            matrix = layer.matrix(parameters)
            bound = deviations * matrix.square().mean(1, keepdim=True).sqrt()
            if bool((matrix.abs() > bound).any()):
                clipped = torch.minimum(torch.maximum(matrix, -bound), bound)
                for name, part in layer.parted(clipped, parameters).items():
                    parameters[name].copy_(part)
