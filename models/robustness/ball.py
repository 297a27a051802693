"""The ball of allowed perturbations: where an adversarial example may lie.

All arrays are ``[n, *shape]``, float32; norms are taken over all axes but the first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-4
"""How far rounding may put an example outside the ball (that of Madry's challenge)."""

TINY = 1e-12


class Norm(StrEnum):
    """How the size of a perturbation is measured: its largest element, or its length."""

    LINF = "linf"
    L2 = "l2"


@dataclass(frozen=True, slots=True)
class Ball:
    """All inputs within ``epsilon`` of a sample and within the input range.

    Attributes:
        norm: that measures perturbations.
        epsilon: radius, in units of the inputs.
        low: smallest allowed input value.
        high: largest allowed input value.
    """

    norm: Norm
    epsilon: float
    low: float
    high: float

    def project(
        self, inputs: NDArray[np.float32], centres: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the points of the balls around ``centres`` nearest to ``inputs``.

        With the L2 norm the input range is enforced last, which moves a point further towards its
        centre: the result is in the ball, though not always the nearest point of it.
        """
        shifts = inputs - centres
        if self.norm is Norm.LINF:
            kept = np.clip(shifts, -self.epsilon, self.epsilon)
        else:
            kept = shifts * np.minimum(1.0, self.epsilon / np.maximum(lengths(shifts), TINY))
        inside = np.clip(centres + kept, self.low, self.high)
        return np.asarray(inside, np.float32)

    def project_one(
        self, point: NDArray[np.float32], centre: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the point ``[*shape]`` of one ball that :meth:`project` finds."""
        return np.asarray(self.project(point[np.newaxis], centre[np.newaxis])[0])

    def ascent(self, gradients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the direction of a step of size 1 that raises the loss fastest."""
        if self.norm is Norm.LINF:
            return np.asarray(np.sign(gradients))
        return np.asarray(gradients / np.maximum(lengths(gradients), TINY), np.float32)

    def random_inside(
        self, centres: NDArray[np.float32], generators: Sequence[np.random.Generator]
    ) -> NDArray[np.float32]:
        """Draw a point uniformly from each ball, one generator a sample."""
        shifts = np.stack([self._shift_inside(centres.shape[1:], g) for g in generators])
        return self.project(centres + shifts, centres)

    def random_on_surface(
        self, centres: NDArray[np.float32], generators: Sequence[np.random.Generator]
    ) -> NDArray[np.float32]:
        """Draw a point at the full distance: a corner of the cube, or a random direction."""
        shifts = np.stack([self._shift_on_surface(centres.shape[1:], g) for g in generators])
        return self.project(centres + shifts, centres)

    def distances(
        self, inputs: NDArray[np.float32], centres: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the norm of each perturbation ``[n]``."""
        shifts = (inputs - centres).reshape(len(inputs), -1)
        if self.norm is Norm.LINF:
            return np.asarray(np.abs(shifts).max(axis=1))
        return lengths(shifts)[:, 0]

    def holds(self, inputs: NDArray[np.float32], centres: NDArray[np.float32]) -> bool:
        """Return whether all inputs keep to their balls, but for rounding."""
        in_range = (inputs >= self.low - TOLERANCE) & (inputs <= self.high + TOLERANCE)
        # In a small ball single precision is the coarser, the more so the larger the inputs are.
        step = float(np.spacing(np.float32(max(abs(self.low), abs(self.high)))))
        rounded = step if self.norm is Norm.LINF else step * math.sqrt(inputs[0].size)
        is_near = self.distances(inputs, centres) <= self.epsilon * (1 + TOLERANCE) + rounded
        return bool(in_range.all() and is_near.all())

    def _shift_inside(
        self, shape: tuple[int, ...], generator: np.random.Generator
    ) -> NDArray[np.float32]:
        if self.norm is Norm.LINF:
            return generator.uniform(-self.epsilon, self.epsilon, shape).astype(np.float32)
        share = generator.random() ** (1 / np.prod(shape))
        return np.float32(share) * self._shift_on_surface(shape, generator)

    def _shift_on_surface(
        self, shape: tuple[int, ...], generator: np.random.Generator
    ) -> NDArray[np.float32]:
        if self.norm is Norm.LINF:
            return signs(shape, generator) * np.float32(self.epsilon)
        direction = generator.standard_normal(shape, np.float32)
        return np.asarray(direction * np.float32(self.epsilon / np.linalg.norm(direction)))


def signs(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw -1 or 1 with equal chances for each element."""
    return generator.integers(0, 2, shape).astype(np.float32) * 2 - 1


def lengths(arrays: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the L2 norm of each array, in a shape that multiplies it ``[n, 1, ...]``."""
    norms = np.sqrt((arrays.reshape(len(arrays), -1) ** 2).sum(axis=1))
    return np.asarray(norms.reshape(-1, *(1,) * (arrays.ndim - 1)), np.float32)
