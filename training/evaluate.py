"""Evaluation: accuracy over sigma and votes, on the runtime that serves.

Image number i of the split is evaluated as the request of one input with the seed
``seed * 2^20 + i``, so any single answer can be asked for again over HTTP, and evaluations with
different seeds share no noise.
"""

import csv
import platform
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.progress import Progress, TaskID

from models.card import Accuracy
from models.checkpoint import Checkpoint
from models.datasets import Examples
from models.errors import DataError
from models.noise import NoiseKind, VoteKey
from models.runtime import Rows
from models.statistics import clopper_pearson
from models.voting import NOWHERE, votes_of

REPORTED_VOTES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100)
CONFIDENCE_ALPHA = 0.05
IMAGES_PER_TASK = 50
IMAGES_PER_SEED = 2**20
MAX_SEED = 2**33 - 1
SAME = ("checkpoint", "split", "noise", "votes")
COLUMNS = ("kind", "sigma", "votes", "correct", "images", "accuracy", "low", "high")


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
        inputs = as_inputs(checkpoint, examples.inputs[first : first + IMAGES_PER_TASK])
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


def as_inputs(
    checkpoint: Checkpoint, stored: NDArray[np.uint8] | NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scale pictures stored as 0..255 to the network's input range; sequences are stored in it."""
    if stored.dtype == np.float32:
        return stored.astype(np.float32, copy=False)
    low, high = checkpoint.card.input.range
    return stored.astype(np.float32) / np.float32(255) * np.float32(high - low) + np.float32(low)


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


def read_results(path: Path, about: Mapping[str, str]) -> list[Accuracy]:
    """Read the accuracies of an earlier, possibly interrupted evaluation; none if absent.

    Args:
        path: a file that :func:`write_results` made.
        about: what is being evaluated now; :data:`SAME` of it must be the same in the file.

    Raises:
        DataError: it is not such a file, or of another evaluation.
    """
    if not path.is_file():
        return []
    lines = path.read_text().splitlines()
    written = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    for key in SAME:
        if written.get(key) != about[key]:
            raise DataError(
                f"{path} holds results of another evaluation ({key}: {written.get(key)}, now "
                f"{about[key]}); name another file, or delete it"
            )
    try:
        return [
            accuracy_of(
                NoiseKind(row["kind"]),
                float(row["sigma"]),
                int(row["votes"]),
                int(row["correct"]),
                int(row["images"]),
            )
            for row in csv.DictReader(line for line in lines if not line.startswith("#"))
        ]
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise DataError(f"{path} is not a results file: {error!r}; delete it") from error


def accuracy_of(kind: NoiseKind, sigma: float, votes: int, correct: int, images: int) -> Accuracy:
    """Return an accuracy with its interval."""
    return Accuracy(
        kind=kind,
        sigma=sigma,
        votes=votes,
        correct=correct,
        images=images,
        accuracy=correct / images,
        interval=clopper_pearson(correct, images, CONFIDENCE_ALPHA),
    )


def write_results(path: Path, results: Sequence[Accuracy], about: Mapping[str, str]) -> None:
    """Write accuracies as CSV, with what made them in comment lines on top."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in about.items())
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for entry in results:
            low, high = entry.interval
            writer.writerow(
                [
                    entry.kind,
                    entry.sigma,
                    entry.votes,
                    entry.correct,
                    entry.images,
                    f"{entry.accuracy:.4f}",
                    f"{low:.4f}",
                    f"{high:.4f}",
                ]
            )


def machine() -> dict[str, str]:
    """Name what decides votes beside seed and fingerprint: CPU type and library builds."""
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "libraries": f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}",
    }
