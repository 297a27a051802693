"""Noise points: where analog noise meets a signal inside a torch network.

A network places a :class:`NoisePoint` after every matrix-vector product, before the activation.
By itself a point passes its signal on. What it does with noise is decided from outside, by the
source installed with :func:`noise_from`: fresh draws in training, given tensors when the outputs
must equal those of the ONNX graph.

Source: Qin & Vucinic, arXiv 1811.10649, section 2: ``act(Wx + b + n)``, ``act((Wx + b) * n)``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.noise import NoiseKind

MARK = "noisevote::NoisePoint"
"""The operator that stands for a noise point in an exported graph, before the graph pass."""

NoiseSource = Callable[["NoisePoint", Tensor, int | None], Tensor]
"""Takes a noise point, its signal and the step, returns the noisy signal.

The signal is ``[batch, *shape]``. At a point that is passed several times, ``shape`` begins with
the number of steps, the signal is ``[batch, *shape[1:]]``, and the step counts from 0; elsewhere
the step is None.
"""


class NoisePoint(nn.Module):
    """One place of a network at which noise is added to, or multiplied with, the signal.

    Attributes:
        name: the layer before it, unique within the network.
        shape: shape of the signal of one image, without the batch axis; at a point that is passed
            several times, the number of steps and then the shape at one step.
        macs: multiply-accumulates of the matrix-vector products that lead to it, per image.
        latency: how long the analog layer takes, in units of one layer evaluation.
    """

    def __init__(self, name: str, shape: tuple[int, ...], macs: int, latency: float = 1.0) -> None:
        super().__init__()
        self.name = name
        self.shape = shape
        self.macs = macs
        self.latency = latency
        self.source: NoiseSource | None = None

    def forward(self, signal: Tensor, step: int | None = None) -> Tensor:
        """Pass ``signal`` through the installed source, if there is one.

        Args:
            signal: ``[batch, *shape]``, or ``[batch, *shape[1:]]`` at one of several steps.
            step: which of the steps this is, from 0; None at a point that is passed once.
        """
        return signal if self.source is None else self.source(self, signal, step)


def noise_points(network: nn.Module) -> list[NoisePoint]:
    """Return the noise points of ``network`` in the order in which it was built.

    Networks register them in the order of the forward pass, which is the order of the graph.
    """
    return [module for module in network.modules() if isinstance(module, NoisePoint)]


@contextmanager
def noise_from(network: nn.Module, source: NoiseSource | None) -> Iterator[None]:
    """Install ``source`` at every noise point of ``network`` for the duration of the block."""
    points = noise_points(network)
    before = [point.source for point in points]
    for point in points:
        point.source = source
    try:
        yield
    finally:
        for point, old in zip(points, before, strict=True):
            point.source = old


def marking(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:
    """Be the source that marks the points in a graph that is being exported."""
    step_attribute = {} if step is None else {"step": step}
    marked: Tensor = torch.onnx.ops.symbolic(
        MARK,
        [signal],
        {"point": point.name, **step_attribute},
        dtype=signal.dtype,
        shape=signal.shape,
        version=1,
    )
    return marked


def given_noise(kind: NoiseKind, noise: Mapping[str, Tensor]) -> NoiseSource:
    """Return a source that applies finished noise tensors.

    Args:
        kind: whether the tensors are factors or summands.
        noise: for each noise point its tensor ``[batch, *shape]``, as the runtime makes it.
    """

    def apply(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:
        tensor = noise[point.name] if step is None else noise[point.name][:, step]
        return signal * tensor if kind is NoiseKind.MULTIPLICATIVE else signal + tensor

    return apply


def fresh_noise(
    kind: NoiseKind,
    sigma: float | Tensor | Mapping[str, float],
    generator: torch.Generator,
) -> NoiseSource:
    """Return a source that draws new noise at every call.

    Args:
        kind: multiplicative or additive.
        sigma: standard deviation of the noise; one number, one per image ``[batch]``, or one per
            noise point by name (points left out get no noise).
        generator: where the draws come from, on the device of the signal.
    """

    def apply(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:  # noqa: ARG001
        at_point = sigma.get(point.name, 0.0) if isinstance(sigma, Mapping) else sigma
        if isinstance(at_point, float) and at_point == 0.0:
            return signal
        noise = standard_normal_like(signal, generator)
        if isinstance(at_point, Tensor):
            noise *= at_point.view(-1, *(1,) * (signal.dim() - 1))
        else:
            noise *= at_point
        return signal * noise.add_(1.0) if kind is NoiseKind.MULTIPLICATIVE else signal + noise

    return apply


def standard_normal_like(signal: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normals in the shape and memory layout of ``signal``.

    One flat draw viewed in the layout of the signal: ``randn_like`` on a channels-last tensor
    falls to a scalar path that is seven times slower on CPU.
    """
    noise = torch.empty_like(signal)
    flat = noise
    if noise.dim() == 4 and noise.is_contiguous(memory_format=torch.channels_last):
        flat = noise.permute(0, 2, 3, 1)
    flat.normal_(generator=generator)
    return noise
