"""Noise points: where analog noise meets a signal inside a torch network.

A network places a :class:`NoisePoint` after every matrix-vector product, before the activation.
By itself a point passes its signal on. What it does with noise is decided from outside, by the
source installed with :func:`noise_from`: fresh draws in training, given tensors when the outputs
must equal those of the ONNX graph.

Source: Qin & Vucinic, arXiv 1811.10649, section 2: ``act(Wx + b + n)``, ``act((Wx + b) * n)``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from noisevote.models.noise import TABLE_SIZE, NoiseKind, noise_table
from noisevote.models.specs import MARK

NoiseSource = Callable[["NoisePoint", Tensor, int | None], Tensor]
"""Takes a noise point, its signal and the step, returns the noisy signal.

The signal is ``[batch, *shape]``. At a point that is passed several times, ``shape`` begins with
the number of steps, the signal is ``[batch, *shape[1:]]``, and the step counts from 0; elsewhere
the step is None.
"""

Sigma = float | Tensor | Mapping[str, float | Tensor]
"""Standard deviation of the noise.

One number, one per image ``[batch]``, or either of them per noise point by name; points left out
of such a map get no noise.
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
        noise: tensor ``[batch, *shape]`` of each noise point by its name, as the runtime makes it.
    """

    def apply(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:
        tensor = noise[point.name] if step is None else noise[point.name][:, step]
        return kind.meet(signal, tensor)

    return apply


def fresh_noise(kind: NoiseKind, sigma: Sigma, generator: torch.Generator) -> NoiseSource:
    """Return a source that draws new noise at every call.

    Args:
        kind: multiplicative or additive.
        sigma: standard deviation of the noise.
        generator: where the draws come from, on the accelerator of the signal.
    """

    def apply(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:  # noqa: ARG001
        at_point = sigma_at(sigma, point.name)
        if isinstance(at_point, Tensor):
            noise = table_draws_like(signal, NoiseKind.ADDITIVE, 1.0, generator)
            noise *= at_point.to(noise.dtype).view(-1, *(1,) * (signal.dim() - 1))
            return kind.meet(signal, kind.finished(noise))
        if at_point == 0.0:
            return signal
        return kind.meet(signal, table_draws_like(signal, kind, at_point, generator))

    return apply


def sigma_at(sigma: Sigma, point: str) -> float | Tensor:
    """Return the sigma of one noise point: one number, or one per image ``[batch]``."""
    return sigma.get(point, 0.0) if isinstance(sigma, Mapping) else sigma


def table_draws_like(
    signal: Tensor, kind: NoiseKind, sigma: float, generator: torch.Generator
) -> Tensor:
    """Draw finished factors or summands in the shape, type and memory layout of ``signal``.

    On CPU by looking up 16-bit random words in the table that serves (``models.noise``): drawing
    them is 2 to 3 times faster than ``normal_``, and training is bound by it. Elsewhere by
    ``normal_`` on the flat memory.
    """
    noise = torch.empty_like(signal)
    flat = noise.permute(0, 2, 3, 1) if is_channels_last(noise) else noise
    if signal.device.type != "cpu":
        flat.normal_(kind.neutral, sigma, generator=generator)
        return noise
    table = typed_noise_table(kind, sigma, signal.dtype)
    seed = int(torch.randint(2**63 - 1, (1,), generator=generator))
    bits = flat.view(torch.int16) if signal.dtype is torch.bfloat16 else flat
    gather(table, np.random.SFC64(seed), bits.reshape(-1).numpy())
    return noise


def gather(table: NDArray[Any], source: np.random.SFC64, values: NDArray[Any]) -> None:
    """Fill ``values`` with entries of ``table`` picked by 16-bit words of ``source``."""
    words = source.random_raw(-(-values.size // 4)).view(np.uint16)[: values.size]
    # In pieces, so that the indices, widened inside NumPy, stay in the cache. They are below
    # 65,536 by construction; "wrap" only spares a bounds check.
    for first in range(0, values.size, TABLE_SIZE):
        piece = slice(first, first + TABLE_SIZE)
        np.take(table, words[piece], out=values[piece], mode="wrap")


@lru_cache(maxsize=64)
def typed_noise_table(kind: NoiseKind, sigma: float, dtype: torch.dtype) -> NDArray[Any]:
    """Return the noise table in a torch type; bfloat16, which NumPy lacks, as its 16 bits."""
    table = torch.from_numpy(noise_table(kind, sigma).copy()).to(dtype)
    return table.view(torch.int16).numpy() if dtype is torch.bfloat16 else table.numpy()


def is_channels_last(tensor: Tensor) -> bool:
    """Return whether the channels of a batch of maps lie together in memory."""
    return tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
