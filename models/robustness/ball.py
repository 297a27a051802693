"""The ball of allowed perturbations: where an adversarial example may lie.

All arrays are ``[n, *shape]``, float32; norms are taken over all axes but the first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.errors import InputError
from noisevote.models.robustness.aim import Aim


class Purpose(IntEnum):
    """What random draws are for; draws for different purposes never meet."""

    START = 1
    SQUARE = 2
    CONTROL = 3
    DECISION = 4
    TARGET = 5
    TARGET_CLASS = 6


def generator_for(seed: int, purpose: Purpose, *key: int) -> np.random.Generator:
    """Return the generator of one purpose and key, such as a sample's index.

    Draws keyed by a sample do not depend on which other samples are attacked beside it.
    """
    return np.random.default_rng((seed, int(purpose), *key))


@dataclass(frozen=True, slots=True)
class Samples:
    """Labelled inputs under attack.

    Attributes:
        inputs: ``[n, *shape]``, float32, in the networks' input range.
        labels: class of each ``[n]``, int64.
        indices: number of each in its data set ``[n]``, int64; their random draws are keyed by it.
        target_classes: the class that each is to be answered with ``[n]``, int64; None: any wrong
            one will do.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    target_classes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "Samples":
        """Return the chosen samples, in order."""
        aim = self.aim.take(chosen)
        return Samples(self.inputs[chosen], aim.labels, self.indices[chosen], aim.target_classes)

    def with_inputs(self, inputs: NDArray[np.float32]) -> "Samples":
        """Return the same samples with other inputs, such as adversarial ones."""
        return replace(self, inputs=inputs)

    def and_also(self, others: "Samples") -> "Samples":
        """Return these and others, in order, with labels alone."""
        return Samples(
            np.concatenate([self.inputs, others.inputs]),
            np.concatenate([self.labels, others.labels]),
            np.concatenate([self.indices, others.indices]),
        )

    @property
    def aim(self) -> Aim:
        """What the attacker wants of them."""
        return Aim(self.labels, self.target_classes)


def samples_for(
    card: Card, inputs: NDArray[np.float32], given: NDArray[np.int64] | None
) -> Samples:
    """Number labelled inputs from 0 and check that they fit a checkpoint.

    Args:
        card: card of the checkpoint.
        inputs: ``[n, *shape]``.
        given: class of each ``[n]``; None if they are to be asked for, until then all are 0.

    Raises:
        InputError: there are none, or their number, shape, range or labels are wrong.
    """
    if len(inputs) == 0:
        raise InputError("there are no samples; at least one is needed", "samples")
    labels = np.zeros(len(inputs), np.int64) if given is None else given
    if labels.shape != (len(inputs),):
        raise InputError(
            f"there are {len(inputs)} samples and {labels.size} labels; each needs one", "labels"
        )
    if inputs.shape[1:] != card.input.shape:
        raise InputError(
            f"samples have the shape {list(inputs.shape[1:])}; checkpoint {card.name} takes "
            f"{list(card.input.shape)}",
            "samples",
        )
    low, high = card.input.limits
    outside = ~((inputs >= low) & (inputs <= high)).reshape(len(inputs), -1).all(axis=1)
    if outside.any():  # NaN, too
        raise InputError(
            f"sample {int(outside.argmax())} has values outside {low:g} to {high:g}", "samples"
        )
    wrong = (labels < 0) | (labels >= len(card.labels))
    if wrong.any():
        raise InputError(
            f"label {int(labels[wrong][0])} is out of range; checkpoint {card.name} has the "
            f"classes 0 to {len(card.labels) - 1}",
            "labels",
        )
    return Samples(
        inputs.astype(np.float32, copy=False), labels.astype(np.int64), np.arange(len(inputs))
    )


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
        norm: norm that measures perturbations.
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
