"""Raw results as small text files: CSV, with what made them in comment lines on top."""

import csv
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from noisevote.models.errors import DataError, InputError
from noisevote.models.files import hold, write_whole
from noisevote.models.measured import Accuracy
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.noise_setting import (
    parse_repeats,
    parse_sigma,
    shown_map,
    shown_sigma,
)
from noisevote.models.statistics import clopper_pearson, paired_interval

CPU_INFO = Path("/proc/cpuinfo")
CONFIDENCE_ALPHA = 0.05
Z_95 = 1.959964
ADDED_TO = ("command", "machine", "libraries")
"""What may change between the interruption of an experiment and its continuation; all are kept."""

MAY_DIFFER = (*ADDED_TO, "trained by")

SAMPLES = "samples"
"""Entry of the head that only stands where samples were measured."""

THEN = "; then "
"""Between the commands, or machines, that made a file one after the other."""

SHARE_COLUMNS = ("correct", "images", "accuracy", "low", "high")
PAIR_COLUMNS = (
    "reference_correct", "only_this_right", "only_reference_right",
    "difference", "difference_low", "difference_high",
)  # fmt: skip
ACCURACY_COLUMNS = ("kind", "sigma", "repeats", "votes", *SHARE_COLUMNS)

Row = dict[str, str]


@dataclass(slots=True)
class Table:
    """Rows of text as they lie in a file.

    Attributes:
        about: what was measured, and how.
        rows: rows by column.
    """

    about: dict[str, str]
    rows: list[Row] = field(default_factory=list)


def read_table(path: Path) -> Table:
    """Read a file that :func:`write_table` made.

    Raises:
        DataError: it is no such file.
    """
    try:
        lines = path.read_text().splitlines()
        about = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a results file: {error!r}; delete it") from error
    if any(None in row or None in row.values() for row in rows):
        raise DataError(f"{path} is not a results file: a row has too few or too many columns")
    return Table(about, rows)


def write_table(
    path: Path, table_about: Mapping[str, str], columns: Sequence[str], rows: Iterable[Row]
) -> None:
    """Write rows as CSV; an interruption leaves either the old file or the new one.

    Raises:
        DataError: it cannot be written.
    """
    text = StringIO()
    text.writelines(f"# {key}: {value}\n" for key, value in table_about.items())
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.getvalue().encode())


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the file system into ours.

    Raises:
        DataError: the file cannot be written, or another process writes it.
    """
    try:
        yield
    except BlockingIOError as error:
        raise DataError(
            f"another process writes {path}; wait until it has ended, or name another file"
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


class ResultsFile:
    """The rows of one experiment, written after each step, so that it goes on where it was.

    As long as it is open no other process can open it, so that none takes away another's rows.

    Args:
        path: path of the file.
        about: what is measured and how; all but :data:`MAY_DIFFER` must be the same in a file
            that is there already.
        columns: columns in the order of the file.

    Raises:
        DataError: the file holds other results, or none at all, it cannot be written, or another
            process writes it.
    """

    def __init__(self, path: Path, about: Mapping[str, str], columns: Sequence[str]) -> None:
        self.path = path
        with writing(path):
            self._hold = hold(path)
        self._columns = columns
        self.about = dict(about)
        self.rows: list[Row] = []
        if path.is_file():
            earlier = read_table(path)
            check_same(path, earlier.about, about)
            self.rows = earlier.rows
            self.about |= {
                key: continued(earlier.about, about, key) for key in ADDED_TO if key in about
            }

    def having(self, **values: object) -> list[Row]:
        """Return the rows that hold these values."""
        wanted = {key: as_text(value) for key, value in values.items()}
        return [row for row in self.rows if wanted.items() <= row.items()]

    def drop(self, **values: object) -> None:
        """Forget the rows that hold these values, left by a step that was interrupted."""
        gone = self.having(**values)
        self.rows = [row for row in self.rows if row not in gone]

    def add(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Append rows and write the file."""
        self.rows += [{key: as_text(value) for key, value in row.items()} for row in rows]
        write_table(self.path, self.about, self._columns, self.rows)


def continued(earlier: Mapping[str, str], now: Mapping[str, str], key: str) -> str:
    """Return an entry of the head of a file that goes on: what it said before, then what is new."""
    known = earlier[key].split(THEN) if key in earlier else []
    return THEN.join(dict.fromkeys([*known, now[key]]))


def check_same(path: Path, earlier: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to add to results that were measured in another way."""
    for key in [*now, *({SAMPLES} & earlier.keys() - now.keys())]:
        if key not in MAY_DIFFER and earlier.get(key) != now.get(key):
            raise DataError(
                f"{path} holds results of another evaluation ({key}: {earlier.get(key)}, "
                f"now {now.get(key)}); name another file, or delete it"
            )


def as_text(value: object) -> str:
    """Return a value as it stands in a file."""
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return str(value)


def share(correct: int, images: int) -> dict[str, str]:
    """Return the columns :data:`SHARE_COLUMNS` of a share, with its exact interval at 95 %."""
    low, high = clopper_pearson(correct, images, CONFIDENCE_ALPHA)
    return {
        "correct": str(correct),
        "images": str(images),
        "accuracy": f"{correct / images:.4f}",
        "low": f"{low:.4f}",
        "high": f"{high:.4f}",
    }


def paired(is_right: NDArray[np.bool_], is_reference_right: NDArray[np.bool_]) -> dict[str, object]:
    """Return the columns :data:`PAIR_COLUMNS` of two accuracies on the same images.

    The difference has a 95 % interval; see :func:`paired_interval`.

    Args:
        is_right: whether each image is right ``[images]``.
        is_reference_right: whether the reference has each image right.
    """
    images = len(is_right)
    gained = int((is_right & ~is_reference_right).sum())
    lost = int((is_reference_right & ~is_right).sum())
    low, high = paired_interval(is_right.astype(np.float64) - is_reference_right)
    return {
        "reference_correct": int(is_reference_right.sum()),
        "only_this_right": gained,
        "only_reference_right": lost,
        "difference": (gained - lost) / images,
        "difference_low": low,
        "difference_high": high,
    }


def accuracies_in(path: Path, rows: Iterable[Row]) -> list[Accuracy]:
    """Return the accuracies that the rows of a file hold.

    Raises:
        DataError: they hold none.
    """
    try:
        return [accuracy_in(row) for row in rows]
    except (KeyError, ValueError, ZeroDivisionError, InputError) as error:
        raise DataError(f"{path} is not a results file: {error!r}; delete it") from error


def accuracy_in(row: Row) -> Accuracy:
    """Return the accuracy that a row holds."""
    noise = Noise(
        NoiseKind(row["kind"]), parse_sigma(row["sigma"]), parse_repeats(row.get("repeats", ""))
    )
    return accuracy_of(noise, int(row["votes"]), int(row["correct"]), int(row["images"]))


def accuracy_of(noise: Noise, votes: int, correct: int, images: int) -> Accuracy:
    """Return an accuracy with its interval."""
    return Accuracy(
        kind=noise.kind,
        sigma=noise.sigma,
        repeats=noise.repeats,
        votes=votes,
        correct=correct,
        images=images,
        accuracy=correct / images,
        interval=clopper_pearson(correct, images, CONFIDENCE_ALPHA),
    )


def accuracy_row(entry: Accuracy) -> Row:
    """Return an accuracy as a row of a file."""
    return {
        "kind": entry.kind.value,
        "sigma": shown_sigma(entry.sigma),
        "repeats": shown_map(entry.repeats),
        "votes": str(entry.votes),
        **share(entry.correct, entry.images),
    }


def machine() -> dict[str, str]:
    """Name what decides votes beside seed and fingerprint: CPU type and library builds."""
    libraries = [f"onnxruntime {onnxruntime.__version__}", f"numpy {np.__version__}"]
    if torch := sys.modules.get("torch"):
        libraries.append(f"torch {torch.__version__}")
    return {
        "machine": f"{cpu_type()}, Python {platform.python_version()}",
        "libraries": ", ".join(libraries),
    }


def cpu_type() -> str:
    """Return the maker's name of the CPU where the system tells it, and its architecture."""
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return ", ".join([*names[:1], platform.machine()])
