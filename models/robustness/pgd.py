"""Projected gradient descent (PGD) on a surrogate, with restarts, and with or without momentum.

Sources: A. Madry et al., arXiv 1706.06083 (projected gradient ascent from random starts);
Y. Dong et al., arXiv 1710.06081, Algorithm 1 (momentum); A. Athalye, N. Carlini and D. Wagner,
arXiv 1802.00420 (expectation over transformation, for a noisy surrogate). Qin & Vucinic, arXiv
1811.10649, section 4, submit per image the restart with the highest loss on the surrogate.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.ball import TINY, Ball, Purpose, Samples, generator_for
from noisevote.models.robustness.progress import Progress

GRADIENT_COST = 3.0
"""A gradient with respect to the input takes about as long as so many forward passes."""


@dataclass(frozen=True, slots=True)
class SurrogateNoise:
    """Noise inside a surrogate, over which losses and gradients are averaged.

    Attributes:
        kind: multiplicative or additive.
        sigma: standard deviation at every noise point, or by name.
        draws: averaged for each sample and turn.
        seed: seed of the draws, which have nothing to do with those of the target.
        is_frozen: whether every sample and turn meets the same draws, those of votes 0, 1, ... at
            position 0 of a request with this seed.
        repeats: reads that are averaged at noise points, by name.
    """

    kind: NoiseKind
    sigma: float | dict[str, float]
    draws: int
    seed: int
    is_frozen: bool = False
    repeats: dict[str, int] = field(default_factory=dict)


class Surrogate(Protocol):
    """A network that the attacker can differentiate, on several threads at a time.

    Its loss ranks examples as the cross-entropy does: that of the label or, where the samples have
    target classes, as the probability of these does.
    """

    def gradients(
        self, samples: Samples, turn: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the loss of each sample ``[n]`` and its gradient ``[n, *shape]``.

        Args:
            samples: where the gradient is taken.
            turn: number of the call; a noisy surrogate draws fresh noise at each turn.
        """

    def losses(self, samples: Samples, turn: int) -> NDArray[np.float32]:
        """Return the loss of each sample ``[n]``."""

    def predictions(self, samples: Samples, turn: int) -> NDArray[np.int64]:
        """Return the class that the surrogate gives each sample ``[n]``."""

    def least_likely(self, samples: Samples) -> NDArray[np.int64]:
        """Return the class with the lowest output of each sample, but for its label ``[n]``."""

    def with_noise(self, noise: SurrogateNoise) -> "Surrogate":
        """Return the same network behind noise.

        Raises:
            InputError: it has no noise points.
        """

    @property
    def rows_at_once(self) -> int:
        """How many samples it takes well in one call."""

    @property
    def passes(self) -> int:
        """Forward passes behind one loss of one sample."""


@dataclass(frozen=True, slots=True)
class TransferAttack:
    """Settings of one attack on a surrogate.

    Attributes:
        ball: where examples may lie.
        step_size: length of a step, in units of the inputs.
        steps: steps of each restart.
        momentum: share of the earlier steps' direction that is kept; 0 is PGD, 1 is MI-FGSM's.
        has_random_start: whether to start at a random point of the ball or at the sample.
        seed: seed of the starts.
        at_once: threads that climb, each with some of the samples; it changes no result.
    """

    ball: Ball
    step_size: float
    steps: int
    momentum: float = 0.0
    has_random_start: bool = True
    seed: int = 0
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Restart:
    """What one restart found.

    Attributes:
        examples: its last points ``[n, *shape]``.
        losses: losses of the surrogate there ``[n]``.
    """

    examples: NDArray[np.float32]
    losses: NDArray[np.float32]

    def first(self, count: int) -> "Restart":
        """Return what it found of the first samples."""
        return Restart(self.examples[:count], self.losses[:count])


def attack_surrogate(
    surrogate: Surrogate,
    samples: Samples,
    attack: TransferAttack,
    restart: int,
    progress: Progress,
    points: NDArray[np.float32] | None = None,
) -> Restart:
    """Do one restart on all samples.

    The result of a sample depends on seed, restart and sample index, not on its neighbours.

    Args:
        surrogate: surrogate that is climbed.
        samples: where the attack begins.
        attack: settings.
        restart: number of the restart, from 0.
        progress: told after each batch.
        points: where to go on ``[n, *shape]``; None begins anew, as the attack says.
    """
    size = surrogate.rows_at_once
    starts = starts_of(samples, attack, restart) if points is None else points
    slices = [slice(first, first + size) for first in range(0, len(samples), size)]

    def climbed(part: slice) -> Restart:
        return climb(surrogate, samples.take(part), starts[part], attack, restart, progress)

    if (at_once := min(attack.at_once, len(slices))) > 1:
        with ThreadPoolExecutor(at_once) as threads:
            parts = list(threads.map(climbed, slices))
    else:
        parts = [climbed(part) for part in slices]
    return Restart(
        np.concatenate([part.examples for part in parts]),
        np.concatenate([part.losses for part in parts]),
    )


def starts_of(samples: Samples, attack: TransferAttack, restart: int) -> NDArray[np.float32]:
    """Return where a restart begins ``[n, *shape]``."""
    if not attack.has_random_start:
        return samples.inputs
    generators = [
        generator_for(attack.seed, Purpose.START, index, restart)
        for index in samples.indices.tolist()
    ]
    return attack.ball.random_inside(samples.inputs, generators)


def climb(
    surrogate: Surrogate,
    samples: Samples,
    points: NDArray[np.float32],
    attack: TransferAttack,
    restart: int,
    progress: Progress,
) -> Restart:
    """Do one restart, from some points, on samples that fit one call of the surrogate."""
    ball, centres = attack.ball, samples.inputs
    direction = np.zeros_like(points)
    first_turn = restart * (attack.steps + 1)
    for step in range(attack.steps):
        _, gradients = surrogate.gradients(samples.with_inputs(points), first_turn + step)
        if attack.momentum > 0:
            direction = attack.momentum * direction + of_mean_size_one(gradients)
        else:
            direction = gradients
        points = ball.project(points + attack.step_size * ball.ascent(direction), centres)
        progress.advance(GRADIENT_COST * surrogate.passes * len(samples))
    losses = surrogate.losses(samples.with_inputs(points), first_turn + attack.steps)
    return Restart(points, losses)


def of_mean_size_one(gradients: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each gradient to a mean absolute element of 1, so that all steps weigh alike."""
    axes = tuple(range(1, gradients.ndim))
    return np.asarray(
        gradients / np.maximum(np.abs(gradients).mean(axis=axes, keepdims=True), TINY)
    )


def strongest(restarts: list[Restart]) -> Restart:
    """Return for each sample the restart with the highest loss; of several, the first."""
    losses = np.stack([restart.losses for restart in restarts])
    best = losses.argmax(axis=0)
    columns = np.arange(losses.shape[1])
    examples = np.stack([restart.examples for restart in restarts])
    return Restart(examples[best, columns], losses[best, columns])


def attack_with_restarts(
    surrogate: Surrogate,
    samples: Samples,
    attack: TransferAttack,
    restarts: int,
    progress: Progress,
) -> Restart:
    """Return each sample's strongest restart; one that fools the surrogate is the last.

    Dropping fooled samples saves most of the work where all that counts is whether the surrogate
    falls, as in an attack on the target itself. It is not the paper's protocol: a later restart
    may have reached a higher loss.
    """
    best = Restart(samples.inputs.copy(), np.full(len(samples), -np.inf, np.float32))
    standing = np.arange(len(samples))
    for restart in range(restarts):
        left = samples.take(standing)
        found = attack_surrogate(surrogate, left, attack, restart, progress)
        is_better = found.losses > best.losses[standing]
        best.examples[standing[is_better]] = found.examples[is_better]
        best.losses[standing[is_better]] = found.losses[is_better]
        turn = restart * (attack.steps + 1) + attack.steps
        answers = surrogate.predictions(left.with_inputs(found.examples), turn)
        fooled = left.aim.is_met(answers)
        best.examples[standing[fooled]] = found.examples[fooled]
        best.losses[standing[fooled]] = found.losses[fooled]
        standing = standing[~fooled]
        if len(standing) == 0:
            break
    return best
