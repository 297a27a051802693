"""Samples, targets and surrogates whose truth is known, for tests of attacks and figures."""

from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.errors import InputError
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.pgd import SurrogateNoise
from noisevote.models.robustness.target import Conditions, Question
from noisevote.models.stopping import StopRule
from tests.drawing import draw_digit

PIXELS = 48
"""Pixels of a column."""


@lru_cache(maxsize=256)
def drawn(digit: int, stroke: float) -> NDArray[np.float32]:
    """A digit as a network of 28 x 28 pixels takes it."""
    picture = draw_digit(digit, size=28, stroke=stroke, ink=255, paper=0)
    return np.asarray(picture, np.float32) / np.float32(255)


def drawn_samples(count: int, seed: int) -> Samples:
    """Drawn digits in turn, with pens and places that differ, on a faint ground."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    pictures = []
    for label in labels.tolist():
        picture = drawn(label, float(generator.choice([2.0, 2.5, 3.0, 3.5])))
        shift = generator.integers(-2, 3, 2)
        picture = np.roll(picture, shift, axis=(0, 1))
        pictures.append(np.clip(picture + 0.1 * generator.random((28, 28)), 0, 1))
    inputs = np.stack(pictures)[:, np.newaxis].astype(np.float32)
    return Samples(inputs, labels.astype(np.int64), np.arange(count))


def line_samples(count: int, seed: int = 0) -> Samples:
    """Pictures of 12 x 12 pixels whose class is the brightest of three columns."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    inputs = generator.uniform(0.2, 0.4, (count, 1, 12, 12))
    as_columns(inputs)[np.arange(count), :, labels] += generator.uniform(0.02, 0.4, (count, 1, 1))
    return Samples(inputs.astype(np.float32), labels.astype(np.int64), np.arange(count))


def as_columns(inputs: NDArray[Any]) -> NDArray[Any]:
    """A view of pictures as rows of three columns of 4 pixels ``[n, 12, 3, 4]``."""
    return inputs.reshape(-1, 12, 3, 4)


def columns(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """The scores of the three classes ``[n, 3]``: the mean brightness of their columns."""
    return np.asarray(as_columns(inputs).mean(axis=(1, 3), dtype=np.float64))


@dataclass
class LineTarget:
    """Votes for the brightest column; noise of standard deviation sigma is added to the scores.

    Attributes:
        seed: of the fresh noise.
        fair_share: share of replies, whatever the input, that go to a random class.
    """

    seed: int = 0
    fair_share: float = 0.0
    generator: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)

    @property
    def at_once(self) -> int:
        return 1

    def question(
        self, inputs: NDArray[np.float32], conditions: Conditions, stop: StopRule
    ) -> Question:
        return partial(self.vote_counts, inputs, conditions, stop)

    def vote_counts(
        self,
        inputs: NDArray[np.float32],
        conditions: Conditions,
        stop: StopRule,  # noqa: ARG002
    ) -> NDArray[np.int64]:
        assert isinstance(conditions.sigma, float)
        frozen = conditions.seed is not None
        draws = np.random.default_rng(conditions.seed) if frozen else self.generator
        shape = (conditions.votes, 1 if frozen else len(inputs), 3)
        scores = columns(inputs) + conditions.sigma * draws.standard_normal(shape)
        votes = scores.argmax(axis=2)
        if conditions.sigma > 0 and not frozen:
            lost = draws.random(len(inputs)) < self.fair_share
            votes[:, lost] = draws.integers(0, 3, lost.sum())
        return np.stack([(votes == c).sum(axis=0) for c in range(3)], axis=1)


@dataclass
class LineSurrogate:
    """The same scores with their gradients; ``sign`` -1 makes it climb the wrong way.

    The loss is the best other score less that of the label, plus 1; with target classes, their
    score less the best other, plus 1.
    """

    sign: float = 1.0
    has_noise: bool = True
    draws: int = 1

    def with_noise(self, noise: SurrogateNoise) -> "LineSurrogate":
        if not self.has_noise:
            raise InputError("the surrogate has no noise points")
        return LineSurrogate(self.sign, self.has_noise, noise.draws)

    @property
    def rows_at_once(self) -> int:
        return 7

    @property
    def passes(self) -> int:
        return self.draws

    def gradients(
        self,
        samples: Samples,
        turn: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = np.arange(len(samples))
        gradients = np.zeros_like(samples.inputs)
        down, up = self._pair(samples)
        as_columns(gradients)[rows, :, down] -= 1 / PIXELS
        as_columns(gradients)[rows, :, up] += 1 / PIXELS
        return self.losses(samples, turn), np.float32(self.sign) * gradients

    def losses(self, samples: Samples, turn: int) -> NDArray[np.float32]:  # noqa: ARG002
        rows, scores = np.arange(len(samples)), columns(samples.inputs)
        down, up = self._pair(samples)
        lead = scores[rows, up] - scores[rows, down]
        return (1 + lead).astype(np.float32)

    def predictions(self, samples: Samples, turn: int) -> NDArray[np.int64]:  # noqa: ARG002
        return np.asarray(columns(samples.inputs).argmax(axis=1))

    def least_likely(self, samples: Samples) -> NDArray[np.int64]:
        scores = columns(samples.inputs)
        scores[np.arange(len(samples)), samples.labels] = np.inf
        return np.asarray(scores.argmin(axis=1))

    def _pair(self, samples: Samples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The class whose score is lowered and the one whose score is raised, of each sample."""
        scores, classes = columns(samples.inputs), samples.target_classes
        wanted = samples.labels if classes is None else classes
        scores[np.arange(len(samples)), wanted] = -np.inf
        rivals = np.asarray(scores.argmax(axis=1))
        return (wanted, rivals) if classes is None else (rivals, wanted)
