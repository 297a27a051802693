"""Evaluation: accuracy over sigma and votes, on the runtime that serves.

Image number i of the split is evaluated as the request of one input with the seed
``seed * 2^20 + i``, so any single answer can be asked for again over HTTP, and evaluations with
different seeds share no noise.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress, TaskID

from models.card import Accuracy
from models.checkpoint import Checkpoint
from models.datasets import Examples, as_inputs
from models.errors import DataError
from models.noise import NoiseKind, VoteKey
from models.runtime import Rows
from models.voting import NOWHERE, votes_of
from training.results_file import accuracy_of

REPORTED_VOTES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100)
IMAGES_PER_TASK = 50
IMAGES_PER_SEED = 2**20
MAX_SEED = 2**33 - 1


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What to evaluate.

    Attributes:
        kind: multiplicative or additive noise.
        sigmas: standard deviations, each at all noise points.
        votes: per image; accuracies are reported for smaller numbers, too.
        seed: of the evaluation, 0 to :data:`MAX_SEED`.
        threads: passes computed side by side.
    """

    kind: NoiseKind
    sigmas: tuple[float, ...]
    votes: int
    seed: int
    threads: int


def evaluate(
    checkpoint: Checkpoint, examples: Examples, plan: EvaluationPlan, progress: Progress
) -> Iterator[list[Accuracy]]:
    """Yield the accuracies of one sigma after the other.

    Args:
        checkpoint: what to evaluate.
        examples: labelled pictures.
        plan: noise and votes.
        progress: where progress is shown.
    """
    task = progress.add_task(checkpoint.name, total=len(plan.sigmas) * len(examples))
    for sigma in plan.sigmas:
        votes = cast_votes(checkpoint, examples, plan, sigma, progress, task)
        yield accuracies(votes, examples.labels, plan.kind, sigma, plan.votes)


def cast_votes(
    checkpoint: Checkpoint,
    examples: Examples,
    plan: EvaluationPlan,
    sigma: float,
    progress: Progress,
    task: TaskID,
) -> NDArray[np.int64]:
    """Return every vote on every image ``[images, votes]``; without noise one vote an image."""
    count = plan.votes if sigma > 0 else 1
    firsts = range(0, len(examples), IMAGES_PER_TASK)

    def cast(first: int) -> NDArray[np.int64]:
        inputs = as_inputs(examples.inputs[first : first + IMAGES_PER_TASK])
        return np.stack(
            [
                votes_on(checkpoint, plan.kind, sigma, image, seed, count)
                for seed, image in enumerate(inputs, request_seed(plan.seed, first))
            ]
        )

    votes = []
    with ThreadPoolExecutor(plan.threads) as pool:
        for part in pool.map(cast, firsts):
            votes.append(part)
            progress.advance(task, len(part))
    return np.concatenate(votes)


def request_seed(seed: int, image: int) -> int:
    """Return the seed of the request that evaluates an image."""
    return seed * IMAGES_PER_SEED + image


def votes_on(
    checkpoint: Checkpoint,
    kind: NoiseKind,
    sigma: float,
    image: NDArray[np.float32],
    seed: int,
    count: int,
) -> NDArray[np.int64]:
    """Return ``count`` votes on one image, in vote order.

    Raises:
        DataError: the outputs are not finite at this sigma.
    """
    runtime, card = checkpoint.runtime(kind), checkpoint.card
    votes = []
    for first in range(0, count, card.tile):
        keys = [VoteKey(seed, 0, vote) for vote in range(first, min(first + card.tile, count))]
        rows = Rows(
            images=image[np.newaxis],
            image_of_row=np.zeros(len(keys), np.int64),
            sigma=np.full((len(keys), len(card.noise_points)), sigma),
            keys=keys,
        )
        votes.append(votes_of(runtime.outputs(rows)))
    fell_on = np.concatenate(votes)
    if (fell_on == NOWHERE).any():
        raise DataError(f"the outputs of {checkpoint.name} overflow at sigma {sigma:g}")
    return fell_on


def accuracies(
    votes: NDArray[np.int64], labels: NDArray[np.int64], kind: NoiseKind, sigma: float, asked: int
) -> list[Accuracy]:
    """Return the accuracy of the mode of the first t votes, for each reported t.

    Args:
        votes: ``[images, votes]``; a single column stands for all votes.
        labels: ``[images]``.
        kind: of the noise.
        sigma: of the noise.
        asked: votes per image that were asked for.
    """
    result = []
    classes = int(max(votes.max(), labels.max())) + 1
    for count in sorted({*(t for t in REPORTED_VOTES if t < asked), asked}):
        # One column per class; argmax takes the lowest index of a tie, as the mode does.
        counts = np.stack([(votes[:, :count] == c).sum(axis=1) for c in range(classes)], axis=1)
        correct = int((counts.argmax(axis=1) == labels).sum())
        result.append(accuracy_of(kind, sigma, count, correct, len(labels)))
    return result
