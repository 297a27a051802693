"""Raw results as small text files: CSV, with what made them in comment lines on top."""

import csv
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from models.card import Accuracy
from models.errors import DataError
from models.noise import NoiseKind
from models.statistics import clopper_pearson

CONFIDENCE_ALPHA = 0.05
SAME = ("checkpoint", "split", "noise", "votes")
COLUMNS = ("kind", "sigma", "votes", "correct", "images", "accuracy", "low", "high")


@dataclass(frozen=True, slots=True)
class Results:
    """Accuracies as they lie in a file.

    Attributes:
        about: what was evaluated, and how.
        accuracies: one for each sigma and number of votes.
    """

    about: dict[str, str]
    accuracies: list[Accuracy]


def read_results(path: Path) -> Results:
    """Read a file that :func:`write_results` made.

    Raises:
        DataError: it is no such file.
    """
    try:
        lines = path.read_text().splitlines()
        about = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
        accuracies = [
            accuracy_of(
                NoiseKind(row["kind"]),
                float(row["sigma"]),
                int(row["votes"]),
                int(row["correct"]),
                int(row["images"]),
            )
            for row in csv.DictReader(line for line in lines if not line.startswith("#"))
        ]
    except (OSError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise DataError(f"{path} is not a results file: {error!r}; delete it") from error
    return Results(about, accuracies)


def results_so_far(path: Path, about: Mapping[str, str]) -> list[Accuracy]:
    """Return the accuracies of an interrupted evaluation; none if there is no file.

    Args:
        path: of the results.
        about: what is being evaluated now; :data:`SAME` of it must be the same in the file.

    Raises:
        DataError: the file holds results of another evaluation, or none at all.
    """
    if not path.is_file():
        return []
    earlier = read_results(path)
    for key in SAME:
        if earlier.about.get(key) != about[key]:
            raise DataError(
                f"{path} holds results of another evaluation ({key}: {earlier.about.get(key)}, "
                f"now {about[key]}); name another file, or delete it"
            )
    return earlier.accuracies


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
