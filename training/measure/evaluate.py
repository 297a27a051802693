"""Evaluation: votes and what they decide, on the runtime that serves.

Image number i of the split is evaluated as the request of one input with the seed
``seed * 2^20 + i``, so any single answer can be asked for again over HTTP, and evaluations with
different seeds share no noise.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress
from scipy.special import softmax

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import Examples, as_inputs
from noisevote.models.devices.noise import device_noise
from noisevote.models.devices.runtimes import DeviceRuntimes, runtime_for
from noisevote.models.devices.setting import DeviceSetting
from noisevote.models.errors import DataError
from noisevote.models.measured import Accuracy
from noisevote.models.noise import Noise, VoteKey, VoteNoise
from noisevote.models.runtime import Rows, Runtime, votes_of
from noisevote.models.study.seeds import places_of, request_seed
from noisevote.models.voting import NOWHERE
from noisevote.training.measure.results import accuracy_of

REPORTED_VOTES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100)
IMAGES_PER_TASK = 50
MAX_SEED = 2**33 - 1

MOST_ROWS = 40
"""Rows of a forward pass at most: what a recurrent network gains beyond is little."""

MOST_NORMALS = 2**21
"""Normals of a forward pass at most, unless the card's tile takes more: 8 MiB of noise."""


class Rule(StrEnum):
    """How t votes become one answer.

    The mode is what the service answers. The means are baselines: of the outputs (what an analog
    integrator behind the last layer could average), and of the probabilities (their softmax).
    """

    MODE = "mode"
    MEAN_OUTPUT = "mean_output"
    MEAN_PROBABILITY = "mean_probability"


@dataclass(frozen=True, slots=True)
class NumberedExamples:
    """Some examples of a split, and their numbers in it.

    Attributes:
        examples: inputs and labels.
        numbers: number of each example in its split ``[images]``; they decide the noise.
    """

    examples: Examples
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def chosen(self, which: NDArray[np.int64]) -> "NumberedExamples":
        """Return the examples at these places."""
        return NumberedExamples(self.examples.chosen(which), self.numbers[which])

    def spread(self, count: int) -> "tuple[NumberedExamples, NumberedExamples]":
        """Return ``count`` examples spread evenly over the split, and the others.

        Spread, since some test sets are sorted by class and the halves of MNIST's differ.
        """
        count = min(count, len(self))
        picked = places_of(count, len(self))
        return self.chosen(picked), self.chosen(np.setdiff1d(np.arange(len(self)), picked))


def numbered(examples: Examples) -> NumberedExamples:
    """Number the examples of a whole split."""
    return NumberedExamples(examples, np.arange(len(examples)))


@dataclass(frozen=True, slots=True)
class Votes:
    """All votes on some images, and what the first t of them decide.

    Without noise a single column stands for all votes.

    Attributes:
        labels: labels of each image ``[images]``.
        answers: by rule, the class that the first t votes decide for ``[images, votes]``, in
            column t - 1.
        fell_on: class of each vote ``[images, votes]``.
    """

    labels: NDArray[np.int64]
    answers: dict[Rule, NDArray[np.int16]]
    fell_on: NDArray[np.int16]

    def is_correct(self, votes: int, rule: Rule = Rule.MODE) -> NDArray[np.bool_]:
        """Return whether ``votes`` votes decide for the label ``[images]``."""
        answers = self.answers[rule]
        right: NDArray[np.bool_] = answers[:, min(votes, answers.shape[1]) - 1] == self.labels
        return right

    def correct(self, votes: int, rule: Rule = Rule.MODE) -> int:
        """Return how many images ``votes`` votes get right."""
        return int(self.is_correct(votes, rule).sum())


@dataclass(frozen=True, slots=True)
class Caster:
    """Casts votes.

    Attributes:
        checkpoint: checkpoint that votes.
        seed: seed of the evaluation, 0 to :data:`MAX_SEED`.
        threads: passes computed side by side.
        advance: called with the number of images done.
        devices: hold chips.
        runtime: computes all votes; None: the one that serves the noise.
    """

    checkpoint: Checkpoint
    seed: int
    threads: int = 1
    advance: Callable[[int], None] = lambda _: None
    devices: DeviceRuntimes = field(default_factory=DeviceRuntimes)
    runtime: Runtime | None = None

    def cast(self, images: NumberedExamples, noise: Noise | DeviceSetting, votes: int) -> Votes:
        """Cast ``votes`` votes on each image; without noise one stands for all.

        Raises:
            DataError: the outputs are not finite under this noise.
        """
        count = 1 if self.at_points(noise).is_silent else votes
        places = np.arange(len(images))
        tasks = [
            images.chosen(places[first : first + IMAGES_PER_TASK])
            for first in range(0, len(images), IMAGES_PER_TASK)
        ]

        def decide(part: NumberedExamples) -> Votes:
            outputs = self.outputs(part, noise, count)
            return votes_from(outputs, part.examples.labels)

        parts = []
        with ThreadPoolExecutor(self.threads) as pool:
            for part in pool.map(decide, tasks):
                parts.append(part)
                self.advance(len(part.labels))
        return joined(parts)

    def at_points(self, noise: Noise | DeviceSetting) -> VoteNoise:
        """Return a noise, or that of a device, at the checkpoint's noise points."""
        card = self.checkpoint.card
        if isinstance(noise, DeviceSetting):
            return device_noise(noise, card)
        return noise.at(card.point_names)

    def outputs(
        self, images: NumberedExamples, noise: Noise | DeviceSetting, votes: int
    ) -> NDArray[np.float32]:
        """Return the outputs of every vote ``[images, votes, classes]``.

        Votes of several images share a forward pass; that changes none of them, since the noise of
        a vote hangs on its key alone.

        Raises:
            DataError: the outputs are not finite under this noise.
        """
        card = self.checkpoint.card
        at_points = self.at_points(noise)
        runtime = self.runtime or runtime_for(self.checkpoint, at_points, self.devices)
        inputs = inputs_of(images.examples, card)
        keys = [
            VoteKey(request_seed(self.seed, number), 0, vote)
            for number in images.numbers.tolist()
            for vote in range(votes)
        ]
        # Votes of one chip share passes.
        order = np.argsort([at_points.chip_index(key) for key in keys], kind="stable")
        outputs = []
        rows = rows_of_pass(card)
        for first in range(0, len(keys), rows):
            some = order[first : first + rows]
            used, input_of_row = np.unique(some // votes, return_inverse=True)
            outputs.append(
                runtime.outputs(
                    Rows(
                        inputs={name: array[used] for name, array in inputs.items()},
                        input_of_row=input_of_row.astype(np.int64),
                        sigma=np.broadcast_to(at_points.sigma, (len(some), len(at_points.sigma))),
                        keys=[keys[place] for place in some.tolist()],
                        distribution=at_points.distribution,
                        noises=[at_points] * len(some),
                    )
                )
            )
        together = np.empty((len(keys), len(card.labels)), np.float32)
        together[order] = np.concatenate(outputs)
        if (votes_of(together) == NOWHERE).any():
            raise DataError(f"the outputs of {self.checkpoint.name} overflow under {noise.text}")
        return together.reshape(len(images), votes, -1)


@contextmanager
def casting(
    checkpoint: Checkpoint, seed: int, threads: int, bar: Progress, total: int | None
) -> Iterator[Caster]:
    """Give a caster, with a bar over ``total`` images; None: how many is not known."""
    with bar:
        task = bar.add_task(checkpoint.name, total=total)
        yield Caster(checkpoint, seed, threads, lambda done: bar.advance(task, done))


def inputs_of(examples: Examples, card: Card) -> dict[str, NDArray[Any]]:
    """Return examples as a checkpoint takes them, by name of the input ``[n, *shape]``."""
    stored: NDArray[Any] = examples.inputs
    own = stored if card.input.is_integer else as_inputs(stored)
    return {card.input.name: own, **examples.others}


def rows_of_pass(card: Card) -> int:
    """Return the rows of a forward pass: many, unless their noise outgrows the caches.

    What others made was tried with the rows that its card tells, and gets no more.
    """
    if card.imported is not None:
        return card.tile
    normals = sum(prod(point.shape) for point in card.noise_points)
    return max(card.tile, min(MOST_ROWS, MOST_NORMALS // normals))


def votes_from(outputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Votes:
    """Return what outputs ``[images, votes, classes]`` decide.

    Of several classes with as many votes, or as large a mean, the lowest is taken.
    """
    classes = outputs.shape[2]
    fell_on = outputs.argmax(axis=2)
    counts = np.cumsum(fell_on[:, :, np.newaxis] == np.arange(classes), axis=1)
    wide = outputs.astype(np.float64)
    sums = {
        Rule.MODE: counts,
        Rule.MEAN_OUTPUT: np.cumsum(wide, axis=1),
        Rule.MEAN_PROBABILITY: np.cumsum(softmax(wide, axis=2), axis=1),
    }
    answers = {rule: total.argmax(axis=2).astype(np.int16) for rule, total in sums.items()}
    return Votes(labels, answers, fell_on.astype(np.int16))


def joined(parts: Sequence[Votes]) -> Votes:
    """Return the votes on several groups of images as one."""
    return Votes(
        np.concatenate([part.labels for part in parts]),
        {rule: np.concatenate([part.answers[rule] for part in parts]) for rule in Rule},
        np.concatenate([part.fell_on for part in parts]),
    )


def reported(votes: int) -> list[int]:
    """Return the numbers of votes that are reported where so many are cast."""
    return sorted({*(t for t in REPORTED_VOTES if t < votes), votes})


def accuracies(votes: Votes, noise: Noise, asked: int) -> list[Accuracy]:
    """Return the accuracy of the mode of the first t votes, for each reported t.

    Args:
        votes: cast.
        noise: noise under which they were cast.
        asked: votes per image that were asked for.
    """
    return [
        accuracy_of(noise, count, votes.correct(count), len(votes.labels))
        for count in reported(asked)
    ]
