"""E. D. de Jong's archive of MNIST digits as pen strokes, read into sequences.

The archive, ``sequences.tar.gz``, holds for each digit a file of rows ``dx dy eos eod``: the step
from the point before, whether the row ends a stroke, and whether it ends the digit. A row that
ends a stroke has no step of its own.

The digest of an archive is the SHA-256 over the contents of the files that are used, each followed
by a zero byte: the labels of the training and of the test digits, then the training digits and
the test digits in the order of their numbers. So neither compression, order nor further files
matter.

Source: https://github.com/edwin-de-jong/mnist-digits-stroke-sequence-data (2016, CC BY-SA).
"""

import hashlib
import tarfile
import warnings
import zlib
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisevote.models.data.dataset import Dataset, Examples, LoadedDataset
from noisevote.models.data.files import DATA_DIR_VARIABLE, DatasetFile, is_there
from noisevote.models.errors import DataError
from noisevote.models.inputs.strokes import FEATURES, STEPS

SPLITS = ("train", "test")
MAX_USED_BYTES = 256 * 2**20

ARCHIVE = DatasetFile(
    "sequences.tar.gz", "f981fbeab1c5cfd9ce225ac58695175655be53d7d262404c6fd99c0fa5fc1f74"
)
"""The digest is that of a copy, which was recomputed; none of his own is known to this project."""

ADDRESS = "https://github.com/edwin-de-jong/mnist-digits-stroke-sequence-data"


def read_strokes(about: Dataset, directory: Path, allow_unknown: bool) -> LoadedDataset:
    """Read the archive from ``directory`` or its folder ``strokes``.

    Raises:
        DataError: it is in neither, is damaged, or is unknown.
    """
    path = archive_in(directory)
    if path is None:
        raise DataError(
            f"{ARCHIVE.name} is neither in {directory} nor in its folder strokes; download it from "
            f"{ADDRESS} (other contents than the known copy need --allow-unknown-data), "
            f"or name its folder with --data-dir or {DATA_DIR_VARIABLE}"
        )
    archive = read_stroke_archive(path)
    is_known = archive.sha256 == ARCHIVE.sha256
    if not is_known and not allow_unknown:
        raise DataError(
            f"{path} is not the known copy: the SHA-256 of its contents is {archive.sha256}, that "
            f"of the copy {ARCHIVE.sha256}. Pass --allow-unknown-data to use it as it is"
        )
    note = "recomputed copy" if is_known else "unknown"
    return LoadedDataset(
        about,
        archive.examples["train"],
        archive.examples["test"],
        digests={f"{ARCHIVE.name} ({note})": archive.sha256},
        is_official=False,
    )


def archive_in(directory: Path) -> Path | None:
    """Return the archive in a directory or its folder ``strokes``, if it is there."""
    candidates = [directory / "strokes" / ARCHIVE.name, directory / ARCHIVE.name]
    return next((path for path in candidates if is_there(path)), None)


def seems_there(_: Dataset, directory: Path) -> bool:
    """Return whether the archive lies in a directory or its folder ``strokes``."""
    return archive_in(directory) is not None


@dataclass(frozen=True, slots=True)
class StrokeArchive:
    """What the archive holds.

    Attributes:
        examples: examples of each split; inputs ``[n, T, 2]``, float32.
        sha256: digest of the contents.
    """

    examples: dict[str, Examples]
    sha256: str


def read_stroke_archive(path: Path) -> StrokeArchive:
    """Read ``sequences.tar.gz``.

    Raises:
        DataError: it is damaged, incomplete or holds something else.
    """
    contents = used_contents(path)
    names = [label_file(split) for split in SPLITS]
    names += [name for split in SPLITS for name in digit_files(split, contents)]
    if set(names) != contents.keys():
        wrong = sorted(set(names) ^ contents.keys())
        raise DataError(f"{path} lacks files or has a gap in their numbers, see {wrong[:3]}")
    digest = hashlib.sha256()
    for name in names:
        digest.update(contents[name])
        digest.update(b"\0")
    examples = {}
    for split in SPLITS:
        where = f"{path}, {split} digits"
        digits = [contents[name] for name in digit_files(split, contents)]
        labels = parse_numbers(contents[label_file(split)], where)
        if len(labels) != len(digits) or not digits:
            raise DataError(f"{where}: {len(digits)} digits but {len(labels)} labels")
        examples[split] = Examples(parse_digits(digits, where), labels)
    return StrokeArchive(examples, digest.hexdigest())


def label_file(split: str) -> str:
    """Return the name of the file with the labels of a split."""
    return f"{split}labels.txt"


def digit_files(split: str, contents: dict[str, bytes]) -> list[str]:
    """Return the names of the digits of a split, by number, up to the first that is absent."""
    names: list[str] = []
    for number in count():
        name = f"{split}img-{number}-inputdata.txt"
        if name not in contents:
            return names
        names.append(name)
    raise AssertionError


def used_contents(path: Path) -> dict[str, bytes]:
    """Return the contents of the files that are used, by name without folder.

    The archive is read from end to end once, and nothing is unpacked to disk.
    """
    contents: dict[str, bytes] = {}
    used = 0
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                is_used = name.endswith("-inputdata.txt") or name in map(label_file, SPLITS)
                if not is_used or (file := archive.extractfile(member)) is None:
                    continue
                used += member.size
                if used > MAX_USED_BYTES:
                    raise DataError(f"{path} holds more than {MAX_USED_BYTES} bytes of digits")
                contents[name] = file.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path} is not a complete .tar.gz archive: {error}") from error
    return contents


def parse_digits(digits: list[bytes], where: str) -> NDArray[np.float32]:
    """Parse the files of all digits of a split into sequences ``[n, T, 2]``."""
    rows = parse_numbers(b"\n".join(digits), where)
    if len(rows) % 4:
        raise DataError(f"{where}: {len(rows)} numbers do not make rows of four")
    rows = rows.reshape(-1, 4)
    ends = np.flatnonzero(rows[:, 3]) + 1
    if len(ends) != len(digits) or (len(ends) and ends[-1] != len(rows)):
        raise DataError(f"{where}: {len(ends)} rows end a digit in {len(digits)} files")
    is_point = rows[:, 2] == 0
    digit = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))[is_point]
    points = np.bincount(digit, minlength=len(ends))
    step = np.arange(len(digit)) - np.repeat(np.cumsum(points) - points, points)
    is_read = step < STEPS
    sequences = np.zeros((len(ends), STEPS, FEATURES), np.float32)
    sequences[digit[is_read], step[is_read]] = rows[is_point, :2][is_read]
    return sequences


def parse_numbers(text: bytes, where: str) -> NDArray[np.int64]:
    """Parse integers separated by white space."""
    try:
        with warnings.catch_warnings():
            # NumPy only warns of what it cannot read.
            warnings.simplefilter("error", DeprecationWarning)
            return np.fromstring(text.decode("ascii"), np.int64, sep=" ")
    except (ValueError, DeprecationWarning) as error:
        raise DataError(f"{where}: not only numbers: {error}") from error
