"""What a device does at a noise point, in torch, with gradients.

The formula is that of ``models.devices.columns``, whose tables are taken. Its converters round, so
that they have no slope: gradients pass them straight through, within their range (Y. Bengio et al.,
arXiv 1308.3432). Where noise depends on the signal, gradients pass through its deviation, too: the
network learns which signals are noisy. What inputs and the ranges of arrays do to the deviation has
no gradient.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from noisevote.models.devices.columns import Columns

LEAST_VARIANCE = 1e-20

Draw = Callable[[Tensor], Tensor]
"""Returns standard normals in the shape and layout of a signal."""


def read_out(
    signal: Tensor,
    columns: Columns,
    axis: int,
    squares: Tensor | None,
    draw: Draw,
    strength: float = 1.0,
) -> Tensor:
    """Return a signal as a device gives it.

    Args:
        signal: what meets the noise.
        columns: what the device does.
        axis: of the signal along which columns follow each other.
        squares: X of the table, 1 long along the columns; needed where ``w2`` is not 0.
        draw: draws the noise.
        strength: factor of the noise's deviation.
    """
    at = partial(laid, like=signal, axis=axis)
    alpha, gain, offset, beta = map(at, (columns.alpha, columns.gain, columns.offset, columns.beta))
    noise = deviated(signal, columns, at, squares, draw, strength)
    if columns.step.any():
        mean = (signal - beta) * gain + offset
        return alpha * converted(mean if noise is None else mean + noise, columns, at) + beta
    if (columns.gain != 1).any() or (columns.alpha != 1).any() or columns.offset.any():
        factor = alpha * gain
        shift = alpha * offset + beta * (1 - factor)
        added = shift if noise is None else noise * alpha + shift
        return torch.addcmul(added, signal, factor)
    return signal if noise is None else signal + noise


def laid(values: NDArray[np.float64], like: Tensor, axis: int) -> Tensor:
    """Return a number for each column as a tensor that is broadcast along them."""
    shape = [1] * like.dim()
    shape[axis] = len(values)
    return torch.tensor(values, dtype=torch.float32, device=like.device).view(shape)


def deviated(
    signal: Tensor,
    columns: Columns,
    at: Callable[[NDArray[np.float64]], Tensor],
    squares: Tensor | None,
    draw: Draw,
    strength: float,
) -> Tensor | None:
    """Return the noise of a read; None where the device has none."""
    if columns.is_silent or strength == 0:
        return None
    variance = at(columns.a2)
    if columns.depends_on_inputs and squares is not None:
        variance = variance + at(columns.w2) * squares
    if columns.depends_on_signal:
        size = ((signal - at(columns.beta)) * at(columns.gain) + at(columns.offset)).abs()
        variance = variance + (at(columns.c) + at(columns.b2) * size) * size
    # The root has no slope at 0.
    return draw(signal.detach()) * (strength * variance.clamp_min(LEAST_VARIANCE).sqrt())


def converted(
    mean: Tensor, columns: Columns, at: Callable[[NDArray[np.float64]], Tensor]
) -> Tensor:
    """Return what the converter of outputs makes of a value; one of step 0 leaves it."""
    step, low, high = at(columns.step), at(columns.low), at(columns.high)
    is_on = step > 0
    divisor = torch.where(is_on, step, 1.0)
    levels = torch.floor(mean / divisor + at(columns.half)) * divisor
    return torch.where(is_on, straight_through(mean, levels, low, high), mean)


def converted_input(inputs: Tensor, dac: tuple[float, float, float]) -> Tensor:
    """Return what the converter of inputs makes of them: to the nearest level, ties to even."""
    step, low, high = dac
    if step == 0:
        return inputs
    return straight_through(
        inputs, torch.round(inputs / step) * step, inputs.new_tensor(low), inputs.new_tensor(high)
    )


def straight_through(value: Tensor, levels: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return levels within a range, with the gradient of the value within it."""
    within = torch.minimum(torch.maximum(value, low), high)
    return within + (torch.minimum(torch.maximum(levels, low), high) - within).detach()
